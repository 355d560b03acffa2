"""Reads and writes the versions of joint maps. Functions use the caller's transaction and do not commit.

`joint_maps.data` is the document of the version shown, so that a map can be read without its versions. A worker of the
previous version replaces it without writing a version: `lock_joint_map` makes a version of it then.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection
from models.mindmap.version_store import VersionContent

LOCK_JOINT_MAP: Final = """
    SELECT m.current_version, v.input_digest IS NOT DISTINCT FROM m.input_digest, m.data, m.input_digest, m.provider
    FROM joint_maps m LEFT JOIN joint_map_versions v ON v.map_id = m.id AND v.number = m.current_version
    WHERE m.id = %(map_id)s FOR UPDATE OF m
"""

READ_JOINT_GENERATED: Final = """
    SELECT coalesce(v.generated, m.data) FROM joint_maps m
    LEFT JOIN joint_map_versions v
        ON v.map_id = m.id AND v.number = m.current_version AND v.input_digest = m.input_digest
    WHERE m.id = %(map_id)s
"""

READ_JOINT_VERSION: Final = """
    SELECT number, generated, data, input_digest, provider, restored_from FROM joint_map_versions
    WHERE map_id = %(map_id)s AND number = %(number)s
"""

INSERT_JOINT_VERSION: Final = """
    INSERT INTO joint_map_versions (map_id, number, data, generated, edits_seq, edit_reports, input_digest, provider,
        restored_from)
    SELECT %(map_id)s, coalesce(max(number), 0) + 1, %(data)s, %(generated)s, %(edits_seq)s, %(edit_reports)s,
        %(input_digest)s, %(provider)s, %(restored_from)s::int
    FROM joint_map_versions WHERE map_id = %(map_id)s RETURNING number
"""

UPDATE_JOINT_VERSION: Final = """
    UPDATE joint_map_versions SET data = %(data)s, edits_seq = %(edits_seq)s, edit_reports = %(edit_reports)s
    WHERE map_id = %(map_id)s AND number = %(number)s
"""

SHOW_JOINT_VERSION: Final = """
    UPDATE joint_maps SET current_version = %(number)s, data = %(data)s, input_digest = %(input_digest)s,
        provider = %(provider)s, updated_at = now()
    WHERE id = %(map_id)s
"""

# The documents of every version show the pages of the session.
DELETE_JOINT_VERSIONS_OF_SESSION: Final = """
    DELETE FROM joint_map_versions WHERE map_id IN
        (SELECT map_id FROM joint_map_sessions WHERE session_id = %(session_id)s)
"""

# A name or a note that the user gave may say what stood on a page.
DELETE_JOINT_EDITS_OF_SESSION: Final = """
    DELETE FROM joint_map_edits WHERE map_id IN
        (SELECT map_id FROM joint_map_sessions WHERE session_id = %(session_id)s)
"""

DELETE_JOINT_VERSIONS: Final = "DELETE FROM joint_map_versions WHERE map_id = %(map_id)s"


@dataclass(frozen=True, slots=True)
class JointVersion:
    """One version of a joint map: the document as generated and as shown, as JSON."""

    number: int
    generated: dict[str, Any]
    shown: dict[str, Any]
    input_digest: str
    provider: str
    restored_from: int | None


async def lock_joint_map(connection: Connection, map_id: uuid.UUID) -> JointVersion | None:
    """Lock the map's row; the version shown, or None when the map has no document."""
    cursor = await connection.execute(LOCK_JOINT_MAP, {"map_id": map_id})
    row = await cursor.fetchone()
    if row is None or row[2] is None:
        return None
    number, is_current, data, digest, provider = row
    if number is None or not is_current:
        content = VersionContent(data=data, generated=data, edits_seq=0, edit_reports=[], scorecard={})
        number = await insert_joint_version(connection, map_id, content, input_digest=digest or "", provider=provider)
    return await load_joint_version(connection, map_id, number)


async def load_joint_version(connection: Connection, map_id: uuid.UUID, number: int) -> JointVersion | None:
    """Version `number` of a joint map."""
    cursor = await connection.execute(READ_JOINT_VERSION, {"map_id": map_id, "number": number})
    row = await cursor.fetchone()
    return JointVersion(*row) if row is not None else None


async def load_joint_generated(connection: Connection, map_id: uuid.UUID) -> dict[str, Any] | None:
    """The document shown without the user's edits, as JSON: the next version keeps its ids and positions."""
    cursor = await connection.execute(READ_JOINT_GENERATED, {"map_id": map_id})
    row = await cursor.fetchone()
    return row[0] if row is not None else None


async def insert_joint_version(
    connection: Connection,
    map_id: uuid.UUID,
    content: VersionContent,
    *,
    input_digest: str,
    provider: str,
    restored_from: int | None = None,
) -> int:
    """Add a version and show it; return its number. The caller holds the lock of the map's row."""
    parameters = _parameters(content) | {"map_id": map_id, "input_digest": input_digest, "provider": provider}
    cursor = await connection.execute(INSERT_JOINT_VERSION, parameters | {"restored_from": restored_from})
    row = await cursor.fetchone()
    assert row is not None
    await connection.execute(SHOW_JOINT_VERSION, parameters | {"number": row[0]})
    return int(row[0])


async def update_joint_version(
    connection: Connection, map_id: uuid.UUID, version: JointVersion, content: VersionContent
) -> None:
    """Replace what the version shows after an edit. The caller holds the lock of the map's row."""
    parameters = _parameters(content) | {
        "map_id": map_id,
        "number": version.number,
        "input_digest": version.input_digest,
        "provider": version.provider,
    }
    await connection.execute(UPDATE_JOINT_VERSION, parameters)
    await connection.execute(SHOW_JOINT_VERSION, parameters)


async def delete_joint_versions_of_session(connection: Connection, session_id: uuid.UUID) -> dict[str, int]:
    """Delete versions and edits of all joint maps that show a session to be erased; return how many of each kind."""
    versions = await connection.execute(DELETE_JOINT_VERSIONS_OF_SESSION, {"session_id": session_id})
    edits = await connection.execute(DELETE_JOINT_EDITS_OF_SESSION, {"session_id": session_id})
    return {"joint_map_versions": versions.rowcount, "joint_map_edits": edits.rowcount}


async def delete_joint_versions(connection: Connection, map_id: uuid.UUID) -> None:
    """Delete all versions of a joint map; its edits stay."""
    await connection.execute(DELETE_JOINT_VERSIONS, {"map_id": map_id})


def _parameters(content: VersionContent) -> dict[str, Any]:
    return {
        "data": Jsonb(content.data),
        "generated": Jsonb(content.generated if content.generated is not None else content.data),
        "edits_seq": content.edits_seq,
        "edit_reports": Jsonb(content.edit_reports),
    }
