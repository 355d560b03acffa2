"""Reads and appends the edit log of a map. Functions use the caller's transaction and do not commit."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection
from models.mindmap.operations import EDIT_LOG_ADAPTER, LogEntry, Redo, Undo

READ_EDIT_LOG: Final = "SELECT entry, op_id FROM mindmap_edits WHERE mindmap_id = %(mindmap_id)s ORDER BY seq"
INSERT_EDIT: Final = """
    INSERT INTO mindmap_edits (mindmap_id, seq, op_id, entry)
    VALUES (%(mindmap_id)s, %(seq)s, %(op_id)s, %(entry)s)
"""
READ_JOINT_EDIT_LOG: Final = "SELECT entry, op_id FROM joint_map_edits WHERE map_id = %(map_id)s ORDER BY seq"
INSERT_JOINT_EDIT: Final = """
    INSERT INTO joint_map_edits (map_id, seq, op_id, entry)
    VALUES (%(mindmap_id)s, %(seq)s, %(op_id)s, %(entry)s)
"""


async def read_edit_log(connection: Connection, mindmap_id: uuid.UUID) -> list[LogEntry]:
    """The whole log, oldest entry first."""
    cursor = await connection.execute(READ_EDIT_LOG, {"mindmap_id": mindmap_id})
    return _parsed(await cursor.fetchall())


async def read_joint_edit_log(connection: Connection, map_id: uuid.UUID) -> list[LogEntry]:
    """The whole log of a joint map, oldest entry first."""
    cursor = await connection.execute(READ_JOINT_EDIT_LOG, {"map_id": map_id})
    return _parsed(await cursor.fetchall())


def _parsed(rows: list[tuple[Any, ...]]) -> list[LogEntry]:
    return EDIT_LOG_ADAPTER.validate_python([{"op_id": op_id, **entry} for entry, op_id in rows])


def _stored(entry: LogEntry) -> dict[str, Any]:
    # Servers of earlier versions read no id in the entry of a step.
    return entry.model_dump(mode="json", exclude={"op_id"} if isinstance(entry, Undo | Redo) else None)


async def append_edit_log(
    connection: Connection,
    mindmap_id: uuid.UUID,
    entries: Sequence[LogEntry],
    *,
    num_before: int,
    is_joint: bool = False,
) -> None:
    """Append `entries` to a log that has `num_before` entries; `is_joint`: the log of a joint map.

    The caller holds the lock of the map's row.

    Raises psycopg.errors.UniqueViolation when an entry with the same number or operation id exists.
    """
    rows = [
        {
            "mindmap_id": mindmap_id,
            "seq": seq,
            "op_id": entry.op_id,
            "entry": Jsonb(_stored(entry)),
        }
        for seq, entry in enumerate(entries, start=num_before + 1)
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(INSERT_JOINT_EDIT if is_joint else INSERT_EDIT, rows)
