"""The maps of a run before and after it, and which of them a report may show.

Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from models.database import Connection

# What a report may show of a session besides numbers: that of users who have agreed to datasets.
LIST_AGREED_SESSIONS: Final = """
    SELECT s.id FROM map_run_items i JOIN browsing_sessions s ON s.id = i.session_id
    JOIN users u ON u.id = s.user_id JOIN user_settings c ON c.user_id = u.id
    WHERE i.run_id = %(run_id)s AND c.datasets_agreed_at IS NOT NULL AND u.status = 'active' AND s.deleted_at IS NULL
        AND NOT s.is_local_only
"""

READ_MAPS_OF_ITEM: Final = """
    SELECT s.user_id, u.email, old.data, new.data
    FROM map_run_items i JOIN browsing_sessions s ON s.id = i.session_id JOIN users u ON u.id = s.user_id
    JOIN mindmaps m ON m.session_id = s.id
    JOIN mindmap_versions old ON old.mindmap_id = m.id AND old.number = i.base_version
    JOIN mindmap_versions new ON new.mindmap_id = m.id AND new.number = i.version
    WHERE i.run_id = %(run_id)s AND i.session_id = %(session_id)s AND s.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class MapsOfItem:
    """The map before and after a run, as JSON. `email` is known only to be removed from texts."""

    user_id: uuid.UUID
    email: str
    before: dict[str, Any]
    after: dict[str, Any]


async def agreed_sessions(connection: Connection, run_id: str) -> frozenset[uuid.UUID]:
    """The sessions of a run whose users have agreed to datasets."""
    cursor = await connection.execute(LIST_AGREED_SESSIONS, {"run_id": run_id})
    return frozenset(row[0] for row in await cursor.fetchall())


async def load_maps_of_item(connection: Connection, run_id: str, session_id: uuid.UUID) -> MapsOfItem | None:
    """The maps before and after; None when one of them does not exist (any more)."""
    cursor = await connection.execute(READ_MAPS_OF_ITEM, {"run_id": run_id, "session_id": session_id})
    row = await cursor.fetchone()
    return MapsOfItem(*row) if row is not None else None
