"""Reads and writes joint maps. Functions use the caller's transaction and do not commit."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from models.database import Connection
from models.mindmap.joint_version_store import load_joint_generated

READ_JOINT_MAP: Final = "SELECT user_id, title, input_digest FROM joint_maps WHERE id = %(map_id)s"
READ_JOINT_MAP_SESSIONS: Final = """
    SELECT s.id FROM joint_map_sessions j JOIN browsing_sessions s ON s.id = j.session_id
    WHERE j.map_id = %(map_id)s AND s.user_id = %(user_id)s AND s.deleted_at IS NULL ORDER BY s.started_at, s.id
"""


@dataclass(frozen=True, slots=True)
class JointMapSource:
    """What a joint map is generated from: `session_ids` oldest first; the last document without edits, its digest."""

    user_id: uuid.UUID
    title: str | None
    input_digest: str | None
    document: dict[str, Any] | None
    session_ids: list[uuid.UUID]


async def load_joint_map_source(connection: Connection, map_id: uuid.UUID) -> JointMapSource | None:
    """The joint map and its sessions that are not deleted; None when there is no such map."""
    cursor = await connection.execute(READ_JOINT_MAP, {"map_id": map_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    user_id, title, input_digest = row
    document = await load_joint_generated(connection, map_id)
    cursor = await connection.execute(READ_JOINT_MAP_SESSIONS, {"map_id": map_id, "user_id": user_id})
    session_ids = [session_id for (session_id,) in await cursor.fetchall()]
    return JointMapSource(user_id, title, input_digest, document, session_ids)
