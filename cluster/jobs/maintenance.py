"""Maintenance work: requeue stalled jobs, purge deleted sessions, erase closed accounts, close abandoned recordings."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from psycopg_pool import AsyncConnectionPool

from cluster.mail.sender import Mailer
from models.accounts.audit import insert_audit_entry
from models.accounts.erasure import accounts_to_erase, erase_user
from models.errors import IllegalTransition, NotFound
from models.jobs import BATCH
from models.lifecycle.close_session import close_session, find_abandoned_sessions
from models.lifecycle.purge import delete_session_rows
from models.lifecycle.state import discard_empty_session

log = structlog.get_logger("jobs")

#: A worker without a heartbeat for this long counts as dead; its jobs are requeued.
STALLED_AFTER_S = 10.0


async def requeue_stalled_jobs(app: App) -> int:
    """Requeue the jobs of dead workers; return how many. A job whose work is queued again already is deleted."""
    num_requeued = 0
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S):
        assert job.id is not None
        try:
            await app.job_manager.retry_job(job)
        except UniqueViolation:
            # Another job with the same queueing lock waits: it does the work of this one.
            await app.job_manager.finish_job_by_id_async(job_id=job.id, status=Status.FAILED, delete_job=True)
        except ConnectorException as error:
            # Another worker has requeued it since the query; deleting it here would lose the job.
            log.info("stalled_job_changed_state", job_id=job.id, error=str(error))
        else:
            num_requeued += 1
            log.warning("job_requeued", job_id=job.id, task=job.task_name)
    return num_requeued


async def purge_session(pool: AsyncConnectionPool[Any], session_id: uuid.UUID) -> dict[str, int]:
    """Purge a deleted session in one transaction; see `models.lifecycle.purge.delete_session_rows`."""
    async with pool.connection() as connection, connection.transaction():
        return await delete_session_rows(connection, session_id)


async def erase_due_accounts(
    pool: AsyncConnectionPool[Any], grace_period_s: float, mailer: Mailer | None = None
) -> int:
    """Erase the accounts that were closed longer ago than `grace_period_s`, and their mails; return how many.

    Each account has its own transaction: an interrupted run keeps what it has erased.
    """
    async with pool.connection() as connection:
        user_ids = await accounts_to_erase(connection, timedelta(seconds=grace_period_s))
    for user_id in user_ids:
        async with pool.connection() as connection, connection.transaction():
            counts = await erase_user(connection, user_id)
            await insert_audit_entry(connection, "account.erased", user_id, counts)
        if mailer is not None:
            await mailer.erase_sent(user_id)
        log.info("account_erased", num_rows=sum(counts.values()))
    return len(user_ids)


async def close_abandoned_sessions(pool: AsyncConnectionPool[Any], idle_timeout_s: float) -> int:
    """Close recordings without an event for `idle_timeout_s` and enqueue their maps; return how many were closed.

    A recording without any event fails instead: it has nothing to map.
    """
    async with pool.connection() as connection:
        abandoned = await find_abandoned_sessions(connection, timedelta(seconds=idle_timeout_s))
    num_closed = 0
    for session in abandoned:
        try:
            if session.has_events:
                await close_session(pool, session.session_id, None, is_expired=True, priority=BATCH)
            else:
                async with pool.connection() as connection:
                    await discard_empty_session(connection, session.session_id, "nothing was recorded")
            num_closed += 1
        except (IllegalTransition, NotFound):
            # The user paused, stopped or deleted it since the query.
            log.info("abandoned_session_changed_state", session_id=str(session.session_id))
    return num_closed
