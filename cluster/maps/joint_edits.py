"""The edits and versions of joint maps, by the rules of `cluster.maps.edits`.

Functions use the caller's transaction.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from cluster.maps.edits import EditOutcome, check_expectations, extend_log, replay
from models.database import Connection
from models.errors import NotFound
from models.lifecycle.state import settle_joint_map
from models.mindmap.document import MindmapDocument
from models.mindmap.edit_log_store import append_edit_log, read_joint_edit_log
from models.mindmap.joint_version_store import (
    JointVersion,
    insert_joint_version,
    load_joint_version,
    lock_joint_map,
    update_joint_version,
)
from models.mindmap.operations import LogEntry


async def append_joint_edits(
    connection: Connection,
    map_id: uuid.UUID,
    entries: Sequence[LogEntry],
    *,
    expected_seq: int | None = None,
    expected_version: int | None = None,
) -> EditOutcome:
    """See `cluster.maps.edits.append_edits`."""
    version = await _lock(connection, map_id)
    generated, shown = MindmapDocument.from_json(version.generated), MindmapDocument.from_json(version.shown)
    log = await read_joint_edit_log(connection, map_id)
    check_expectations(log, entries, version.number, expected_seq, expected_version)
    extension = await asyncio.to_thread(extend_log, generated, shown, log, entries)
    if extension.added:
        await append_edit_log(connection, map_id, extension.added, num_before=len(log), is_joint=True)
        await update_joint_version(connection, map_id, version, extension.edited.content)
    return EditOutcome(version.number, extension.edited, extension.reports)


async def restore_joint_version(connection: Connection, map_id: uuid.UUID, number: int) -> EditOutcome:
    """See `cluster.maps.edits.restore_map_version`."""
    current = await _lock(connection, map_id)
    source = await load_joint_version(connection, map_id, number)
    if source is None:
        raise NotFound("there is no such version")
    await settle_joint_map(connection, map_id)
    log = await read_joint_edit_log(connection, map_id)
    edited = await asyncio.to_thread(replay, MindmapDocument.from_json(source.generated), log)
    if number in (current.number, current.restored_from):
        return EditOutcome(current.number, edited, edited.reports)
    new_number = await insert_joint_version(
        connection,
        map_id,
        edited.content,
        input_digest=source.input_digest,
        provider=source.provider,
        restored_from=number,
    )
    return EditOutcome(new_number, edited, edited.reports)


async def save_joint_version(
    connection: Connection, map_id: uuid.UUID, document: MindmapDocument, input_digest: str
) -> None:
    """Show a generated document with the user's edits, as a new version unless its input has one that is shown."""
    current = await lock_joint_map(connection, map_id)
    if current is not None and current.input_digest == input_digest:
        return
    edited = await asyncio.to_thread(replay, document, await read_joint_edit_log(connection, map_id))
    await insert_joint_version(
        connection, map_id, edited.content, input_digest=input_digest, provider=document.provider
    )


async def _lock(connection: Connection, map_id: uuid.UUID) -> JointVersion:
    version = await lock_joint_map(connection, map_id)
    if version is None:
        raise NotFound("this map has no version yet")
    return version
