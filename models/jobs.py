"""The durable work there is, and how to order it inside somebody's transaction (transactional outbox).

The queue is procrastinate on the same PostgreSQL: an order that is rolled back was never given, one that is committed
survives every crash. Who carries the orders out is `cluster.jobs.app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from models.database import Connection

#: Queues. Map generation does not wait behind maintenance, nor a mail behind either.
MAPS, MAINTENANCE, MAIL = "maps", "maintenance", "mail"
#: Queue names of the previous version. Workers still take jobs from them; nothing is enqueued there any more. The queue
#: was renamed together with its tasks: workers of the previous version do not know the new task names, and during a
#: rolling update they would fail these jobs. Remove one release later.
PREVIOUS_QUEUES = ("upkeep",)
QUEUES = (MAPS, MAINTENANCE, MAIL, *PREVIOUS_QUEUES)
#: Priorities: interactive jobs run before batch jobs.
INTERACTIVE, BATCH = 10, 0

GENERATE_MAP = "maps.generate"
GENERATE_JOINT_MAP = "maps.generate_joint"
PURGE_SESSION = "sessions.purge"
SEND_MAIL = "mails.send"
CLOSE_ABANDONED = "sessions.close_abandoned"
ENFORCE_RETENTION = "sessions.enforce_retention"
ERASE_ACCOUNTS = "accounts.erase"
RELEASE_EXPIRED_RESERVATIONS = "ai.release_expired_reservations"
PURGE_AI_TEXTS = "ai.purge_texts"
DELETE_FAILED_MAILS = "mails.delete_failed"
REQUEUE_STALLED = "jobs.requeue_stalled"

#: Task name of the previous version → task that runs its queued jobs. `ai.tidy` did the work of two tasks; the second,
#: PURGE_AI_TEXTS, runs every minute anyway. Remove one release later.
PREVIOUS_TASK_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "sessions.close_forgotten": CLOSE_ABANDONED,
        "sessions.keep": ENFORCE_RETENTION,
        "ai.tidy": RELEASE_EXPIRED_RESERVATIONS,
        "jobs.rescue": REQUEUE_STALLED,
    }
)


async def enqueue(
    connection: Connection,
    task: str,
    *,
    queue: str,
    lock: str | None = None,
    queueing_lock: str | None = None,
    priority: int = INTERACTIVE,
    delay_s: float | None = None,
    **arguments: Any,
) -> int | None:
    """Order `task` as part of the transaction open on `connection`; return the job's id.

    With a `queueing_lock` that already waits in the queue nothing is added and None comes back: asking twice is
    asking once. Jobs that share a `lock` run one after another.
    """
    job = Job(
        task_name=task,
        queue=queue,
        lock=lock,
        queueing_lock=queueing_lock,
        priority=priority,
        scheduled_at=datetime.now(UTC) + timedelta(seconds=delay_s) if delay_s else None,
        task_kwargs=arguments,
    )
    # The connector is never opened: only the manager's SQL is used, on the caller's connection.
    manager = JobManager(PsycopgConnector())
    try:
        # A savepoint: the unique violation of the queueing lock must not abort the caller's transaction.
        async with connection.transaction():
            return (await manager.defer_job_async(job, connection)).id
    except AlreadyEnqueued:
        return None


async def enqueue_joint_map(connection: Connection, map_id: str) -> int | None:
    """Order a map over several sessions."""
    return await enqueue(
        connection,
        GENERATE_JOINT_MAP,
        queue=MAPS,
        lock=f"joint_map:{map_id}",
        queueing_lock=f"joint_map:{map_id}",
        map_id=map_id,
    )


async def enqueue_map(
    connection: Connection, session_id: str, *, force: bool = False, priority: int = INTERACTIVE
) -> int | None:
    """Order the map of a session."""
    return await enqueue(
        connection,
        GENERATE_MAP,
        queue=MAPS,
        lock=f"map:{session_id}",
        queueing_lock=f"map:{session_id}",
        priority=priority,
        session_id=session_id,
        force=force,
        # Of whoever asked, so that one search finds the request, the job and its tasks in the logs.
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
