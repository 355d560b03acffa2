"""Maintenance work.

Requeue stalled jobs, resume interrupted maps, close abandoned recordings, purge deleted sessions and closed accounts.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cluster.mail.messages import Language, erasure_receipt_mail
from cluster.mail.queue import NOTICE_TTL, MailQueue
from models.accounts.audit import insert_audit_entry
from models.accounts.data_kinds import counts_by_kind
from models.accounts.erasure import accounts_to_erase, erase_user
from models.accounts.mail_records import mail_recipient
from models.billing.purchases import end_billing
from models.errors import IllegalTransition, MapInterrupted, NotFound, Unavailable, coded_reason
from models.jobs import BATCH
from models.lifecycle.close_session import AbandonedSession, close_session, find_abandoned_sessions
from models.lifecycle.interrupted_maps import (
    find_interrupted_joint_maps,
    find_interrupted_maps,
    resume_joint_map,
    resume_map,
)
from models.lifecycle.purge import delete_session_rows
from models.lifecycle.raw_events import delete_raw_events, sessions_with_old_events
from models.lifecycle.state import discard_empty_session, fail_joint_map

log = structlog.get_logger("jobs")

#: A worker without a heartbeat for this long counts as dead; its jobs are requeued.
STALLED_AFTER_S = 10.0
#: A map without a job is resumed when its status has not changed for this long.
INTERRUPTED_AFTER = timedelta(minutes=2)


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
    pool: AsyncConnectionPool[Any], grace_period_s: float, mail_queue: MailQueue | None = None
) -> int:
    """Erase the accounts that were closed longer ago than `grace_period_s`, and their mails; return how many.

    Each account has its own transaction: an interrupted run keeps what it has erased, and an account that cannot be
    erased does not delay the others.
    """
    async with pool.connection() as connection:
        user_ids = await accounts_to_erase(connection, timedelta(seconds=grace_period_s))
    num_erased = 0
    for user_id in user_ids:
        with _isolated("account_not_erased", user_id=str(user_id)):
            async with pool.connection() as connection, connection.transaction():
                await end_billing(connection, user_id, is_erased=True)
                recipient = await mail_recipient(connection, user_id, with_closed=True)
                counts = counts_by_kind(await erase_user(connection, user_id))
                await insert_audit_entry(
                    connection, "account.erased", user_id, {str(kind): number for kind, number in counts.items()}
                )
                if mail_queue is not None and mail_queue.mailer.has_server and recipient is not None:
                    language: Language = "en" if recipient.language == "en" else "ko"
                    mail = erasure_receipt_mail(language, str(user_id), counts)
                    await mail_queue.enqueue_to_former_user(connection, recipient.address, mail, ttl=NOTICE_TTL)
            num_erased += 1
            if mail_queue is not None:
                await mail_queue.mailer.erase_sent(user_id)
            log.info("account_erased", num_rows=sum(counts.values()))
    return num_erased


async def delete_old_raw_events(pool: AsyncConnectionPool[Any], age: timedelta, *, batch: int = 10_000) -> int:
    """Delete the raw events of sessions that ended longer ago than `age`; return of how many sessions.

    Each session has its own transaction; one that cannot be read does not delay the others. Sessions are looked for
    `batch` at a time, until none is left: more may end in a day.
    """
    num_sessions = 0
    while True:
        async with pool.connection() as connection:
            session_ids = await sessions_with_old_events(connection, age, batch)
        num_deleted = 0
        for session_id in session_ids:
            with _isolated("raw_events_not_deleted", session_id=str(session_id)):
                async with pool.connection() as connection, connection.transaction():
                    num_deleted += await delete_raw_events(connection, session_id, age) > 0
        num_sessions += num_deleted
        # Sessions that cannot be read are found again.
        if len(session_ids) < batch or not num_deleted:
            return num_sessions


async def close_abandoned_sessions(pool: AsyncConnectionPool[Any], idle_timeout_s: float) -> int:
    """Close recordings without an event for `idle_timeout_s` and enqueue their maps; return how many were closed.

    A recording without any event fails instead: it has nothing to map. A recording that cannot be closed stays open and
    does not delay the others.
    """
    async with pool.connection() as connection:
        abandoned = await find_abandoned_sessions(connection, timedelta(seconds=idle_timeout_s))
    num_closed = 0
    for session in abandoned:
        with _isolated("abandoned_session_not_closed", session_id=str(session.session_id)):
            try:
                await _close_abandoned(pool, session)
                num_closed += 1
            except (IllegalTransition, NotFound):
                # The user paused, stopped or deleted it since the query.
                log.info("abandoned_session_changed_state", session_id=str(session.session_id))
    return num_closed


async def resume_interrupted_maps(
    pool: AsyncConnectionPool[Any], fail: Callable[[uuid.UUID, str], Awaitable[None]]
) -> int:
    """Enqueue the maps that wait for a job which does not exist, or `fail` those whose job is dead; return how many."""
    async with pool.connection() as connection:
        interrupted = await find_interrupted_maps(connection, INTERRUPTED_AFTER)
        joint = await find_interrupted_joint_maps(connection, INTERRUPTED_AFTER)
    for each in interrupted:
        with _isolated("interrupted_map_not_resumed", session_id=str(each.id)):
            if each.has_dead_job:
                await fail(each.id, coded_reason(MapInterrupted()))
                continue
            async with pool.connection() as connection, connection.transaction():
                await resume_map(connection, each.id)
            log.warning("interrupted_map_resumed", session_id=str(each.id))
    for each in joint:
        with _isolated("interrupted_map_not_resumed", map_id=str(each.id)):
            async with pool.connection() as connection, connection.transaction():
                if each.has_dead_job:
                    await fail_joint_map(connection, each.id, coded_reason(MapInterrupted()))
                else:
                    await resume_joint_map(connection, each.id)
            log.warning("interrupted_map_resumed", map_id=str(each.id))
    return len(interrupted) + len(joint)


async def _close_abandoned(pool: AsyncConnectionPool[Any], session: AbandonedSession) -> None:
    if session.has_events:
        await close_session(pool, session.session_id, None, is_expired=True, priority=BATCH)
        return
    async with pool.connection() as connection:
        await discard_empty_session(connection, session.session_id, "nothing was recorded")


@contextmanager
def _isolated(event: str, **ids: str) -> Iterator[None]:
    """Log an error of one entry of a sweep as `event` instead of ending the sweep.

    Errors of the database itself end it: they concern every entry, and the job must not count as done.
    """
    try:
        yield
    except (Unavailable, OperationalError, PoolTimeout):
        raise
    except Exception as error:
        log.exception(event, error=type(error).__name__, **ids)
