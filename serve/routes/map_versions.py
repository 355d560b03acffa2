"""The versions of a session's map: list, read, compare, restore."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.edits import restore_map_version
from models.errors import NotFound
from models.mindmap.versions import Mindmap, MindmapVersion
from models.recording.browsing_sessions import owned_session, parse_session_id
from models.schemas.map_edits import EditsReply
from models.schemas.versions import DiffReply, VersionEnvelope, VersionList, VersionReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.map_edits import edits_reply, publish_edit
from serve.routes.version_parts import Number, diff_reply, list_columns, version_document, version_fields

router = APIRouter(prefix="/v1/sessions/{session_id}/mindmap/versions", tags=["mindmaps"])
_LIST_COLUMNS = (
    *list_columns(MindmapVersion),
    MindmapVersion.model,
    MindmapVersion.cost_micros,
    MindmapVersion.scorecard,
)


def _reply(row: Any, current: int | None, data: dict[str, Any] | None = None) -> VersionReply:
    return VersionReply(
        **version_fields(row, current),
        model=row.model,
        cost_usd=row.cost_micros / 1e6,
        scorecard=row.scorecard,
        coverage=row.coverage or {},
        data=data,
    )


async def _map_of(db: AsyncSession, session_id: str, user_id: uuid.UUID) -> Mindmap:
    owned = await owned_session(db, parse_session_id(session_id), user_id)
    mindmap = await db.scalar(select(Mindmap).where(Mindmap.session_id == owned.id))
    if mindmap is None:
        raise NotFound("mindmap not found for this session")
    return mindmap


def _shown_of(mindmap: Mindmap) -> ColumnElement[bool]:
    """The versions of a map without those that a regeneration run has not shown."""
    return and_(MindmapVersion.mindmap_id == mindmap.id, MindmapVersion.is_candidate.is_(False))


@router.get("", response_model_exclude_none=True)
async def list_versions(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> VersionList:
    """All versions of the map, newest first, with input digest, provider, cost and scorecard."""
    mindmap = await _map_of(db, session_id, user_id)
    of_map = _shown_of(mindmap)
    total = await db.scalar(select(func.count()).select_from(MindmapVersion).where(of_map)) or 0
    rows = await db.execute(
        select(*_LIST_COLUMNS).where(of_map).order_by(MindmapVersion.number.desc()).limit(limit).offset(offset)
    )
    return VersionList(versions=[_reply(row, mindmap.current_version) for row in rows], total=total)


@router.get("/{number}", response_model_exclude_none=True)
async def get_version(session_id: str, number: Number, user_id: CurrentUserId, db: DbSession) -> VersionEnvelope:
    """One version with its map, in its last state."""
    mindmap = await _map_of(db, session_id, user_id)
    data = await version_document(db, MindmapVersion, _shown_of(mindmap), number)
    row = (await db.execute(select(*_LIST_COLUMNS).where(_shown_of(mindmap), MindmapVersion.number == number))).one()
    return VersionEnvelope(version=_reply(row, mindmap.current_version, data))


@router.get("/{number}/diff", response_model_exclude_none=True)
async def diff_with(
    session_id: str,
    number: Number,
    user_id: CurrentUserId,
    db: DbSession,
    to: Annotated[int | None, Query(ge=1, le=1_000_000, description="The current version, when absent")] = None,
) -> DiffReply:
    """The differences from version `number` to version `to`."""
    mindmap = await _map_of(db, session_id, user_id)
    return await _diff(db, mindmap, number, to if to is not None else mindmap.current_version or number)


@router.get("/{number}/diff/{other}", response_model_exclude_none=True)
async def diff_versions(
    session_id: str, number: Number, other: Number, user_id: CurrentUserId, db: DbSession
) -> DiffReply:
    """The differences from version `number` to version `other`, as sentences with their known reasons."""
    return await _diff(db, await _map_of(db, session_id, user_id), number, other)


async def _diff(db: AsyncSession, mindmap: Mindmap, old: int, new: int) -> DiffReply:
    return await diff_reply(db, MindmapVersion, _shown_of(mindmap), old, new)


@router.post("/{number}/restore", response_model_exclude_none=True)
async def restore_version(
    session_id: str, number: Number, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> EditsReply:
    """Restore a version as a new version. Edits made since stay in effect; `reports` has their outcomes."""
    owned = (await owned_session(db, parse_session_id(session_id), user_id)).id
    outcome = await restore_map_version(connection, owned, number)
    reply = await edits_reply(db, connection, session_id, user_id, outcome)
    await db.commit()
    await publish_edit(state, owned, outcome)
    return reply
