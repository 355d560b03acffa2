"""Share links: read-only, revocable, expiring. Views are not recorded."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Body, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cluster.mindmap.document.shared_view import shared_view
from models.accounts.users import User
from models.errors import Conflict, NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.joint_maps import JointMap, JointMapSession
from models.mindmap.sharing import ShareLink, share_link_id, share_token
from models.mindmap.versions import IS_CURRENT, Mindmap, MindmapVersion
from models.recording.browsing_sessions import BrowsingSession, owned_session, parse_session_id
from models.schemas.sharing import ShareCreate, SharedSession, ShareEnvelope, ShareList, ShareReply
from serve.dependencies import CurrentUserId, DbSession, RateLimitedByAddress, State
from serve.map_image import IMAGE_RESPONSES, LINK_HEADERS, ImageLayout, ImageTheme, svg_response
from serve.routes.joint_maps import owned_joint_map
from serve.state import AppState

router = APIRouter(tags=["sharing"])
MAX_LINKS = 50
_SESSION = "/v1/sessions/{session_id}"


_MAP = "/v1/maps/{map_id}"
#: What a link shows: the column of `share_links` that refers to it, and its id.
_Owner: TypeAlias = tuple[InstrumentedAttribute[uuid.UUID | None], uuid.UUID]


def _reply(state: AppState, link: ShareLink) -> ShareReply:
    token = share_token(state.settings.auth.signing_key, link.id)
    return ShareReply(
        id=str(link.id),
        session_id=str(link.session_id) if link.session_id else None,
        map_id=str(link.map_id) if link.map_id else None,
        url=f"{state.settings.server.origin}/shared/{token}",
        api_url=f"{state.settings.server.origin}/v1/shared/{token}",
        shows=link.visibility,
        created_at=link.created_at,
        expires_at=link.expires_at,
    )


async def _session_owner(db: AsyncSession, session_id: str, user_id: uuid.UUID) -> _Owner:
    return ShareLink.session_id, (await owned_session(db, parse_session_id(session_id), user_id)).id


async def _map_owner(db: AsyncSession, map_id: str, user_id: uuid.UUID) -> _Owner:
    return ShareLink.map_id, (await owned_joint_map(db, map_id, user_id)).id


async def _create(
    state: AppState, db: AsyncSession, user_id: uuid.UUID, owner: _Owner, options: ShareCreate
) -> ShareEnvelope:
    column, owner_id = owner
    kind = BrowsingSession if column is ShareLink.session_id else JointMap
    await db.execute(select(kind.id).where(kind.id == owner_id).with_for_update(key_share=True))
    is_active = (column == owner_id, ShareLink.revoked_at.is_(None), ShareLink.expires_at > func.now())
    if (await db.scalar(select(func.count()).select_from(ShareLink).where(*is_active)) or 0) >= MAX_LINKS:
        raise Conflict(f"there are {MAX_LINKS} links already; take one back first")
    now = datetime.now(UTC)
    link = ShareLink(
        id=uuid.uuid4(),
        user_id=user_id,
        visibility=options.shows,
        created_at=now,
        expires_at=now + timedelta(days=options.expires_in_days),
        **{column.key: owner_id},
    )
    db.add(link)
    await db.commit()
    return ShareEnvelope(share=_reply(state, link))


async def _list(state: AppState, db: AsyncSession, owner: _Owner) -> ShareList:
    column, owner_id = owner
    links = await db.scalars(
        select(ShareLink)
        .where(column == owner_id, ShareLink.revoked_at.is_(None), ShareLink.expires_at > func.now())
        .order_by(ShareLink.created_at.desc(), ShareLink.id)
        .limit(MAX_LINKS)
    )
    return ShareList(shares=[_reply(state, link) for link in links])


async def _revoke(db: AsyncSession, owner: _Owner, share_id: uuid.UUID) -> Response:
    column, owner_id = owner
    revoked_id = await db.scalar(
        update(ShareLink)
        .where(ShareLink.id == share_id, column == owner_id, ShareLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ShareLink.id)
    )
    if revoked_id is None:
        raise NotFound("there is no such link")
    await db.commit()
    return Response(status_code=204)


@router.post(f"{_SESSION}/shares", status_code=201, response_model_exclude_none=True)
async def create_share(
    session_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    body: Annotated[ShareCreate | None, Body()] = None,
) -> ShareEnvelope:
    """Create a link that shows this session's map without a login."""
    return await _create(state, db, user_id, await _session_owner(db, session_id, user_id), body or ShareCreate())


@router.get(f"{_SESSION}/shares", response_model_exclude_none=True)
async def list_shares(session_id: str, user_id: CurrentUserId, state: State, db: DbSession) -> ShareList:
    """The session's active links, newest first."""
    return await _list(state, db, await _session_owner(db, session_id, user_id))


@router.delete(f"{_SESSION}/shares/{{share_id}}", status_code=204)
async def revoke_share(session_id: str, share_id: uuid.UUID, user_id: CurrentUserId, db: DbSession) -> Response:
    """Revoke a link. It stops working at once."""
    return await _revoke(db, await _session_owner(db, session_id, user_id), share_id)


@router.post(f"{_MAP}/shares", status_code=201, response_model_exclude_none=True)
async def create_map_share(
    map_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    body: Annotated[ShareCreate | None, Body()] = None,
) -> ShareEnvelope:
    """Create a link that shows this map over several sessions without a login.

    The link shows nothing while one of the sessions is deleted.
    """
    return await _create(state, db, user_id, await _map_owner(db, map_id, user_id), body or ShareCreate())


@router.get(f"{_MAP}/shares", response_model_exclude_none=True)
async def list_map_shares(map_id: str, user_id: CurrentUserId, state: State, db: DbSession) -> ShareList:
    """The map's active links, newest first."""
    return await _list(state, db, await _map_owner(db, map_id, user_id))


@router.delete(f"{_MAP}/shares/{{share_id}}", status_code=204)
async def revoke_map_share(map_id: str, share_id: uuid.UUID, user_id: CurrentUserId, db: DbSession) -> Response:
    """Revoke a link. It stops working at once."""
    return await _revoke(db, await _map_owner(db, map_id, user_id), share_id)


@dataclass(frozen=True, slots=True)
class ShownMap:
    """What a link leads to. `user_title` is the title that the user gave, `data` the whole map as JSON."""

    title: str | None
    user_title: str | None
    data: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None
    dwell_ms: int


async def shown_session(db: AsyncSession, session_id: uuid.UUID) -> ShownMap | None:
    row = (
        await db.execute(
            select(BrowsingSession, MindmapVersion.data)
            .join(Mindmap, Mindmap.session_id == BrowsingSession.id)
            .join(MindmapVersion, IS_CURRENT)
            .where(BrowsingSession.id == session_id, BrowsingSession.deleted_at.is_(None))
        )
    ).first()
    if row is None:
        return None
    session, data = row
    return ShownMap(session.title, session.user_title, data, session.started_at, session.ended_at, session.dwell_ms)


async def shown_joint_map(db: AsyncSession, map_id: uuid.UUID) -> ShownMap | None:
    """None while the map has no document, or a session of it is deleted."""
    joint_map = await db.get(JointMap, map_id)
    members = list(
        await db.scalars(
            select(BrowsingSession)
            .join(JointMapSession, JointMapSession.session_id == BrowsingSession.id)
            .where(JointMapSession.map_id == map_id)
        )
    )
    is_whole = members and all(session.deleted_at is None for session in members)
    if joint_map is None or joint_map.data is None or not is_whole:
        return None
    return ShownMap(
        title=joint_map.data.get("title") or joint_map.title,
        user_title=joint_map.title,
        data=joint_map.data,
        started_at=min(session.started_at for session in members),
        ended_at=max((session.ended_at for session in members if session.ended_at), default=None),
        dwell_ms=sum(session.dwell_ms for session in members),
    )


async def _shared_map(state: AppState, db: AsyncSession, token: str) -> tuple[ShareLink, ShownMap, MindmapDocument]:
    """The link, what it leads to, and the visible part of the map."""
    link_id = share_link_id(state.settings.auth.signing_keys, token)
    link = shown = None
    if link_id is not None:
        link = await db.scalar(
            select(ShareLink)
            .join(User, User.id == ShareLink.user_id)
            .where(
                ShareLink.id == link_id,
                ShareLink.revoked_at.is_(None),
                ShareLink.expires_at > func.now(),
                User.status == "active",
            )
        )
    if link is not None:
        if link.session_id is not None:
            shown = await shown_session(db, link.session_id)
        elif link.map_id is not None:
            shown = await shown_joint_map(db, link.map_id)
    if link is None or shown is None:
        # The same reply for unknown, expired and revoked links.
        raise NotFound("this link does not work, or no longer does")
    document = MindmapDocument.from_json(shown.data)
    return link, shown, shared_view(document, link.visibility, shown.user_title)


@router.get("/v1/shared/{token}", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def read_shared(token: str, state: State, db: DbSession, response: Response) -> SharedSession:
    """The shared part of a session, or of a map over several sessions. Needs no login."""
    link, shown, document = await _shared_map(state, db, token)
    response.headers.update(LINK_HEADERS)
    visible = document.to_json()
    nodes = MindmapDocument.from_json(shown.data).nodes
    hidden_ms = sum(node.data.total_duration for node in nodes if node.type == "page" and node.data.hidden)
    return SharedSession(
        title=document.title or shown.title,
        summary=document.summary or None,
        shows=link.visibility,
        started_at=shown.started_at,
        ended_at=shown.ended_at,
        dwell_ms=max(0, shown.dwell_ms - hidden_ms),
        expires_at=link.expires_at,
        mindmap={k: visible[k] for k in ("title", "summary", "language", "nodes", "edges", "layout", "layouts")},
    )


@router.get(
    "/v1/shared/{token}/image",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    dependencies=[RateLimitedByAddress],
)
async def shared_image(
    token: str,
    state: State,
    db: DbSession,
    layout: ImageLayout = "galaxy",
    theme: ImageTheme = "light",
) -> Response:
    """The shared map as an SVG image. Needs no login."""
    _, _, document = await _shared_map(state, db, token)
    return await svg_response(document, layout, theme, LINK_HEADERS)
