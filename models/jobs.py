"""The durable work there is, and how to order it inside somebody's transaction (transactional outbox).

The queue is procrastinate on the same PostgreSQL: an order that is rolled back was never given, one that is committed
survives every crash. Who carries the orders out is `cluster.jobs.app`.
"""

from __future__ import annotations

from typing import Any

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued

from models.database import Connection

#: Queues a worker listens to.
MAPS, UPKEEP, MAIL = "maps", "upkeep", "mail"
#: Interactive work goes before batch work.
INTERACTIVE, BATCH = 10, 0

GENERATE_MAP = "maps.generate"
GENERATE_JOINT_MAP = "maps.generate_joint"
PURGE_SESSION = "sessions.purge"
CLOSE_FORGOTTEN = "sessions.close_forgotten"
ERASE_ACCOUNTS = "accounts.erase"
TIDY_AI = "ai.tidy"
RESCUE_JOBS = "jobs.rescue"
SEND_MAIL = "mails.send"
KEEP_SESSIONS = "sessions.keep"

# Only its SQL is used, on the caller's connection; it is never opened.
_orders = procrastinate.App(connector=procrastinate.PsycopgConnector())


async def order(
    connection: Connection,
    task: str,
    *,
    queue: str,
    lock: str | None = None,
    queueing_lock: str | None = None,
    priority: int = INTERACTIVE,
    in_s: float | None = None,
    **arguments: Any,
) -> int | None:
    """Order `task` as part of the transaction open on `connection`; return the job's id.

    With a `queueing_lock` that already waits in the queue nothing is added and None comes back: asking twice is
    asking once. Jobs that share a `lock` run one after another.
    """
    deferrer = _orders.configure_task(
        task,
        queue=queue,
        lock=lock,
        queueing_lock=queueing_lock,
        priority=priority,
        schedule_in={"seconds": int(in_s)} if in_s else None,
        connection=connection,
    )
    try:
        # A savepoint, so that "already there" does not spoil the caller's transaction.
        async with connection.transaction():
            return await deferrer.defer_async(**arguments)
    except AlreadyEnqueued:
        return None


async def order_joint_map(connection: Connection, map_id: str) -> int | None:
    """Order a map over several sessions."""
    return await order(
        connection,
        GENERATE_JOINT_MAP,
        queue=MAPS,
        lock=f"joint_map:{map_id}",
        queueing_lock=f"joint_map:{map_id}",
        map_id=map_id,
    )


async def order_map(
    connection: Connection, session_id: str, *, force: bool = False, priority: int = INTERACTIVE
) -> int | None:
    """Order the map of a session."""
    return await order(
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
