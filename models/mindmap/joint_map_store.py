"""Reads and writes joint maps. Functions use the caller's transaction and do not commit."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection

READ_JOINT_MAP: Final = "SELECT user_id, title, input_digest, data FROM joint_maps WHERE id = %(map_id)s"
READ_JOINT_MAP_SESSIONS: Final = """
    SELECT s.id FROM joint_map_sessions j JOIN browsing_sessions s ON s.id = j.session_id
    WHERE j.map_id = %(map_id)s AND s.user_id = %(user_id)s AND s.deleted_at IS NULL ORDER BY s.started_at, s.id
"""
UPDATE_JOINT_MAP_DOCUMENT: Final = """
    UPDATE joint_maps SET data = %(data)s, input_digest = %(input_digest)s, provider = %(provider)s
    WHERE id = %(map_id)s
"""


@dataclass(frozen=True, slots=True)
class JointMapSource:
    """What a joint map is generated from: `session_ids` oldest first; the document and digest of the last map."""

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
    user_id, title, input_digest, document = row
    cursor = await connection.execute(READ_JOINT_MAP_SESSIONS, {"map_id": map_id, "user_id": user_id})
    session_ids = [session_id for (session_id,) in await cursor.fetchall()]
    return JointMapSource(user_id, title, input_digest, document, session_ids)


async def save_joint_map_document(
    connection: Connection, map_id: uuid.UUID, document: dict[str, Any], *, input_digest: str, provider: str
) -> None:
    """Replace the document of a joint map. `models.lifecycle.state.complete_joint_map` sets its status."""
    await connection.execute(
        UPDATE_JOINT_MAP_DOCUMENT,
        {"map_id": map_id, "data": Jsonb(document), "input_digest": input_digest, "provider": provider},
    )
