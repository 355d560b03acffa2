"""The job queue: names of tasks and queues, enqueueing inside a transaction, and queries on the queue's tables.

The queue is procrastinate on the product's own PostgreSQL (transactional outbox): a job exists if and only if the
transaction that enqueues it commits, and then it survives every crash. `cluster.jobs.app` runs the jobs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, LiteralString

import psycopg
import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from models.database import Connection
from models.errors import BadRequest, NotFound

#: Queues. Map generation does not wait behind maintenance, nor a mail behind either.
MAPS, MAINTENANCE, MAIL, BILLING, REPORTS, RUNS = "maps", "maintenance", "mail", "billing", "reports", "runs"
#: Queue names of the previous version. Workers still take jobs from them; nothing is enqueued there any more. The queue
#: was renamed together with its tasks: workers of the previous version do not know the new task names, and during a
#: rolling update they would fail these jobs. Remove one release later.
PREVIOUS_QUEUES = ("upkeep",)
QUEUES = (MAPS, MAINTENANCE, MAIL, BILLING, REPORTS, RUNS, *PREVIOUS_QUEUES)
#: Priorities: interactive jobs run before batch jobs, and first those of plans that include it.
PREFERRED, INTERACTIVE, BATCH = 20, 10, 0

GENERATE_MAP = "maps.generate"
GENERATE_JOINT_MAP = "maps.generate_joint"
PURGE_SESSION = "sessions.purge"
SEND_MAIL = "mails.send"
#: In a queue of its own, because workers of the previous version do not know it.
REPORT_SESSION = "mails.report_session"
DELETE_EXPIRED_ROWS = "accounts.delete_expired_rows"
DELETE_OLD_EVENTS = "sessions.delete_raw_events"
CLOSE_ABANDONED = "sessions.close_abandoned"
ENFORCE_RETENTION = "sessions.enforce_retention"
ERASE_ACCOUNTS = "accounts.erase"
RELEASE_EXPIRED_RESERVATIONS = "ai.release_expired_reservations"
PURGE_AI_TEXTS = "ai.purge_texts"
DELETE_FAILED_MAILS = "mails.delete_failed"
REQUEUE_STALLED = "jobs.requeue_stalled"
#: In a queue of their own, because workers of the previous version do not know them.
HANDLE_WEBHOOKS = "billing.handle_webhooks"
SYNC_CUSTOMER = "billing.sync_customer"
RECONCILE_BILLING = "billing.reconcile"
CLOSE_BILLING = "billing.close_account"
#: Likewise.
DRIVE_RUN = "runs.drive"
PROMOTE_RUN = "runs.promote"
ROLL_BACK_RUN = "runs.roll_back"
DELETE_CANDIDATES = "runs.delete_candidates"

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


# Not JobManager.list_jobs_async: it has no limit, returns the oldest jobs first and lacks the time of the first event.
# With 50,000 waiting jobs (a batch run) it takes 3.6 s, this statement 4 ms. "Dead" is what procrastinate calls failed.
LIST_UNFINISHED_JOBS: Final = """
    SELECT j.id, j.task_name AS task, j.queue_name AS queue, j.attempts, j.priority,
           CASE WHEN j.status = 'failed' THEN 'dead' WHEN j.status = 'todo' AND j.attempts > 0 THEN 'retrying'
                WHEN j.status = 'todo' THEN 'pending' WHEN j.status = 'doing' THEN 'running'
                ELSE j.status::text END AS state,
           j.args ->> 'session_id' AS session_id, j.scheduled_at,
           (SELECT min(at) FROM procrastinate_events e WHERE e.job_id = j.id) AS ordered_at,
           m.error_message AS reason
    FROM procrastinate_jobs j LEFT JOIN mindmaps m ON m.session_id::text = j.args ->> 'session_id'
    WHERE (%(status)s::text IS NULL OR j.status::text = %(status)s) AND j.status <> 'succeeded'
        AND (%(queue)s::text IS NULL OR j.queue_name = %(queue)s)
    ORDER BY j.id DESC LIMIT %(limit)s
"""

# The row lock keeps other operators, and procrastinate's own requeueing, out until the transaction ends.
LOCK_JOB: Final = """
    SELECT status::text, task_name, args ->> 'session_id' FROM procrastinate_jobs WHERE id = %(job_id)s FOR UPDATE
"""

# JobManager keeps the count of attempts, so that a retried job would be dead again after one more failure.
RESET_ATTEMPTS: Final = "UPDATE procrastinate_jobs SET attempts = 0 WHERE id = %(job_id)s"

# JobManager deletes waiting jobs only.
DELETE_DEAD_JOB: Final = """
    DELETE FROM procrastinate_jobs WHERE id = %(job_id)s AND status IN ('failed', 'cancelled', 'aborted')
"""

# JobManager.delete_old_jobs selects by queue, not by task, and does not return how many it deletes.
DELETE_OLD_FAILED_JOBS: Final = """
    DELETE FROM procrastinate_jobs j WHERE j.task_name = %(task)s AND j.status = 'failed' AND NOT EXISTS
        (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > now() - %(age)s::interval)
        AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id::text = j.args ->> 'user_id')
"""

# Running jobs stay: their worker would fail to finish them.
DELETE_JOBS_OF_USER: Final = """
    DELETE FROM procrastinate_jobs WHERE status IN ('todo', 'failed', 'cancelled', 'aborted', 'succeeded')
        AND (args ->> 'session_id' = ANY(%(session_ids)s::text[]) OR args ->> 'user_id' = %(user_id)s)
"""

# The purge of the session itself runs when this is executed.
DELETE_JOBS_OF_SESSION: Final = """
    DELETE FROM procrastinate_jobs WHERE status IN ('todo', 'failed', 'cancelled', 'aborted')
        AND args ->> 'session_id' = %(session_id)s
"""

CANCEL_PURGE: Final = """
    DELETE FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = %(queueing_lock)s
"""

# A scheduled job (a retry) counts as pending from the moment it may run.
READ_QUEUE_LOAD: Final = """
    SELECT count(*) FILTER (WHERE j.status = 'todo' AND coalesce(j.scheduled_at, now()) <= now()),
        count(*) FILTER (WHERE j.status = 'doing'),
        coalesce(extract(epoch FROM now() - min(e.at) FILTER
            (WHERE j.status = 'todo' AND coalesce(j.scheduled_at, now()) <= now())), 0)
    FROM procrastinate_jobs j
    LEFT JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
    WHERE j.queue_name = ANY(%(queues)s) AND j.status IN ('todo', 'doing')
"""

IS_JOB_WAITING: Final = """
    SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = %(queueing_lock)s AND status = 'todo')
"""

# The request that finds its work queued already must not be lost in it: the waiting job gets the higher priority, the
# earlier time and the stronger arguments of the two. Attempts that batch work has used up do not count for a person.
STRENGTHEN_WAITING_JOB: Final = """
    UPDATE procrastinate_jobs SET
        attempts = CASE WHEN priority < %(priority)s::int THEN 0 ELSE attempts END,
        priority = greatest(priority, %(priority)s::int),
        scheduled_at = CASE WHEN scheduled_at IS NULL OR %(scheduled_at)s::timestamptz IS NULL THEN NULL
            ELSE least(scheduled_at, %(scheduled_at)s::timestamptz) END,
        args = args || %(stronger)s::jsonb
    WHERE queueing_lock = %(queueing_lock)s AND status = 'todo'
"""


class TransactionConnector(PsycopgConnector):
    """Runs a JobManager's statements on an open connection, as part of its transaction; it opens no pool."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Run a statement and ignore its rows. Raises ConnectorException."""
        await self.execute_query_all_async(query, **arguments)

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        """The rows of a statement. Raises ConnectorException, UniqueViolation."""
        rows: list[dict[str, Any]] = await self.execute_query_all_async_with_connection(
            self._connection, query, **arguments
        )
        return rows


async def enqueue(
    connection: Connection,
    task: str,
    *,
    queue: str,
    lock: str | None = None,
    queueing_lock: str | None = None,
    priority: int = INTERACTIVE,
    delay_s: float | None = None,
    stronger: Mapping[str, Any] = MappingProxyType({}),
    **arguments: Any,
) -> int | None:
    """Enqueue `task` as part of the transaction open on `connection`; return the job's id.

    Returns None, and adds nothing, when a job with the same `queueing_lock` waits in the queue already. The waiting job
    then has the higher priority and the earlier time of the two, and the arguments in `stronger`. Jobs that share a
    `lock` run one after another. `arguments` must be JSON values.
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
    while True:
        try:
            # A savepoint: the unique violation of the queueing lock must not abort the caller's transaction.
            async with connection.transaction():
                return (await JobManager(TransactionConnector(connection)).defer_job_async(job)).id
        except AlreadyEnqueued:
            cursor = await connection.execute(
                STRENGTHEN_WAITING_JOB,
                {
                    "queueing_lock": queueing_lock,
                    "priority": priority,
                    "scheduled_at": job.scheduled_at,
                    "stronger": Jsonb(dict(stronger)),
                },
            )
            if cursor.rowcount:
                return None
            # A worker has taken the waiting job in between, so there is room for another.


async def enqueue_map(
    connection: Connection, session_id: str, *, force: bool = False, priority: int = INTERACTIVE
) -> int | None:
    """Enqueue the generation of a session's map; `force` generates a version even if the input is unchanged.

    Returns the job's id, None when it is queued already: then the waiting job has the higher priority of the two, and
    it is forced if either is.
    """
    # The request's own id, so that one search in the logs shows the request, its job and the job's Ray tasks.
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return await enqueue(
        connection,
        GENERATE_MAP,
        queue=MAPS,
        lock=f"map:{session_id}",
        queueing_lock=f"map:{session_id}",
        priority=priority,
        stronger={**({"force": True} if force else {}), **({"request_id": request_id} if request_id else {})},
        session_id=session_id,
        force=force,
        request_id=request_id,
    )


async def enqueue_webhook_handling(connection: Connection) -> int | None:
    """Enqueue the job that handles stored webhooks. Returns None when one waits already.

    Call it after the commit of the webhooks. The job that waits is looked for first, because an attempt to add a
    second one waits for the transaction of the first and then fails: webhooks would be stored one after another.
    """
    cursor = await connection.execute(IS_JOB_WAITING, {"queueing_lock": HANDLE_WEBHOOKS})
    row = await cursor.fetchone()
    if row is not None and row[0]:
        return None
    return await enqueue(
        connection, HANDLE_WEBHOOKS, queue=BILLING, lock=HANDLE_WEBHOOKS, queueing_lock=HANDLE_WEBHOOKS
    )


async def enqueue_customer_sync(connection: Connection, customer_id: str) -> int | None:
    """Enqueue a fetch of one Stripe customer. Returns None when one waits already."""
    key = f"{SYNC_CUSTOMER}:{customer_id}"
    return await enqueue(connection, SYNC_CUSTOMER, queue=BILLING, queueing_lock=key, customer_id=customer_id)


async def enqueue_joint_map(connection: Connection, map_id: str, *, priority: int = INTERACTIVE) -> int | None:
    """Enqueue the generation of a map over several sessions. Returns the job's id, None when it is queued already."""
    return await enqueue(
        connection,
        GENERATE_JOINT_MAP,
        queue=MAPS,
        lock=f"joint_map:{map_id}",
        queueing_lock=f"joint_map:{map_id}",
        priority=priority,
        map_id=map_id,
    )


async def enqueue_session_report(
    connection: Connection, session_id: str, user_id: str, useful_until: int, *, delay_s: float | None = None
) -> int | None:
    """Enqueue the mail about a session's map, not sent any more after `useful_until` (Unix seconds).

    Returns the job's id, None when it is queued already.
    """
    return await enqueue(
        connection,
        REPORT_SESSION,
        queue=REPORTS,
        lock=f"report:{session_id}",
        queueing_lock=f"report:{session_id}",
        delay_s=delay_s,
        session_id=session_id,
        user_id=user_id,
        useful_until=useful_until,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )


async def enqueue_run_work(connection: Connection, task: str, run_id: str, **arguments: Any) -> int | None:
    """Enqueue work on a regeneration run. Returns the job's id, None when the same work waits already.

    One run is driven at a time, so that runs never take more than one slot of the workers.
    """
    return await enqueue(
        connection,
        task,
        queue=RUNS,
        lock=DRIVE_RUN if task == DRIVE_RUN else f"run:{run_id}",
        queueing_lock=f"{task}:{run_id}",
        priority=BATCH,
        run_id=run_id,
        **arguments,
    )


async def enqueue_purge(
    connection: Connection, session_id: str, *, priority: int = INTERACTIVE, delay_s: float | None = None
) -> int | None:
    """Enqueue the purge of a deleted session. Returns the job's id, None when it is queued already."""
    return await enqueue(
        connection,
        PURGE_SESSION,
        queue=MAINTENANCE,
        queueing_lock=f"purge:{session_id}",
        priority=priority,
        delay_s=delay_s,
        session_id=session_id,
    )


async def cancel_purge(connection: Connection, session_id: uuid.UUID) -> None:
    """Delete the waiting purge of a session that was restored; its next deletion then waits its own time."""
    await connection.execute(CANCEL_PURGE, {"queueing_lock": f"purge:{session_id}"})


async def list_unfinished_jobs(
    connection: Connection, *, status: str | None, queue: str | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` jobs that have not succeeded, newest first; `status` is procrastinate's (todo, doing, failed …).

    `state` is what operators read: pending, running, retrying or dead.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LIST_UNFINISHED_JOBS, {"status": status, "queue": queue, "limit": limit})
        return await cursor.fetchall()


async def retry_dead_job(connection: Connection, job_id: int) -> uuid.UUID | None:
    """Requeue a dead job with all its attempts; return the session whose map it generates, if it generates one.

    Raises NotFound when there is no such job, BadRequest when it is not dead or when the same work is queued already.
    """
    cursor = await connection.execute(LOCK_JOB, {"job_id": job_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    status, task, session_id = row
    if status != Status.FAILED.value:
        raise BadRequest(f"job {job_id} is not dead (it is {status})")
    try:
        async with connection.transaction():
            await JobManager(TransactionConnector(connection)).retry_job_by_id_async(job_id, datetime.now(UTC))
    except UniqueViolation as error:
        raise BadRequest(f"job {job_id} cannot be retried: the same work is queued already") from error
    await connection.execute(RESET_ATTEMPTS, {"job_id": job_id})
    return uuid.UUID(session_id) if task == GENERATE_MAP else None


async def delete_dead_job(connection: Connection, job_id: int) -> None:
    """Delete a job that has used up its attempts or was cancelled. Raises NotFound when there is none."""
    cursor = await connection.execute(DELETE_DEAD_JOB, {"job_id": job_id})
    if cursor.rowcount == 0:
        raise NotFound(f"there is no dead job {job_id}")


async def delete_old_failed_jobs(connection: Connection, task: str, age: timedelta) -> int:
    """Delete the dead jobs of `task` without an event for `age`; return how many. Jobs of held accounts stay."""
    cursor = await connection.execute(DELETE_OLD_FAILED_JOBS, {"task": task, "age": age})
    return cursor.rowcount


async def delete_jobs_of_user(connection: Connection, user_id: uuid.UUID, session_ids: Sequence[uuid.UUID]) -> int:
    """Delete every job of a user or of their sessions that does not run now; return how many."""
    cursor = await connection.execute(
        DELETE_JOBS_OF_USER, {"user_id": str(user_id), "session_ids": [str(session_id) for session_id in session_ids]}
    )
    return cursor.rowcount


async def delete_jobs_of_session(connection: Connection, session_id: uuid.UUID) -> int:
    """Delete every job of a session that does not run now; return how many."""
    return (await connection.execute(DELETE_JOBS_OF_SESSION, {"session_id": str(session_id)})).rowcount


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """Jobs of a queue that may run now, jobs that run, and how long the oldest pending one has waited, in seconds."""

    pending: int
    running: int
    oldest_s: float = 0.0


def read_queue_load(connection: psycopg.Connection[Any], queues: Sequence[str]) -> QueueLoad:
    """The load of `queues` together, now."""
    row = connection.execute(READ_QUEUE_LOAD, {"queues": list(queues)}).fetchone()
    assert row is not None
    return QueueLoad(int(row[0]), int(row[1]), float(row[2]))
