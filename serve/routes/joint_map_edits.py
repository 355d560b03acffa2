"""The edits and versions of a map over several sessions, by the same rules as those of a session's map."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Body, Query
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.edits import EditOutcome
from cluster.maps.joint_edits import append_joint_edits, restore_joint_version
from cluster.maps.notifications import notify_joint_map
from models.database import Connection
from models.errors import Conflict, NotFound
from models.mindmap.joint_maps import JointMapVersion
from models.mindmap.operations import LogEntry, Redo, Undo
from models.schemas.joint_maps import JointEditsReply, JointVersionEnvelope, JointVersionList, JointVersionReply
from models.schemas.map_edits import EditsBody, ExpectedSeqBody
from models.schemas.versions import DiffReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.joint_maps import joint_map_reply
from serve.routes.map_edits import edit_event, log_entries
from serve.routes.mindmaps import report_reply
from serve.routes.version_parts import Number, diff_reply, list_columns, version_document, version_fields
from serve.state import AppState

router = APIRouter(prefix="/v1/maps/{map_id}", tags=["mindmaps"])
_SEQ = ExpectedSeqBody()
_LIST_COLUMNS = list_columns(JointMapVersion)


async def _whole_map(db: AsyncSession, connection: Connection, map_id: str, user_id: uuid.UUID) -> uuid.UUID:
    """The id of the caller's map. Raises NotFound unless it has a document and all its sessions."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    if reply.data is None:
        raise NotFound("this map has no version yet")
    return uuid.UUID(reply.id)


async def _edits_reply(
    state: AppState, db: AsyncSession, connection: Connection, map_id: str, user_id: uuid.UUID, outcome: EditOutcome
) -> JointEditsReply:
    """Commits, and notifies other clients of the map."""
    reply = JointEditsReply(
        map=await joint_map_reply(db, connection, map_id, user_id),
        reports=[report_reply(report) for report in outcome.reports],
    )
    await db.commit()
    await notify_joint_map(state.valkey, reply.map.id, "mindmap_edited", edit_event(outcome))
    return reply


@router.patch("", response_model_exclude_none=True)
async def edit_map(
    map_id: str, body: EditsBody, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> JointEditsReply:
    """Edit the map. See `PATCH /v1/sessions/{session_id}/mindmap`."""
    owned = await _whole_map(db, connection, map_id, user_id)
    outcome = await append_joint_edits(
        connection,
        owned,
        log_entries(body.operations),
        expected_seq=body.expected_seq,
        expected_version=body.version,
    )
    return await _edits_reply(state, db, connection, map_id, user_id, outcome)


async def _step(
    state: AppState,
    db: AsyncSession,
    connection: Connection,
    map_id: str,
    user_id: uuid.UUID,
    entry: LogEntry,
    expected_seq: int | None,
) -> JointEditsReply:
    owned = await _whole_map(db, connection, map_id, user_id)
    outcome = await append_joint_edits(connection, owned, [entry], expected_seq=expected_seq)
    if outcome.reports[0].status == "not_applied":
        raise Conflict(outcome.reports[0].sentence)
    return await _edits_reply(state, db, connection, map_id, user_id, outcome)


@router.post("/undo", response_model_exclude_none=True)
async def undo_map_edit(
    map_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    state: State,
    body: Annotated[ExpectedSeqBody | None, Body()] = None,
) -> JointEditsReply:
    """Undo the last edit in effect. 409 if there is none."""
    return await _step(state, db, connection, map_id, user_id, Undo(), (body or _SEQ).expected_seq)


@router.post("/redo", response_model_exclude_none=True)
async def redo_map_edit(
    map_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    state: State,
    body: Annotated[ExpectedSeqBody | None, Body()] = None,
) -> JointEditsReply:
    """Redo the last undone edit. 409 if there is none, or if the map was edited since."""
    return await _step(state, db, connection, map_id, user_id, Redo(), (body or _SEQ).expected_seq)


@router.get("/versions", response_model_exclude_none=True)
async def list_map_versions(
    map_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JointVersionList:
    """All versions of the map, newest first. A map that shows a deleted session has none."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    if reply.data is None:
        return JointVersionList(versions=[], total=0)
    of_map = JointMapVersion.map_id == uuid.UUID(reply.id)
    total = await db.scalar(select(func.count()).select_from(JointMapVersion).where(of_map)) or 0
    rows = await db.execute(
        select(*_LIST_COLUMNS).where(of_map).order_by(JointMapVersion.number.desc()).limit(limit).offset(offset)
    )
    return JointVersionList(
        versions=[JointVersionReply(**version_fields(row, reply.version)) for row in rows], total=total
    )


@router.get("/versions/{number}", response_model_exclude_none=True)
async def get_map_version(
    map_id: str, number: Number, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> JointVersionEnvelope:
    """One version with its map, in its last state."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    owned = await _whole_map(db, connection, map_id, user_id)
    data = await version_document(db, JointMapVersion, JointMapVersion.map_id == owned, number)
    row = (
        await db.execute(
            select(*_LIST_COLUMNS).where(JointMapVersion.map_id == owned, JointMapVersion.number == number)
        )
    ).one()
    return JointVersionEnvelope(version=JointVersionReply(**version_fields(row, reply.version), data=data))


@router.get("/versions/{number}/diff", response_model_exclude_none=True)
async def diff_map_versions(
    map_id: str,
    number: Number,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    to: Annotated[int | None, Query(ge=1, le=1_000_000, description="The current version, when absent")] = None,
) -> DiffReply:
    """The differences from version `number` to version `to`, as sentences with their known reasons."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    owned = await _whole_map(db, connection, map_id, user_id)
    new = to if to is not None else reply.version or number
    return await diff_reply(db, JointMapVersion, JointMapVersion.map_id == owned, number, new)


@router.post("/versions/{number}/restore", response_model_exclude_none=True)
async def restore_version_of_map(
    map_id: str, number: Number, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> JointEditsReply:
    """Restore a version as a new version. Edits made since stay in effect; `reports` has their outcomes."""
    owned = await _whole_map(db, connection, map_id, user_id)
    outcome = await restore_joint_version(connection, owned, number)
    return await _edits_reply(state, db, connection, map_id, user_id, outcome)
