"""Maps over several sessions (`/v1/maps`): generate, list, read, delete. Maps of one session are in `mindmaps`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from cluster.maps.edits import log_state
from cluster.maps.notifications import DELETED, notify_joint_map
from models.accounts.legal_holds import require_no_hold
from models.billing.policy import map_priority
from models.database import Connection
from models.errors import BadRequest, Conflict, NotFound, SourceDeleted, split_reason
from models.jobs import enqueue_joint_map
from models.lifecycle.state import begin_joint_map
from models.mindmap.edit_log_store import read_joint_edit_log
from models.mindmap.joint_maps import MAX_SESSIONS, JointMap, JointMapSession, JointMapVersion
from models.mindmap.joint_version_store import delete_joint_versions
from models.mindmap.versions import MapStatus
from models.recording.browsing_sessions import OPEN_STATUSES, BrowsingSession
from models.schemas.joint_maps import JointMapBody, JointMapEnvelope, JointMapList, JointMapReply
from models.schemas.mindmaps import EditsState
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.mindmaps import edits_state

router = APIRouter(prefix="/v1/maps", tags=["mindmaps"])
#: Maximum number of maps per user: each has up to some megabytes.
MAX_MAPS = 200


def _reply(
    joint_map: JointMap,
    session_ids: list[uuid.UUID],
    *,
    data: bool,
    is_whole: bool = True,
    edits: EditsState | None = None,
    shown_title: str | None = None,
) -> JointMapReply:
    is_done = joint_map.status == MapStatus.COMPLETED and is_whole
    code, message = split_reason(joint_map.error_message)
    return JointMapReply(
        id=str(joint_map.id),
        # As on the map: the generated title, or the new name of its core. It may name the subject of a deleted session.
        title=(shown_title if is_whole else None) or joint_map.title or None,
        # A deleted session is hidden from every route at once, so a map with its pages is, too.
        status=joint_map.status if is_whole or joint_map.status != MapStatus.COMPLETED else MapStatus.FAILED,
        stage=joint_map.stage,
        percent=joint_map.percent,
        error_message=message if is_whole else str(SourceDeleted()),
        error_code=code if is_whole else SourceDeleted.code,
        session_ids=[str(session_id) for session_id in session_ids],
        since=joint_map.since,
        until=joint_map.until,
        provider=joint_map.provider if is_done else None,
        version=joint_map.current_version if is_whole else None,
        edits=edits if is_whole else None,
        # The document stays while a new one is generated, and when that fails.
        data=joint_map.data if data and is_whole else None,
        created_at=joint_map.created_at,
        updated_at=joint_map.updated_at,
    )


async def _members(db: AsyncSession, map_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[tuple[uuid.UUID, bool]]]:
    """By map id: the sessions of the map, oldest first, and whether each still exists."""
    rows = await db.execute(
        select(JointMapSession.map_id, BrowsingSession.id, BrowsingSession.deleted_at)
        .join(BrowsingSession, BrowsingSession.id == JointMapSession.session_id)
        .where(JointMapSession.map_id.in_(map_ids))
        .order_by(BrowsingSession.started_at, BrowsingSession.id)
    )
    members: dict[uuid.UUID, list[tuple[uuid.UUID, bool]]] = {map_id: [] for map_id in map_ids}
    for map_id, session_id, deleted_at in rows:
        members[map_id].append((session_id, deleted_at is None))
    return members


async def owned_joint_map(db: AsyncSession, map_id: str, user_id: uuid.UUID) -> JointMap:
    """The caller's map over several sessions, as it is in the database now. Raises NotFound."""
    try:
        parsed_id = uuid.UUID(map_id)
    except ValueError:
        raise NotFound("map not found") from None
    # Statements on the psycopg connection change the row without SQLAlchemy's knowledge.
    joint_map = await db.get(JointMap, parsed_id, populate_existing=True)
    if joint_map is None or joint_map.user_id != user_id:
        raise NotFound("map not found")
    return joint_map


async def _selected_sessions(db: AsyncSession, user_id: uuid.UUID, body: JointMapBody) -> list[BrowsingSession]:
    conditions = [BrowsingSession.user_id == user_id, BrowsingSession.deleted_at.is_(None)]
    if body.session_ids is not None:
        if body.since is not None or body.until is not None:
            raise BadRequest("give either session_ids or a range of dates, not both")
        session_ids = set(body.session_ids)
        sessions = list(
            await db.scalars(select(BrowsingSession).where(*conditions, BrowsingSession.id.in_(session_ids)))
        )
        if len(sessions) < len(session_ids):
            raise NotFound("session not found")
        if any(session.status in OPEN_STATUSES for session in sessions):
            raise BadRequest("a session that is still recording cannot be on the map; stop it first")
        return sessions
    if body.since is None and body.until is None:
        raise BadRequest("give session_ids, or since and until")
    since, until = _utc(body.since), _utc(body.until)
    if since is not None and until is not None and since >= until:
        raise BadRequest("since must be before until")
    conditions.append(BrowsingSession.status.not_in([str(status) for status in OPEN_STATUSES]))
    if since is not None:
        conditions.append(BrowsingSession.started_at >= since)
    if until is not None:
        conditions.append(BrowsingSession.started_at < until)
    newest = (
        select(BrowsingSession).where(*conditions).order_by(BrowsingSession.started_at.desc()).limit(MAX_SESSIONS + 1)
    )
    sessions = list(await db.scalars(newest))
    if not sessions:
        raise BadRequest("there is no finished session in that time")
    if len(sessions) > MAX_SESSIONS:
        raise BadRequest(f"there are more than {MAX_SESSIONS} sessions in that time; choose a shorter one")
    return sessions


def _utc(at: datetime | None) -> datetime | None:
    """`at` with a time zone; without one it is UTC. Raises BadRequest outside the years 1970 to 9000."""
    if at is not None and not 1970 <= at.year <= 9000:
        # Conversion to another time zone overflows at the ends of the calendar.
        raise BadRequest("since and until must lie between the years 1970 and 9000")
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@router.post("", status_code=202, response_model_exclude_none=True)
async def create_map(
    body: JointMapBody, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> JointMapEnvelope:
    """Generate a map over given sessions, or over those of a date range. Poll it until it is completed."""
    sessions = await _selected_sessions(db, user_id, body)
    num_maps = await db.scalar(select(func.count()).select_from(JointMap).where(JointMap.user_id == user_id)) or 0
    if num_maps >= MAX_MAPS:
        raise Conflict(f"there are {MAX_MAPS} maps already; delete one first")
    joint_map = JointMap(
        user_id=user_id,
        title=body.title or None,
        since=_utc(body.since),
        until=_utc(body.until),
    )
    db.add(joint_map)
    await db.flush()
    db.add_all([JointMapSession(map_id=joint_map.id, session_id=session.id) for session in sessions])
    await db.flush()
    await begin_joint_map(connection, joint_map.id)
    await enqueue_joint_map(connection, str(joint_map.id), priority=await map_priority(connection, user_id))
    await db.refresh(joint_map)
    await db.commit()
    sessions.sort(key=lambda session: (session.started_at, session.id))
    return JointMapEnvelope(map=_reply(joint_map, [session.id for session in sessions], data=False))


@router.get("", response_model_exclude_none=True)
async def list_maps(
    user_id: CurrentUserId,
    db: DbSession,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JointMapList:
    """The caller's maps over several sessions, newest first, without `data`."""
    of_user = JointMap.user_id == user_id
    total = await db.scalar(select(func.count()).select_from(JointMap).where(of_user)) or 0
    rows = list(
        await db.execute(
            select(JointMap, JointMap.data["title"].astext)
            .where(of_user)
            .options(defer(JointMap.data, raiseload=True))
            .order_by(JointMap.created_at.desc(), JointMap.id)
            .limit(limit)
            .offset(offset)
        )
    )
    members = await _members(db, [joint_map.id for joint_map, _ in rows])
    return JointMapList(
        maps=[
            _reply(
                joint_map,
                [s for s, exists in members[joint_map.id] if exists],
                data=False,
                is_whole=all(exists for _, exists in members[joint_map.id]),
                shown_title=title,
            )
            for joint_map, title in rows
        ],
        total=total,
    )


@router.get("/{map_id}", response_model_exclude_none=True)
async def get_map(map_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> JointMapEnvelope:
    """One map over several sessions, or its progress."""
    return JointMapEnvelope(map=await joint_map_reply(db, connection, map_id, user_id))


async def joint_map_reply(db: AsyncSession, connection: Connection, map_id: str, user_id: uuid.UUID) -> JointMapReply:
    """The caller's map over several sessions as it is in the database now, with its edits. Raises NotFound."""
    joint_map = await owned_joint_map(db, map_id, user_id)
    members = (await _members(db, [joint_map.id]))[joint_map.id]
    session_ids = [session_id for session_id, exists in members if exists]
    is_whole = len(session_ids) == len(members)
    edits = await _edits_state(db, connection, joint_map) if joint_map.data is not None else None
    title = joint_map.data.get("title") if joint_map.data is not None else None
    return _reply(joint_map, session_ids, data=True, is_whole=is_whole, edits=edits, shown_title=title)


async def _edits_state(db: AsyncSession, connection: Connection, joint_map: JointMap) -> EditsState:
    log = log_state(await read_joint_edit_log(connection, joint_map.id))
    reports = await db.scalar(
        select(JointMapVersion.edit_reports).where(
            JointMapVersion.map_id == joint_map.id, JointMapVersion.number == joint_map.current_version
        )
    )
    return edits_state(log, reports or [])


@router.post("/{map_id}/generate", status_code=202, response_model_exclude_none=True)
async def regenerate_map(
    map_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> JointMapEnvelope:
    """Generate the map again from the current content of its sessions, without deleted ones."""
    joint_map = await owned_joint_map(db, map_id, user_id)
    members = (await _members(db, [joint_map.id]))[joint_map.id]
    deleted_ids = [session_id for session_id, exists in members if not exists]
    if deleted_ids:
        await db.execute(
            delete(JointMapSession).where(
                JointMapSession.map_id == joint_map.id, JointMapSession.session_id.in_(deleted_ids)
            )
        )
        # The previous map shows deleted sessions: it must neither be shown nor be the base of the next.
        joint_map.data, joint_map.input_digest, joint_map.current_version = None, None, None
        await delete_joint_versions(connection, joint_map.id)
    await db.flush()
    await begin_joint_map(connection, joint_map.id)
    await enqueue_joint_map(connection, str(joint_map.id), priority=await map_priority(connection, user_id))
    await db.refresh(joint_map)
    await db.commit()
    await notify_joint_map(state.valkey, joint_map.id, "mindmap", {"status": joint_map.status, "stage": "queued"})
    session_ids = [session_id for session_id, exists in members if exists]
    return JointMapEnvelope(map=_reply(joint_map, session_ids, data=True))


@router.delete("/{map_id}", status_code=204)
async def delete_map(
    map_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> Response:
    """Delete a map over several sessions; the sessions are kept."""
    found = await owned_joint_map(db, map_id, user_id)
    await require_no_hold(connection, user_id)
    # Without an error when another request has deleted it meanwhile.
    await db.execute(delete(JointMap).where(JointMap.id == found.id))
    await db.commit()
    await notify_joint_map(state.valkey, map_id, "mindmap", {"status": DELETED})
    return Response(status_code=204)
