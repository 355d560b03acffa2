"""Share links: read-only, revocable, expiring. Views are not recorded."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mindmap.document.shared_view import shared_view
from models.accounts.users import User
from models.errors import Conflict, NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.sharing import ShareLink, share_link_id, share_token
from models.mindmap.versions import Mindmap, MindmapVersion
from models.recording.browsing_sessions import BrowsingSession, owned_session, parse_session_id
from models.schemas.sharing import ShareCreate, SharedSession, ShareEnvelope, ShareList, ShareReply
from serve.dependencies import CurrentUserId, DbSession, RateLimitedByAddress, State
from serve.map_image import IMAGE_RESPONSES, LINK_HEADERS, ImageLayout, ImageTheme, svg_response
from serve.state import AppState

router = APIRouter(tags=["sharing"])
MAX_LINKS = 50
_SESSION = "/v1/sessions/{session_id}"


def _reply(state: AppState, link: ShareLink) -> ShareReply:
    token = share_token(state.settings.auth.signing_key, link.id)
    return ShareReply(
        id=str(link.id),
        session_id=str(link.session_id),
        url=f"{state.settings.server.origin}/shared/{token}",
        api_url=f"{state.settings.server.origin}/v1/shared/{token}",
        shows=link.visibility,
        created_at=link.created_at,
        expires_at=link.expires_at,
    )


@router.post(f"{_SESSION}/shares", status_code=201)
async def create_share(
    session_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    body: Annotated[ShareCreate | None, Body()] = None,
) -> ShareEnvelope:
    """Create a link that shows this session's map without a login."""
    options = body or ShareCreate()
    session = await owned_session(db, parse_session_id(session_id), user_id)
    await db.execute(select(BrowsingSession.id).where(BrowsingSession.id == session.id).with_for_update(key_share=True))
    is_active = (ShareLink.session_id == session.id, ShareLink.revoked_at.is_(None), ShareLink.expires_at > func.now())
    if (await db.scalar(select(func.count()).select_from(ShareLink).where(*is_active)) or 0) >= MAX_LINKS:
        raise Conflict(f"this session has {MAX_LINKS} links already; take one back first")
    now = datetime.now(UTC)
    link = ShareLink(
        id=uuid.uuid4(),
        session_id=session.id,
        user_id=user_id,
        visibility=options.shows,
        created_at=now,
        expires_at=now + timedelta(days=options.expires_in_days),
    )
    db.add(link)
    await db.commit()
    return ShareEnvelope(share=_reply(state, link))


@router.get(f"{_SESSION}/shares")
async def list_shares(session_id: str, user_id: CurrentUserId, state: State, db: DbSession) -> ShareList:
    """The session's active links, newest first."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    links = await db.scalars(
        select(ShareLink)
        .where(ShareLink.session_id == session.id, ShareLink.revoked_at.is_(None), ShareLink.expires_at > func.now())
        .order_by(ShareLink.created_at.desc(), ShareLink.id)
        .limit(MAX_LINKS)
    )
    return ShareList(shares=[_reply(state, link) for link in links])


@router.delete(f"{_SESSION}/shares/{{share_id}}", status_code=204)
async def revoke_share(session_id: str, share_id: uuid.UUID, user_id: CurrentUserId, db: DbSession) -> Response:
    """Revoke a link. It stops working at once."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    revoked_id = await db.scalar(
        update(ShareLink)
        .where(ShareLink.id == share_id, ShareLink.session_id == session.id, ShareLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ShareLink.id)
    )
    if revoked_id is None:
        raise NotFound("there is no such link")
    await db.commit()
    return Response(status_code=204)


async def _shared_session(
    state: AppState, db: AsyncSession, token: str
) -> tuple[ShareLink, BrowsingSession, MindmapDocument, int]:
    """The link, its session, the visible part of the map, and the reading time of what is hidden, in milliseconds."""
    link_id = share_link_id(state.settings.auth.signing_keys, token)
    row = None
    if link_id is not None:
        row = (
            await db.execute(
                select(ShareLink, BrowsingSession, MindmapVersion.data)
                .join(BrowsingSession, BrowsingSession.id == ShareLink.session_id)
                .join(Mindmap, Mindmap.session_id == BrowsingSession.id)
                .join(
                    MindmapVersion,
                    (MindmapVersion.mindmap_id == Mindmap.id) & (MindmapVersion.number == Mindmap.current_version),
                )
                .join(User, User.id == ShareLink.user_id)
                .where(
                    ShareLink.id == link_id,
                    ShareLink.revoked_at.is_(None),
                    ShareLink.expires_at > func.now(),
                    BrowsingSession.deleted_at.is_(None),
                    User.status == "active",
                )
            )
        ).first()
    if row is None:
        # The same reply for unknown, expired and revoked links.
        raise NotFound("this link does not work, or no longer does")
    link, session, data = row
    document = MindmapDocument.from_json(data)
    hidden_ms = sum(n.data.total_duration for n in document.nodes if n.type == "page" and n.data.hidden)
    return link, session, shared_view(document, link.visibility, session.user_title), hidden_ms


@router.get("/v1/shared/{token}", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def read_shared(token: str, state: State, db: DbSession, response: Response) -> SharedSession:
    """The shared part of a session. Needs no login."""
    link, session, document, hidden_ms = await _shared_session(state, db, token)
    response.headers.update(LINK_HEADERS)
    visible = document.to_json()
    return SharedSession(
        title=document.title or session.title,
        summary=document.summary or None,
        shows=link.visibility,
        started_at=session.started_at,
        ended_at=session.ended_at,
        dwell_ms=max(0, session.dwell_ms - hidden_ms),
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
    _, _, document, _ = await _shared_session(state, db, token)
    return await svg_response(document, layout, theme, LINK_HEADERS)
