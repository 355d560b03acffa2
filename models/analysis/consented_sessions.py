"""Sessions whose users have agreed to datasets, read as they are shown to their users.

Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from models.database import Connection

# A closed account has withdrawn its consent. Sessions that are local only stay on the server.
_CONSENTED: Final = """
    FROM browsing_sessions s JOIN users u ON u.id = s.user_id JOIN user_settings c ON c.user_id = u.id
    JOIN mindmaps m ON m.session_id = s.id
    JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE c.datasets_agreed_at IS NOT NULL AND u.status = 'active' AND s.deleted_at IS NULL AND NOT s.is_local_only
        AND s.status IN ('completed', 'failed')
"""

# In an order that tells neither users nor times.
LIST_CONSENTED: Final = f"""
    SELECT s.id, m.id {_CONSENTED}
        AND (%(since)s::timestamptz IS NULL OR s.started_at >= %(since)s::timestamptz)
        AND (%(until)s::timestamptz IS NULL OR s.started_at < %(until)s::timestamptz)
        AND (cardinality(%(session_ids)s::uuid[]) = 0 OR s.id = ANY(%(session_ids)s::uuid[]))
    ORDER BY md5(s.id::text), s.id LIMIT %(limit)s
"""

READ_CONSENTED: Final = f"""
    SELECT s.id, s.user_id, u.email, m.id, s.started_at, v.data, v.pipeline_version, v.edits_seq > 0 {_CONSENTED}
        AND s.id = %(session_id)s
"""

# Forgetting a part of a session gives it another map.
LIST_STILL_CONSENTED: Final = f"""
    SELECT s.id, m.id {_CONSENTED} AND s.id = ANY(%(session_ids)s::uuid[])
"""

USE_ONE_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class ConsentedSession:
    """A session with the map that its user sees, as JSON. `email` is known only to be removed from texts."""

    session_id: uuid.UUID
    user_id: uuid.UUID
    email: str
    mindmap_id: uuid.UUID
    started_at: datetime
    document: dict[str, Any]
    pipeline_version: int | None
    is_edited: bool


async def list_consented(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    session_ids: Collection[uuid.UUID] = (),
    limit: int | None = None,
) -> dict[uuid.UUID, uuid.UUID]:
    """The ids of the sessions that a dataset may contain, each with the id of its map."""
    parameters = {"since": since, "until": until, "session_ids": list(session_ids), "limit": limit}
    return dict(await (await connection.execute(LIST_CONSENTED, parameters)).fetchall())


async def still_consented(connection: Connection, mindmap_ids: dict[uuid.UUID, uuid.UUID]) -> frozenset[uuid.UUID]:
    """The sessions among these that a dataset still may contain, and of which nothing was forgotten since."""
    cursor = await connection.execute(LIST_STILL_CONSENTED, {"session_ids": list(mindmap_ids)})
    return frozenset(
        session_id for session_id, mindmap_id in await cursor.fetchall() if mindmap_ids[session_id] == mindmap_id
    )


async def load_consented(connection: Connection, session_id: uuid.UUID) -> ConsentedSession | None:
    """The session; None when a dataset may not contain it (any more)."""
    row = await (await connection.execute(READ_CONSENTED, {"session_id": session_id})).fetchone()
    return ConsentedSession(*row) if row is not None else None


async def use_one_snapshot(connection: Connection) -> None:
    """Let all statements of the transaction read the same state. Call it before the first one."""
    await connection.execute(USE_ONE_SNAPSHOT)
