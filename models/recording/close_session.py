"""Stop: from an open recording to an ordered map, in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.database import Connection
from models.errors import Forbidden, IllegalTransition, NotFound, Unavailable
from models.jobs import INTERACTIVE, enqueue_map
from models.recording.browsing_sessions import TRANSITIONS
from models.recording.timeline_store import load_timeline, save_timeline


async def close_session(
    pool: AsyncConnectionPool[Any],
    session_id: uuid.UUID,
    user_id: uuid.UUID | None,
    *,
    action: str = "stop",
    priority: int = INTERACTIVE,
) -> None:
    """Close the timeline, set `processing`, and order the map: all of it or nothing.

    `user_id` None skips the ownership check (upkeep). Raises NotFound, Forbidden, IllegalTransition for all but one
    of several callers, Unavailable when PostgreSQL cannot be reached.
    """
    try:
        async with pool.connection() as connection, connection.transaction():
            await _close(connection, session_id, user_id, action, priority)
    except (OperationalError, PoolTimeout, OSError) as error:
        raise Unavailable("the database cannot be reached; press Stop again in a moment", 2.0) from error


async def _close(
    connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID | None, action: str, priority: int
) -> None:
    # The row lock waits for every flush that still holds it shared, so no event of the session can come after.
    cursor = await connection.execute(
        "SELECT user_id, status, deleted_at IS NOT NULL FROM browsing_sessions WHERE id = %s FOR UPDATE", [session_id]
    )
    row = await cursor.fetchone()
    if row is None or row[2]:
        raise NotFound("session not found")
    if user_id is not None and row[0] != user_id:
        raise Forbidden("access denied")
    allowed, target = TRANSITIONS[action]
    if row[1] not in {str(s) for s in allowed}:
        raise IllegalTransition(action, row[1])
    await connection.execute(
        "UPDATE browsing_sessions SET status = %s, ended_at = now(), updated_at = now() WHERE id = %s",
        [str(target), session_id],
    )
    await connection.execute(
        "INSERT INTO session_transitions (id, session_id, status, at) VALUES (gen_random_uuid(), %s, %s, now())",
        [session_id, str(target)],
    )
    await save_timeline(connection, session_id, await load_timeline(connection, session_id))
    await connection.execute(
        "INSERT INTO mindmaps (id, session_id, status, stage, percent) VALUES (gen_random_uuid(), %s, 'generating',"
        " 'queued', 0) ON CONFLICT (session_id) DO UPDATE SET status = 'generating', stage = 'queued', percent = 0,"
        " error_message = NULL, updated_at = now()",
        [session_id],
    )
    await enqueue_map(connection, str(session_id), priority=priority)
