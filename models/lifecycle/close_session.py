"""Closes a recording: from an open session to a queued map, in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.billing.policy import map_priority
from models.database import Connection, outage
from models.errors import NotFound, Unavailable
from models.jobs import enqueue_map
from models.lifecycle.state import begin_map, expire_session, stop_session
from models.recording.timeline_store import load_timeline, save_timeline

# The row lock waits for every flush that holds the session's row shared, so no event is stored after it.
LOCK_SESSION: Final = """
    SELECT user_id, deleted_at IS NOT NULL FROM browsing_sessions WHERE id = %(session_id)s FOR UPDATE
"""

# The time of the last event counts, not the last change of the row: a recording that runs for days stays open.
FIND_ABANDONED_SESSIONS: Final = """
    SELECT s.id, e.last_at IS NOT NULL FROM browsing_sessions s
    LEFT JOIN LATERAL (SELECT max(received_at) AS last_at FROM events WHERE session_id = s.id) e ON true
    WHERE s.status IN ('recording', 'paused') AND s.deleted_at IS NULL
        AND greatest(s.updated_at, e.last_at) < now() - %(idle_timeout)s::interval
"""


@dataclass(frozen=True, slots=True)
class AbandonedSession:
    """An open recording that has received no event for a long time; perhaps it never received one."""

    session_id: uuid.UUID
    has_events: bool


async def find_abandoned_sessions(connection: Connection, idle_timeout: timedelta) -> list[AbandonedSession]:
    """Open recordings without an event or another change for `idle_timeout`."""
    cursor = await connection.execute(FIND_ABANDONED_SESSIONS, {"idle_timeout": idle_timeout})
    return [AbandonedSession(*row) for row in await cursor.fetchall()]


async def close_session(
    pool: AsyncConnectionPool[Any],
    session_id: uuid.UUID,
    user_id: uuid.UUID | None,
    *,
    is_expired: bool = False,
    priority: int | None = None,
) -> None:
    """Set the session to `processing`, save its timeline, and queue its map: all of it or nothing.

    `user_id` None skips the ownership check (maintenance jobs). `is_expired` closes an abandoned recording instead of
    one its user stops. `priority` is that of the map, by default the one of the user's plan. Raises NotFound,
    IllegalTransition for all but one of several concurrent callers, Unavailable when PostgreSQL cannot be reached.
    """
    try:
        async with pool.connection() as connection, connection.transaction():
            await _close(connection, session_id, user_id, is_expired, priority)
    except (OperationalError, PoolTimeout, OSError) as error:
        raise Unavailable(f"{outage(error)}; press Stop again in a moment", 2.0) from error


async def _close(
    connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID | None, is_expired: bool, priority: int | None
) -> None:
    cursor = await connection.execute(LOCK_SESSION, {"session_id": session_id})
    row = await cursor.fetchone()
    if row is None or row[1] or (user_id is not None and row[0] != user_id):
        raise NotFound("session not found")
    await (expire_session if is_expired else stop_session)(connection, session_id)
    await save_timeline(connection, session_id, await load_timeline(connection, session_id))
    await begin_map(connection, session_id)
    priority = priority if priority is not None else await map_priority(connection, row[0])
    await enqueue_map(connection, str(session_id), priority=priority)
