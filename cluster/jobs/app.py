"""Carrying out the durable work: which task runs what, when it is tried again, and when it is given up."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import procrastinate
import structlog
from procrastinate import App, JobContext, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.middleware import watch
from cluster.jobs.retention import Retention
from cluster.mail.queue import Post, UntilTaken, forget_refused
from cluster.maps.generation import MapGenerator, MapRequest
from cluster.maps.joint_maps import JointMapGenerator
from models.accounts.erasure import due_accounts, erase_user
from models.ai_calls import purge_call_texts, release_lost_calls
from models.errors import IllegalTransition, JobFailed, NotFound
from models.jobs import (
    BATCH,
    CLOSE_FORGOTTEN,
    ERASE_ACCOUNTS,
    GENERATE_JOINT_MAP,
    GENERATE_MAP,
    KEEP_SESSIONS,
    MAIL,
    MAPS,
    PURGE_SESSION,
    RESCUE_JOBS,
    SEND_MAIL,
    TIDY_AI,
    UPKEEP,
)
from models.recording.close_session import close_session

log = structlog.get_logger("jobs")

MAX_ATTEMPTS = 5
#: A worker that has not been heard of for this long is gone, and its jobs are taken over.
HEARTBEAT_S, STALLED_AFTER_S = 2.0, 10.0


@dataclass(frozen=True, slots=True)
class JobParts:
    """What the jobs work with."""

    pool: AsyncConnectionPool[Any]
    generator: MapGenerator
    post: Post | None = None
    forgotten_after_s: float = 24 * 3600.0
    ai_text_retention_days: int = 30
    account_deletion_delay_s: float = 7 * 86400.0
    retention: Retention | None = None


class _Backoff(procrastinate.BaseRetryStrategy):
    """1, 4, 16, 64 seconds; then the job is dead."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts + 1 >= MAX_ATTEMPTS:
            return None
        return RetryDecision(retry_in={"seconds": 4**job.attempts})


def _parts(context: JobContext) -> JobParts:
    parts: JobParts = context.additional_context["parts"]
    return parts


def job_app(dsn: str) -> App:
    """The procrastinate app with every task, not opened yet."""
    app = App(
        connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=4),
        worker_defaults={"worker_middleware": [watch]},
    )

    @app.task(name=GENERATE_MAP, queue=MAPS, pass_context=True, retry=_Backoff())
    async def generate_map(
        context: JobContext, session_id: str, force: bool = False, request_id: str | None = None
    ) -> None:
        generator = _parts(context).generator
        try:
            await generator.generate(MapRequest(uuid.UUID(session_id), force, context.job.priority > BATCH))
        except Exception as error:
            log.warning("map_attempt_failed", attempt=context.job.attempts + 1, error=type(error).__name__)
            if context.job.attempts + 1 >= MAX_ATTEMPTS:
                reason = str(error) if isinstance(error, JobFailed) else "something went wrong while making the map"
                await generator.fail(uuid.UUID(session_id), f"{reason}; you can try again")
            raise

    @app.task(name=GENERATE_JOINT_MAP, queue=MAPS, pass_context=True, retry=_Backoff())
    async def generate_joint_map(context: JobContext, map_id: str) -> None:
        parts = _parts(context)
        generator = JointMapGenerator(parts.pool, parts.generator.tasks)
        try:
            await generator.generate(uuid.UUID(map_id))
        except Exception as error:
            log.warning("map_attempt_failed", attempt=context.job.attempts + 1, error=type(error).__name__)
            if isinstance(error, JobFailed) or context.job.attempts + 1 >= MAX_ATTEMPTS:
                reason = str(error) if isinstance(error, JobFailed) else "something went wrong while making the map"
                await generator.fail(uuid.UUID(map_id), f"{reason}; you can try again")
            if not isinstance(error, JobFailed):  # Trying again would change nothing.
                raise

    @app.task(name=PURGE_SESSION, queue=UPKEEP, pass_context=True, retry=_Backoff())
    async def purge_session(context: JobContext, session_id: str) -> None:
        await purge(_parts(context).pool, uuid.UUID(session_id))

    @app.task(name=SEND_MAIL, queue=MAIL, pass_context=True, retry=UntilTaken())
    async def send_mail(context: JobContext, user_id: str, sealed: str, useful_until: int) -> None:
        post = _parts(context).post
        assert post is not None, "this worker sends no mails"
        await post.send(sealed, useful_until)

    @app.periodic(cron="*/10 * * * *")
    @app.task(name=CLOSE_FORGOTTEN, queue=UPKEEP, pass_context=True, queueing_lock=CLOSE_FORGOTTEN)
    async def close_forgotten(context: JobContext, timestamp: int) -> None:
        parts = _parts(context)
        await close_forgotten_sessions(parts.pool, parts.forgotten_after_s)

    @app.periodic(cron="* * * * *")
    @app.task(name=TIDY_AI, queue=UPKEEP, pass_context=True, queueing_lock=TIDY_AI)
    async def tidy_ai(context: JobContext, timestamp: int) -> None:
        parts = _parts(context)
        async with parts.pool.connection() as connection:
            await release_lost_calls(connection)
            await purge_call_texts(connection, parts.ai_text_retention_days)

    @app.periodic(cron="*/5 * * * *")
    @app.task(name=ERASE_ACCOUNTS, queue=UPKEEP, pass_context=True, queueing_lock=ERASE_ACCOUNTS)
    async def erase_accounts(context: JobContext, timestamp: int) -> None:
        parts = _parts(context)
        await erase_due_accounts(parts.pool, parts.account_deletion_delay_s)

    @app.periodic(cron="17 * * * *")
    @app.task(name=KEEP_SESSIONS, queue=UPKEEP, pass_context=True, queueing_lock=KEEP_SESSIONS)
    async def keep_sessions(context: JobContext, timestamp: int) -> None:
        parts = _parts(context)
        async with parts.pool.connection() as connection:
            await forget_refused(connection)
        if parts.retention is not None:
            await parts.retention.apply(parts.pool)

    @app.periodic(cron="* * * * * */5")
    @app.task(name=RESCUE_JOBS, queue=UPKEEP, pass_context=True, queueing_lock=RESCUE_JOBS)
    async def rescue_jobs(context: JobContext, timestamp: int) -> None:
        await rescue(context.app)

    return app


async def rescue(app: App) -> int:
    """Put the jobs of vanished workers back into the queue; return how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S))
    rescued = 0
    for job in stalled:
        try:
            await app.job_manager.retry_job(job)
            rescued += 1
            log.warning("job_rescued", job_id=job.id, task=job.task_name)
        except ConnectorException:
            # The same work waits in the queue already (queueing lock): this copy may rest.
            if job.id is not None:
                await app.job_manager.finish_job_by_id_async(
                    job_id=job.id, status=procrastinate.jobs.Status.FAILED, delete_job=True
                )
    return rescued


async def purge(pool: AsyncConnectionPool[Any], session_id: uuid.UUID) -> dict[str, int]:
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
        await connection.execute(
            "UPDATE joint_maps SET data = NULL, input_digest = NULL, status = 'failed', stage = NULL,"
            " error_message = 'a session of this map was deleted; make the map again'"
            " WHERE id IN (SELECT map_id FROM joint_map_sessions WHERE session_id = %s)",
            [session_id],
        )
        await connection.execute("DELETE FROM browsing_sessions WHERE id = %s", [session_id])
    return {"page_contents": num_contents, "events": num_events, "browsing_sessions": 1}


async def erase_due_accounts(pool: AsyncConnectionPool[Any], delay_s: float) -> int:
    """Erase the accounts closed longer ago than `delay_s`, each in its own transaction; return how many."""
    async with pool.connection() as connection:
        due = await due_accounts(connection, timedelta(seconds=delay_s))
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


async def close_forgotten_sessions(pool: AsyncConnectionPool[Any], after_s: float) -> int:
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
        forgotten = await cursor.fetchall()
    closed = 0
    for session_id, last in forgotten:
        try:
            if last is None:
                await _fail_empty(pool, session_id)
            else:
                await close_session(pool, session_id, None, action="expire", priority=BATCH)
            closed += 1
        except (IllegalTransition, NotFound):
            log.info("abandoned_session_changed_state", session_id=str(session_id))
    return closed


async def _fail_empty(pool: AsyncConnectionPool[Any], session_id: uuid.UUID) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE browsing_sessions SET status = 'failed', ended_at = now(), updated_at = now(),"
            " failure_reason = 'nothing was recorded' WHERE id = %s AND status IN ('recording', 'paused')",
            [session_id],
        )
