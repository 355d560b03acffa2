"""Maps over several sessions: order, list, read, make again, delete."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from models.errors import BadRequest, Conflict, NotFound
from models.jobs import enqueue_joint_map
from models.mindmap.joint_maps import MAX_SESSIONS, JointMap, JointMapSession
from models.mindmap.state import begin_joint_map
from models.mindmap.versions import MapStatus
from models.recording.browsing_sessions import OPEN_STATUSES, BrowsingSession
from models.schemas.joint_maps import JointMapBody, JointMapEnvelope, JointMapList, JointMapReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession

router = APIRouter(prefix="/v1/maps", tags=["mindmaps"])
#: Maps one user may keep: each is up to some megabytes.
MAX_MAPS = 200
_DELETED = "a session of this map was deleted; make the map again"


def _reply(found: JointMap, session_ids: list[uuid.UUID], *, data: bool, is_whole: bool = True) -> JointMapReply:
    is_done = found.status == MapStatus.COMPLETED and is_whole
    return JointMapReply(
        id=str(found.id),
        title=found.title or None,
        # Pages of a deleted session are gone for every route at once, so a map that shows them is, too.
        status=found.status if is_whole or found.status != MapStatus.COMPLETED else MapStatus.FAILED,
        stage=found.stage,
        percent=found.percent,
        error_message=found.error_message if is_whole else _DELETED,
        session_ids=[str(session_id) for session_id in session_ids],
        since=found.since,
        until=found.until,
        provider=found.provider if is_done else None,
        data=found.data if data and is_done else None,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


async def _members(db: AsyncSession, map_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[tuple[uuid.UUID, bool]]]:
    """The sessions of each map, oldest first, and whether each is still there."""
    rows = await db.execute(
        select(JointMapSession.map_id, BrowsingSession.id, BrowsingSession.deleted_at)
        .join(BrowsingSession, BrowsingSession.id == JointMapSession.session_id)
        .where(JointMapSession.map_id.in_(map_ids))
        .order_by(BrowsingSession.started_at, BrowsingSession.id)
    )
    found: dict[uuid.UUID, list[tuple[uuid.UUID, bool]]] = {map_id: [] for map_id in map_ids}
    for map_id, session_id, deleted_at in rows:
        found[map_id].append((session_id, deleted_at is None))
    return found


async def _owned(db: AsyncSession, map_id: str, user_id: uuid.UUID) -> JointMap:
    try:
        wanted = uuid.UUID(map_id)
    except ValueError:
        raise NotFound("map not found") from None
    found = await db.get(JointMap, wanted)
    if found is None or found.user_id != user_id:
        raise NotFound("map not found")
    return found


async def _chosen(db: AsyncSession, user_id: uuid.UUID, body: JointMapBody) -> list[BrowsingSession]:
    mine = [BrowsingSession.user_id == user_id, BrowsingSession.deleted_at.is_(None)]
    if body.session_ids is not None:
        if body.since is not None or body.until is not None:
            raise BadRequest("give either session_ids or a range of dates, not both")
        wanted = set(body.session_ids)
        found = list(await db.scalars(select(BrowsingSession).where(*mine, BrowsingSession.id.in_(wanted))))
        if len(found) < len(wanted):
            raise NotFound("session not found")
        if any(session.status in OPEN_STATUSES for session in found):
            raise BadRequest("a session that is still recording cannot be on the map; stop it first")
        return found
    if body.since is None and body.until is None:
        raise BadRequest("give session_ids, or since and until")
    since, until = _utc(body.since), _utc(body.until)
    if since is not None and until is not None and since >= until:
        raise BadRequest("since must be before until")
    mine.append(BrowsingSession.status.not_in([str(status) for status in OPEN_STATUSES]))
    if since is not None:
        mine.append(BrowsingSession.started_at >= since)
    if until is not None:
        mine.append(BrowsingSession.started_at < until)
    newest = select(BrowsingSession).where(*mine).order_by(BrowsingSession.started_at.desc()).limit(MAX_SESSIONS + 1)
    found = list(await db.scalars(newest))
    if not found:
        raise BadRequest("there is no finished session in that time")
    if len(found) > MAX_SESSIONS:
        raise BadRequest(f"there are more than {MAX_SESSIONS} sessions in that time; choose a shorter one")
    return found


def _utc(at: datetime | None) -> datetime | None:
    """A time without a zone is meant in UTC."""
    if at is not None and not 1970 <= at.year <= 9000:
        # At the ends of the calendar a time has no equal in other zones.
        raise BadRequest("since and until must lie between the years 1970 and 9000")
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@router.post("", status_code=202, response_model_exclude_none=True)
async def create_map(
    body: JointMapBody, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> JointMapEnvelope:
    """Order a map over the chosen sessions, or over those of a range of dates. Read it until it is completed."""
    sessions = await _chosen(db, user_id, body)
    num_maps = await db.scalar(select(func.count()).select_from(JointMap).where(JointMap.user_id == user_id)) or 0
    if num_maps >= MAX_MAPS:
        raise Conflict(f"there are {MAX_MAPS} maps already; delete one first")
    ordered = JointMap(
        user_id=user_id,
        title=body.title or None,
        since=_utc(body.since),
        until=_utc(body.until),
    )
    db.add(ordered)
    await db.flush()
    db.add_all([JointMapSession(map_id=ordered.id, session_id=session.id) for session in sessions])
    await db.flush()
    await begin_joint_map(connection, ordered.id)
    await enqueue_joint_map(connection, str(ordered.id))
    await db.refresh(ordered)
    await db.commit()
    sessions.sort(key=lambda session: (session.started_at, session.id))
    return JointMapEnvelope(map=_reply(ordered, [session.id for session in sessions], data=False))


@router.get("", response_model_exclude_none=True)
async def list_maps(
    user_id: CurrentUserId,
    db: DbSession,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JointMapList:
    """The caller's maps over several sessions, newest first, without the maps themselves."""
    mine = JointMap.user_id == user_id
    total = await db.scalar(select(func.count()).select_from(JointMap).where(mine)) or 0
    found = list(
        await db.scalars(
            select(JointMap)
            .where(mine)
            .options(defer(JointMap.data, raiseload=True))
            .order_by(JointMap.created_at.desc(), JointMap.id)
            .limit(limit)
            .offset(offset)
        )
    )
    members = await _members(db, [one.id for one in found])
    return JointMapList(
        maps=[
            _reply(
                one,
                [s for s, is_there in members[one.id] if is_there],
                data=False,
                is_whole=all(is_there for _, is_there in members[one.id]),
            )
            for one in found
        ],
        total=total,
    )


@router.get("/{map_id}", response_model_exclude_none=True)
async def get_map(map_id: str, user_id: CurrentUserId, db: DbSession) -> JointMapEnvelope:
    """One map over several sessions, or how far it is."""
    found = await _owned(db, map_id, user_id)
    members = (await _members(db, [found.id]))[found.id]
    there = [session_id for session_id, is_there in members if is_there]
    return JointMapEnvelope(map=_reply(found, there, data=True, is_whole=len(there) == len(members)))


@router.post("/{map_id}/generate", status_code=202, response_model_exclude_none=True)
async def regenerate_map(
    map_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> JointMapEnvelope:
    """Make the map again from what its sessions hold now; deleted ones leave it."""
    found = await _owned(db, map_id, user_id)
    members = (await _members(db, [found.id]))[found.id]
    gone = [session_id for session_id, is_there in members if not is_there]
    if gone:
        await db.execute(
            delete(JointMapSession).where(JointMapSession.map_id == found.id, JointMapSession.session_id.in_(gone))
        )
        # What was drawn from them must not be shown, nor be the model for the next.
        found.data, found.input_digest = None, None
    await db.flush()
    await begin_joint_map(connection, found.id)
    await enqueue_joint_map(connection, str(found.id))
    await db.refresh(found)
    await db.commit()
    there = [session_id for session_id, is_there in members if is_there]
    return JointMapEnvelope(map=_reply(found, there, data=False))


@router.delete("/{map_id}", status_code=204)
async def delete_map(map_id: str, user_id: CurrentUserId, db: DbSession) -> Response:
    """Delete a map over several sessions; the sessions stay."""
    await db.delete(await _owned(db, map_id, user_id))
    await db.commit()
    return Response(status_code=204)
