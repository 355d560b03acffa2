"""The versions of a session's map: list, read, compare, restore."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.edits import restore_map_version
from models.errors import NotFound
from models.mindmap.diff import Change, diff_documents
from models.mindmap.document import MindmapDocument
from models.mindmap.versions import Mindmap, MindmapVersion
from models.recording.browsing_sessions import owned_session, parse_session_id
from models.schemas.map_edits import EditsReply
from models.schemas.versions import ChangeReply, DiffReply, VersionEnvelope, VersionList, VersionReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.map_edits import edits_reply, publish_edit
from serve.routes.mindmaps import report_reply

router = APIRouter(prefix="/v1/sessions/{session_id}/mindmap/versions", tags=["mindmaps"])
Number = Annotated[int, Path(ge=1, le=1_000_000)]
# The columns of the list, without the documents: each has up to a megabyte.
_LIST_COLUMNS = (
    MindmapVersion.number,
    MindmapVersion.provider,
    MindmapVersion.model,
    MindmapVersion.cost_micros,
    MindmapVersion.input_digest,
    MindmapVersion.scorecard,
    MindmapVersion.edits_seq,
    MindmapVersion.edit_reports,
    MindmapVersion.restored_from,
    MindmapVersion.created_at,
    MindmapVersion.data["coverage"].label("coverage"),
    MindmapVersion.data["title"].astext.label("title"),
    func.jsonb_array_length(
        func.jsonb_path_query_array(MindmapVersion.data, cast('$.nodes[*] ? (@.type == "topic")', JSONPATH))
    ).label("num_topics"),
)


def _reply(row: Any, current: int | None, data: dict[str, Any] | None = None) -> VersionReply:
    coverage = row.coverage or {}
    return VersionReply(
        number=row.number,
        is_current=row.number == current,
        provider=row.provider,
        model=row.model,
        cost_usd=row.cost_micros / 1e6,
        input_digest=row.input_digest,
        scorecard=row.scorecard,
        coverage=coverage,
        title=row.title or "",
        num_topics=row.num_topics or 0,
        num_pages=coverage.get("on_map", 0),
        edits_seq=row.edits_seq,
        edits_not_applied=[report_reply(r) for r in row.edit_reports if r["status"] == "not_applied"],
        restored_from=row.restored_from,
        created_at=row.created_at,
        data=data,
    )


async def _map_of(db: AsyncSession, session_id: str, user_id: uuid.UUID) -> Mindmap:
    owned = await owned_session(db, parse_session_id(session_id), user_id)
    mindmap = await db.scalar(select(Mindmap).where(Mindmap.session_id == owned.id))
    if mindmap is None:
        raise NotFound("mindmap not found for this session")
    return mindmap


async def _document(db: AsyncSession, mindmap_id: uuid.UUID, number: int) -> dict[str, Any]:
    data = await db.scalar(
        select(MindmapVersion.data).where(MindmapVersion.mindmap_id == mindmap_id, MindmapVersion.number == number)
    )
    if data is None:
        raise NotFound("there is no such version")
    return dict(data)


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
    of_map = MindmapVersion.mindmap_id == mindmap.id
    total = await db.scalar(select(func.count()).select_from(MindmapVersion).where(of_map)) or 0
    rows = await db.execute(
        select(*_LIST_COLUMNS).where(of_map).order_by(MindmapVersion.number.desc()).limit(limit).offset(offset)
    )
    return VersionList(versions=[_reply(row, mindmap.current_version) for row in rows], total=total)


@router.get("/{number}", response_model_exclude_none=True)
async def get_version(session_id: str, number: Number, user_id: CurrentUserId, db: DbSession) -> VersionEnvelope:
    """One version with its map, in its last state."""
    mindmap = await _map_of(db, session_id, user_id)
    data = await _document(db, mindmap.id, number)
    row = (
        await db.execute(
            select(*_LIST_COLUMNS).where(MindmapVersion.mindmap_id == mindmap.id, MindmapVersion.number == number)
        )
    ).one()
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
    before, after = await _document(db, mindmap.id, old), await _document(db, mindmap.id, new)

    def compare() -> list[Change]:
        return diff_documents(MindmapDocument.from_json(before), MindmapDocument.from_json(after))

    changes = await asyncio.to_thread(compare)
    return DiffReply(
        old=old,
        new=new,
        changes=[ChangeReply(kind=c.kind, sentence=c.sentence, why=c.why, node_ids=list(c.node_ids)) for c in changes],
    )


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
