"""Closes a recording: from an open session to a queued map, in one transaction."""

from __future__ import annotations

import uuid
from typing import Any, Final

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.database import Connection
from models.errors import Forbidden, NotFound, Unavailable
from models.jobs import INTERACTIVE, enqueue_map
from models.mindmap.state import begin_map, expire_session, stop_session
from models.recording.timeline_store import load_timeline, save_timeline

# The row lock waits for every flush that holds the session's row shared, so no event is stored after it.
LOCK_SESSION: Final = """
    SELECT user_id, deleted_at IS NOT NULL FROM browsing_sessions WHERE id = %(session_id)s FOR UPDATE
"""


async def close_session(
    pool: AsyncConnectionPool[Any],
    session_id: uuid.UUID,
    user_id: uuid.UUID | None,
    *,
    is_expired: bool = False,
    priority: int = INTERACTIVE,
) -> None:
    """Set the session to `processing`, save its timeline, and queue its map: all of it or nothing.

    `user_id` None skips the ownership check (maintenance jobs). `is_expired` closes an abandoned recording instead of
    one its user stops. Raises NotFound, Forbidden, IllegalTransition for all but one of several concurrent callers,
    Unavailable when PostgreSQL cannot be reached.
    """
    try:
        async with pool.connection() as connection, connection.transaction():
            await _close(connection, session_id, user_id, is_expired, priority)
    except (OperationalError, PoolTimeout, OSError) as error:
        raise Unavailable("the database cannot be reached; press Stop again in a moment", 2.0) from error


async def _close(
    connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID | None, is_expired: bool, priority: int
) -> None:
    cursor = await connection.execute(LOCK_SESSION, {"session_id": session_id})
    row = await cursor.fetchone()
    if row is None or row[1]:
        raise NotFound("session not found")
    if user_id is not None and row[0] != user_id:
        raise Forbidden("access denied")
    await (expire_session if is_expired else stop_session)(connection, session_id)
    await save_timeline(connection, session_id, await load_timeline(connection, session_id))
    await begin_map(connection, session_id)
    await enqueue_map(connection, str(session_id), priority=priority)
