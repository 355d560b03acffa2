"""The user's edits of a map: apply, undo, redo, list."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.edits import EditOutcome, append_edits, log_state
from cluster.maps.notifications import notify
from models.database import Connection
from models.errors import Conflict, NotFound, ValidationFailed
from models.mindmap.edit_log_store import read_edit_log
from models.mindmap.operations import EDIT_LOG_ADAPTER, LogEntry, Redo, Undo, operations_in_effect
from models.mindmap.versions import IS_CURRENT, Mindmap, MindmapEdit, MindmapVersion
from models.recording.browsing_sessions import owned_session, parse_session_id
from models.schemas.map_edits import EditLogReply, EditsBody, EditsReply, ExpectedSeqBody, LogEntryReply, OperationBody
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.mindmaps import current_map_reply, report_reply
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions/{session_id}/mindmap", tags=["mindmaps"])
_SEQ = ExpectedSeqBody()


def log_entries(operations: list[OperationBody]) -> list[LogEntry]:
    """The operations as log entries. Raises ValidationFailed if a field is missing or not allowed."""
    entries: list[dict[str, Any]] = []
    for operation in operations:
        fields = operation.model_dump(exclude_none=True)
        if operation.op not in ("undo", "redo"):
            fields.setdefault("op_id", uuid.uuid4().hex)
        entries.append(fields)
    try:
        return EDIT_LOG_ADAPTER.validate_python(entries)
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_url=False, include_input=False):
            # The second part of the location is the name of the union member, which is not in the request.
            path = [str(part) for i, part in enumerate(problem["loc"]) if i != 1]
            problems.append((".".join(["operations", *path]), problem["msg"]))
        message = f"{problems[0][0]}: {problems[0][1]}"
        raise ValidationFailed(message, problems[:20]) from None


async def _apply_entries(
    state: AppState,
    db: AsyncSession,
    connection: Connection,
    user_id: uuid.UUID,
    session_id: str,
    entries: list[LogEntry],
    *,
    expected_seq: int | None,
    expected_version: int | None = None,
    must_apply: bool = False,
) -> EditsReply:
    owned = (await owned_session(db, parse_session_id(session_id), user_id)).id
    outcome = await append_edits(
        connection,
        owned,
        entries,
        expected_seq=expected_seq,
        expected_version=expected_version,
    )
    if must_apply and outcome.reports[0].status == "not_applied":
        raise Conflict(outcome.reports[0].sentence)
    reply = await edits_reply(db, connection, session_id, user_id, outcome)
    await db.commit()
    await publish_edit(state, owned, outcome)
    return reply


async def edits_reply(
    db: AsyncSession, connection: Connection, session_id: str, user_id: uuid.UUID, outcome: EditOutcome
) -> EditsReply:
    """The map after the edits, and the outcome of each. Call it before the commit."""
    return EditsReply(
        mindmap=await current_map_reply(db, connection, session_id, user_id),
        reports=[report_reply(report) for report in outcome.reports],
    )


async def publish_edit(state: AppState, session_id: uuid.UUID, outcome: EditOutcome) -> None:
    """Notify other clients of the session that the map has changed."""
    await notify(state.valkey, session_id, "mindmap_edited", edit_event(outcome))


def edit_event(outcome: EditOutcome) -> dict[str, Any]:
    """What the other clients of an edited map are told."""
    return {
        "version": outcome.version,
        "seq": outcome.edited.seq,
        "edits_not_applied": sum(report.status == "not_applied" for report in outcome.edited.reports),
    }


@router.patch("", response_model_exclude_none=True)
async def edit_mindmap(
    session_id: str, body: EditsBody, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> EditsReply:
    """Edit the map. Each operation is one step that can be undone, and is applied again to later versions.

    Operations that cannot be applied are reported and change nothing; the others are applied. Sending a known `op_id`
    again changes nothing. 409 if `expected_seq` or `version` is not the current edit.
    """
    entries = log_entries(body.operations)
    return await _apply_entries(
        state,
        db,
        connection,
        user_id,
        session_id,
        entries,
        expected_seq=body.expected_seq,
        expected_version=body.version,
    )


@router.post("/undo", response_model_exclude_none=True)
async def undo_edit(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    state: State,
    body: Annotated[ExpectedSeqBody | None, Body()] = None,
) -> EditsReply:
    """Undo the last edit in effect. 409 if there is none."""
    seq = (body or _SEQ).expected_seq
    return await _apply_entries(state, db, connection, user_id, session_id, [Undo()], expected_seq=seq, must_apply=True)


@router.post("/redo", response_model_exclude_none=True)
async def redo_edit(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    state: State,
    body: Annotated[ExpectedSeqBody | None, Body()] = None,
) -> EditsReply:
    """Redo the last undone edit. 409 if there is none, or if the map was edited since."""
    seq = (body or _SEQ).expected_seq
    return await _apply_entries(state, db, connection, user_id, session_id, [Redo()], expected_seq=seq, must_apply=True)


@router.get("/edits", response_model_exclude_none=True)
async def list_edits(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> EditLogReply:
    """The log of edits, newest first, with the outcome of each on the current version."""
    owned = (await owned_session(db, parse_session_id(session_id), user_id)).id
    row = (
        await db.execute(
            select(Mindmap.id, MindmapVersion.edit_reports)
            .outerjoin(MindmapVersion, IS_CURRENT)
            .where(Mindmap.session_id == owned)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("mindmap not found for this session")
    mindmap_id, reports = row
    log = await read_edit_log(connection, mindmap_id)
    current = log_state(log)
    report_by_op = {report["op_id"]: report for report in reports or []}
    active = {operation.op_id for operation in operations_in_effect(log)}
    rows = await db.scalars(
        select(MindmapEdit)
        .where(MindmapEdit.mindmap_id == mindmap_id)
        .order_by(MindmapEdit.seq.desc())
        .limit(limit)
        .offset(offset)
    )
    return EditLogReply(
        edits=[
            LogEntryReply(
                seq=edit.seq,
                # Anchors are internal: the pages by which an edit finds its topic again.
                entry={k: v for k, v in edit.entry.items() if k != "anchors" and v is not None},
                created_at=edit.created_at,
                in_effect=edit.op_id in active,
                report=report_reply(report_by_op[edit.op_id]) if edit.op_id in report_by_op else None,
            )
            for edit in rows
        ],
        seq=current.seq,
        num_in_effect=current.num_in_effect,
        can_undo=current.num_in_effect > 0,
        can_redo=current.can_redo,
    )
