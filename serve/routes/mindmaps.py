"""The mind map of one session: read it, generate it, its image. `joint_maps` has maps over several sessions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.edits import LogState, log_state
from cluster.maps.notifications import notify
from models.billing.policy import map_priority
from models.database import Connection
from models.errors import NotFound, NotReadyForMap, split_reason
from models.jobs import enqueue_map
from models.lifecycle.state import begin_map
from models.mindmap.document import MindmapDocument
from models.mindmap.edit_log_store import read_edit_log
from models.mindmap.edits import EditReport
from models.mindmap.versions import MapStatus, Mindmap, MindmapVersion
from models.recording.browsing_sessions import OPEN_STATUSES, owned_session, parse_session_id
from models.schemas.mindmaps import (
    EditReportReply,
    EditsState,
    GenerateBody,
    MindmapEnvelope,
    MindmapReply,
    OfferedVersion,
)
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.map_image import (
    IMAGE_RESPONSES,
    ImageLayout,
    ImageSize,
    ImageTheme,
    svg_response,
    thumbnail_response,
)
from serve.routes.ai import check_token_budget

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["mindmaps"])


def report_reply(report: EditReport | dict[str, Any]) -> EditReportReply:
    """An edit report as API resource, from the value or its stored form."""
    return EditReportReply.model_validate(report)


def mindmap_reply(
    mindmap: Mindmap,
    version: MindmapVersion | None,
    log: LogState | None = None,
    offered: OfferedVersion | None = None,
) -> MindmapReply:
    """The map as API resource, with its current version: that stays while a new one is generated, or if it fails."""
    code, message = split_reason(mindmap.error_message)
    # A worker of the previous version marks a map as failed although it has a version.
    is_kept = mindmap.status == MapStatus.FAILED and version is not None
    return MindmapReply(
        id=str(mindmap.id),
        session_id=str(mindmap.session_id),
        status=MapStatus.COMPLETED if is_kept else mindmap.status,
        stage=mindmap.stage,
        percent=mindmap.percent,
        version=mindmap.current_version,
        version_created_at=version.created_at if version else None,
        offered_version=offered,
        provider=version.provider if version else None,
        data=version.data if version else None,
        edits=edits_state(log, version.edit_reports) if version and log else None,
        error_message=message,
        error_code=code,
        created_at=mindmap.created_at,
        updated_at=mindmap.updated_at,
    )


def edits_state(log: LogState, reports: Sequence[dict[str, Any]]) -> EditsState:
    """The edits of a map: the state of its log, and those of `reports` (of the version shown) that do not fit it."""
    return EditsState(
        seq=log.seq,
        num_in_effect=log.num_in_effect,
        can_undo=log.num_in_effect > 0,
        can_redo=log.can_redo,
        not_applied=[report_reply(r) for r in reports if r["status"] == "not_applied"],
    )


async def current_map_reply(
    db: AsyncSession, connection: Connection, session_id: str, user_id: uuid.UUID
) -> MindmapReply:
    """The caller's map with its edits. Raises NotFound if none was requested yet."""
    _, mindmap, version = await load_map(db, session_id, user_id)
    if mindmap is None:
        raise NotFound("mindmap not found for this session")
    # Most maps are never edited: skip reading their log.
    log = await read_edit_log(connection, mindmap.id) if version and version.edits_seq else []
    return mindmap_reply(mindmap, version, log_state(log), await _offered_version(db, mindmap))


async def _offered_version(db: AsyncSession, mindmap: Mindmap) -> OfferedVersion | None:
    if mindmap.offered_version is None or mindmap.error_message is None:
        return None
    row = (
        await db.execute(
            select(MindmapVersion.data["note_details"], MindmapVersion.created_at).where(
                MindmapVersion.mindmap_id == mindmap.id, MindmapVersion.number == mindmap.offered_version
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return OfferedVersion(number=mindmap.offered_version, notes=row[0] or [], created_at=row[1])


async def load_map(
    db: AsyncSession, session_id: str, user_id: uuid.UUID
) -> tuple[uuid.UUID, Mindmap | None, MindmapVersion | None]:
    """The caller's session id, its map, and the version shown, as they are in the database now. Raises NotFound."""
    owned = await owned_session(db, parse_session_id(session_id), user_id)
    # Statements on the psycopg connection change these rows without SQLAlchemy's knowledge, so a copy that this
    # request has loaded before may be stale: replace it.
    mindmap = await db.scalar(
        select(Mindmap).where(Mindmap.session_id == owned.id).execution_options(populate_existing=True)
    )
    if mindmap is None:
        return owned.id, None, None
    version = await db.scalar(
        select(MindmapVersion)
        .where(MindmapVersion.mindmap_id == mindmap.id, MindmapVersion.number == mindmap.current_version)
        .execution_options(populate_existing=True)
    )
    return owned.id, mindmap, version


@router.get("/mindmap", response_model_exclude_none=True)
async def get_mindmap(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> MindmapEnvelope:
    """The map with the user's edits, or its progress. 404 if no map was requested yet."""
    return MindmapEnvelope(mindmap=await current_map_reply(db, connection, session_id, user_id))


@router.post("/mindmap/generate", status_code=202, response_model_exclude_none=True)
async def generate(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    state: State,
    body: Annotated[GenerateBody | None, Body()] = None,
) -> MindmapEnvelope:
    """Generate a map. Unchanged input returns the existing map at no cost, unless `force` is set.

    400 while the session records: stop it first. The current version stays until the new one is complete.
    """
    session = await owned_session(db, parse_session_id(session_id), user_id)
    # A closed recording never opens again, so no lock is needed.
    if session.status in OPEN_STATUSES:
        raise NotReadyForMap()
    owned = session.id
    await check_token_budget(state, db, connection, owned, user_id)
    await begin_map(connection, owned)
    priority = await map_priority(connection, user_id)
    await enqueue_map(connection, str(owned), force=bool(body and body.force), priority=priority)
    _, mindmap, _ = await load_map(db, session_id, user_id)
    assert mindmap is not None
    await db.commit()
    await notify(state.valkey, owned, "mindmap", {"status": "generating", "stage": "queued", "percent": 0})
    # Without the version shown, which the client has: it may have a megabyte.
    return MindmapEnvelope(mindmap=mindmap_reply(mindmap, None))


@router.get("/mindmap/image", response_class=Response, responses=IMAGE_RESPONSES)
async def image(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    layout: ImageLayout = "radial",
    theme: ImageTheme = "light",
    size: ImageSize = "full",
) -> Response:
    """The map as an SVG image."""
    _, mindmap, version = await load_map(db, session_id, user_id)
    if mindmap is None or version is None:
        raise NotFound("mindmap not found for this session")
    if size == "thumbnail":
        return await thumbnail_response(MindmapDocument.from_json(version.data), theme)
    return await svg_response(MindmapDocument.from_json(version.data), layout, theme)
