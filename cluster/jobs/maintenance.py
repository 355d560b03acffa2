"""Maintenance work: requeue stalled jobs, purge deleted sessions, erase closed accounts, close abandoned recordings."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import procrastinate
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from models.accounts.erasure import accounts_to_erase, erase_user
from models.errors import IllegalTransition, NotFound
from models.jobs import BATCH
from models.mindmap.state import discard_empty_session, invalidate_joint_maps
from models.recording.close_session import close_session

log = structlog.get_logger("jobs")

#: A worker without a heartbeat for this long counts as dead; its jobs are requeued.
STALLED_AFTER_S = 10.0


async def requeue_stalled_jobs(app: App) -> int:
    """Put the jobs of vanished workers back into the queue; return how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S))
    num_requeued = 0
    for job in stalled:
        try:
            await app.job_manager.retry_job(job)
            num_requeued += 1
            log.warning("job_requeued", job_id=job.id, task=job.task_name)
        except ConnectorException:
            # The same work waits in the queue already (queueing lock): this copy may rest.
            if job.id is not None:
                await app.job_manager.finish_job_by_id_async(
                    job_id=job.id, status=procrastinate.jobs.Status.FAILED, delete_job=True
                )
    return num_requeued


async def purge_session(pool: AsyncConnectionPool[Any], session_id: uuid.UUID) -> dict[str, int]:
    """Erase a deleted session for good, with the page texts no other session of its user needs. Safe to repeat.

    Returns how many rows of each kind went; nothing when the deletion was taken back.
    """
    async with pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(
            "SELECT user_id FROM browsing_sessions WHERE id = %s AND deleted_at IS NOT NULL FOR UPDATE", [session_id]
        )
        row = await cursor.fetchone()
        if row is None:
            return {}
        cursor = await connection.execute(
            "DELETE FROM page_contents c WHERE c.user_id = %(user)s AND c.content_key IN"
            " (SELECT content_key FROM events WHERE session_id = %(session)s AND content_key IS NOT NULL)"
            " AND NOT EXISTS (SELECT FROM events e JOIN browsing_sessions s ON s.id = e.session_id"
            " WHERE s.user_id = %(user)s AND s.id <> %(session)s AND e.content_key = c.content_key)",
            {"user": row[0], "session": session_id},
        )
        num_contents = cursor.rowcount
        cursor = await connection.execute("DELETE FROM events WHERE session_id = %s", [session_id])
        num_events = cursor.rowcount
        # Maps over several sessions show its pages: they are made again without it, when their user asks.
        await invalidate_joint_maps(connection, session_id)
        await connection.execute("DELETE FROM browsing_sessions WHERE id = %s", [session_id])
    return {"page_contents": num_contents, "events": num_events, "browsing_sessions": 1}


async def erase_due_accounts(pool: AsyncConnectionPool[Any], delay_s: float) -> int:
    """Erase the accounts closed longer ago than `delay_s`, each in its own transaction; return how many."""
    async with pool.connection() as connection:
        due = await accounts_to_erase(connection, timedelta(seconds=delay_s))
    for user_id in due:
        async with pool.connection() as connection, connection.transaction():
            counts = await erase_user(connection, user_id)
            await connection.execute(
                "INSERT INTO audit_log (id, action, subject, facts, at)"
                " VALUES (gen_random_uuid(), 'account.erased', %s, %s, now())",
                [str(user_id), Jsonb(counts)],
            )
        log.info("account_erased", num_rows=sum(counts.values()))
    return len(due)


async def close_abandoned_sessions(pool: AsyncConnectionPool[Any], after_s: float) -> int:
    """Stop recordings nobody sends events to any more, and order their maps; empty ones fail. Returns how many.

    What counts is the last event, not the last change of the row: a recording that runs for days stays open.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT s.id, e.last FROM browsing_sessions s LEFT JOIN LATERAL"
            " (SELECT max(received_at) AS last FROM events WHERE session_id = s.id) e ON true"
            " WHERE s.status IN ('recording', 'paused') AND s.deleted_at IS NULL"
            " AND greatest(s.updated_at, e.last) < now() - %s",
            [timedelta(seconds=after_s)],
        )
        abandoned = await cursor.fetchall()
    closed = 0
    for session_id, last in abandoned:
        try:
            if last is None:
                async with pool.connection() as connection:
                    await discard_empty_session(connection, session_id, "nothing was recorded")
            else:
                await close_session(pool, session_id, None, is_expired=True, priority=BATCH)
            closed += 1
        except (IllegalTransition, NotFound):
            log.info("abandoned_session_changed_state", session_id=str(session_id))
    return closed
