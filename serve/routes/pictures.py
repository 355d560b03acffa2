"""Picture links: a map's image without a login for a day, of one session's map or of one over several sessions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mindmap.document.shared_view import shared_view
from models.accounts.users import User
from models.errors import NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.joint_maps import JointMap
from models.recording.browsing_sessions import BrowsingSession, owned_session, parse_session_id
from models.schemas.mindmaps import PictureLink
from serve.dependencies import CurrentUserId, DbSession, RateLimitedByAddress, State
from serve.identity.signed_links import sign_link, verify_link
from serve.map_image import IMAGE_RESPONSES, LINK_HEADERS, ImageLayout, ImagePalette, ImageTheme, svg_response
from serve.routes.joint_maps import owned_joint_map
from serve.routes.sharing import ShownMap, shown_joint_map, shown_session
from serve.state import AppState

router = APIRouter(tags=["mindmaps"])
PICTURE_LINK_TTL_S = 24 * 3600
_SESSION_PICTURE = "/v1/sessions/{session_id}/mindmap/picture"
_MAP_PICTURE = "/v1/maps/{map_id}/picture"


class _Kind(StrEnum):
    """What a link shows. Part of its signature: code that does not know a kind answers 404, as for a forged link."""

    SESSION = "picture"
    JOINT_MAP = "joint-map-picture"


@router.post(_SESSION_PICTURE, response_model_exclude_none=True)
async def picture_link(session_id: str, user_id: CurrentUserId, db: DbSession, state: State) -> PictureLink:
    """A link to the map's image that needs no login and is valid for a day."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    if await shown_session(db, session.id) is None:
        raise NotFound("mindmap not found for this session")
    return _link(state, _Kind.SESSION, session)


@router.delete(_SESSION_PICTURE, status_code=204)
async def revoke_picture_links(session_id: str, user_id: CurrentUserId, db: DbSession) -> Response:
    """Revoke all links to the map's image. They stop working at once."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    session.picture_links_revoked = BrowsingSession.picture_links_revoked + 1
    await db.commit()
    return Response(status_code=204)


@router.post(_MAP_PICTURE, response_model_exclude_none=True)
async def map_picture_link(map_id: str, user_id: CurrentUserId, db: DbSession, state: State) -> PictureLink:
    """A link to the image of this map over several sessions that needs no login and is valid for a day.

    The link shows nothing while one of the sessions is deleted.
    """
    joint_map = await owned_joint_map(db, map_id, user_id)
    if await shown_joint_map(db, joint_map.id) is None:
        raise NotFound("this map has no version yet")
    return _link(state, _Kind.JOINT_MAP, joint_map)


@router.delete(_MAP_PICTURE, status_code=204)
async def revoke_map_picture_links(map_id: str, user_id: CurrentUserId, db: DbSession) -> Response:
    """Revoke all links to the map's image. They stop working at once."""
    joint_map = await owned_joint_map(db, map_id, user_id)
    joint_map.picture_links_revoked = JointMap.picture_links_revoked + 1
    await db.commit()
    return Response(status_code=204)


def _link(state: AppState, kind: _Kind, owner: BrowsingSession | JointMap) -> PictureLink:
    subject = f"{owner.id}:{owner.picture_links_revoked}"
    token = sign_link(state.settings.auth.signing_key, kind, subject, ttl_s=PICTURE_LINK_TTL_S)
    return PictureLink(
        url=f"{state.settings.server.origin}/pictures/{token}",
        expires_at=datetime.now(UTC) + timedelta(seconds=PICTURE_LINK_TTL_S),
    )


@router.get(
    "/pictures/{token}", response_class=Response, responses=IMAGE_RESPONSES, dependencies=[RateLimitedByAddress]
)
async def picture(
    token: str,
    db: DbSession,
    state: State,
    layout: ImageLayout = "radial",
    theme: ImageTheme = "light",
    palette: ImagePalette = "standard",
) -> Response:
    """The image of an image link, without what the user has hidden."""
    kind, subject = _verified(state, token)
    # Links of an older version have no number; they end within a day, or when the first link is revoked.
    owner_id, _, num_revoked = subject.partition(":")
    shown = await _shown(db, kind, uuid.UUID(owner_id), int(num_revoked or 0))
    if shown is None:
        raise NotFound("there is no such picture")
    document = shared_view(MindmapDocument.from_json(shown.data), "pages", shown.user_title)
    return await svg_response(document, layout, theme, LINK_HEADERS, palette=palette)


def _verified(state: AppState, token: str) -> tuple[_Kind, str]:
    """The kind and the subject of the link. Raises NotFound if it is forged or expired."""
    keys = state.settings.auth.signing_keys
    try:
        return _Kind.SESSION, verify_link(keys, _Kind.SESSION, token)
    except NotFound:
        return _Kind.JOINT_MAP, verify_link(keys, _Kind.JOINT_MAP, token)


async def _shown(db: AsyncSession, kind: _Kind, owner_id: uuid.UUID, num_revoked: int) -> ShownMap | None:
    """What the link leads to; None if it was revoked, the account is closed, or there is no map to show."""
    owner = BrowsingSession if kind is _Kind.SESSION else JointMap
    is_valid = await db.scalar(
        select(owner.id)
        .join(User, User.id == owner.user_id)
        .where(owner.id == owner_id, owner.picture_links_revoked == num_revoked, User.status == "active")
    )
    if is_valid is None:
        return None
    return await (shown_session(db, owner_id) if kind is _Kind.SESSION else shown_joint_map(db, owner_id))
