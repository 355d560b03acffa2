"""What a map over several sessions leads to: its image, exports, event stream, and the texts of its pages."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from cluster.maps.notifications import DELETED, joint_map_channel
from models.database import Connection
from models.errors import NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.joint_maps import JointMap, JointMapVersion
from models.recording.browsing_sessions import BrowsingSession
from models.recording.events import Visit
from models.recording.timeline_store import load_timeline
from models.schemas.exports import ExportFormat
from models.schemas.joint_maps import JointMapReply
from models.schemas.page_texts import PageTextReply
from serve.dependencies import CurrentIdentity, CurrentUserId, DbConnection, DbSession, State
from serve.map_image import (
    IMAGE_RESPONSES,
    ImageLayout,
    ImageSize,
    ImageTheme,
    svg_response,
    thumbnail_response,
)
from serve.routes.exports import (
    EXPORT_RESPONSES,
    ImageOptions,
    export_map,
    exported_document,
    file_response,
    pretty_json,
    timeline_csv,
)
from serve.routes.joint_maps import joint_map_reply, owned_joint_map
from serve.routes.page_texts import page_text
from serve.routes.streams import event_stream, map_snapshot
from serve.routes.usage import policy_of
from serve.state import AppState

router = APIRouter(prefix="/v1/maps/{map_id}", tags=["mindmaps"])


async def _map_with_document(
    db: AsyncSession, connection: Connection, map_id: str, user_id: uuid.UUID
) -> tuple[JointMapReply, MindmapDocument]:
    """The caller's map. Raises NotFound unless it has a document and all its sessions."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    if reply.data is None:
        raise NotFound("this map has no version yet")
    return reply, MindmapDocument.from_json(reply.data)


@router.get("/image", response_class=Response, responses=IMAGE_RESPONSES)
async def image_of_map(
    map_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    layout: ImageLayout = "radial",
    theme: ImageTheme = "light",
    size: ImageSize = "full",
) -> Response:
    """The map as an SVG image."""
    _, document = await _map_with_document(db, connection, map_id, user_id)
    if size == "thumbnail":
        return await thumbnail_response(document, theme)
    return await svg_response(document, layout, theme)


@router.get("/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export_joint_map(
    map_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    options: Annotated[ImageOptions, Depends()],
    format: Annotated[ExportFormat, Query()] = "markdown",
) -> Response:
    """The map as a file; CSV is the timeline of its sessions. 402 names the plan that includes the format."""
    reply, stored = await _map_with_document(db, connection, map_id, user_id)
    document = exported_document(state, stored)
    _, policy = await policy_of(state, db, user_id)
    policy.require_export(format)
    body: bytes | str
    if format == "csv":
        timelines = [await load_timeline(connection, uuid.UUID(session_id)) for session_id in reply.session_ids]
        body = await asyncio.to_thread(timeline_csv, timelines)
    elif format == "json":
        about = reply.model_dump(include={"id", "title", "session_ids", "since", "until", "created_at"}, mode="json")
        body = await asyncio.to_thread(lambda: pretty_json({"map": about, "mindmap": document.to_json()}))
    else:
        body = await export_map(state, db, user_id, format, document, options)
    return file_response(body, format, reply.title or document.title)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def stream_of_map(
    map_id: str,
    identity: CurrentIdentity,
    state: State,
    request: Request,
    follow: Annotated[bool, Query(description="Keep the stream open when the map is done, for edit events")] = False,
) -> StreamingResponse:
    """The progress and the edits of the map as server-sent events: first a snapshot, then every change.

    The stream ends when the map is completed or failed, unless `follow` is set, and when the login ends or the map is
    deleted. It may be cut at any time: reconnect, and the first event contains everything.
    """
    async with state.session_factory() as db:
        joint_map = await owned_joint_map(db, map_id, identity.user_id)
    watched = _WatchedJointMap(joint_map.id, identity.user_id)
    return await event_stream(state, request, watched, identity.family_id, follow=follow)


class _WatchedJointMap:
    def __init__(self, map_id: uuid.UUID, user_id: uuid.UUID) -> None:
        self.id, self.user_id, self.channel = map_id, user_id, joint_map_channel(map_id)

    async def snapshot(self, db: AsyncSession) -> dict[str, Any]:
        """See `Watched`."""
        row = (
            await db.execute(
                select(JointMap, JointMapVersion.edits_seq)
                .outerjoin(
                    JointMapVersion,
                    and_(JointMapVersion.map_id == JointMap.id, JointMapVersion.number == JointMap.current_version),
                )
                .where(JointMap.id == self.id)
                .options(defer(JointMap.data))
            )
        ).one_or_none()
        return {"mindmap": map_snapshot(*row)} if row is not None else {"status": DELETED}

    @staticmethod
    async def find_existing(db: AsyncSession, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """See `Watched`."""
        return set(await db.scalars(select(JointMap.id).where(JointMap.id.in_(ids))))

    def live_updates(self, state: AppState) -> AbstractAsyncContextManager[None]:
        """See `Watched`."""
        return nullcontext()


@router.get("/pages/{page_id}", response_model_exclude_none=True)
async def read_page_of_map(
    map_id: str, page_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> PageTextReply:
    """The captured text of a page, from the first of the sessions that has its text. 404 if none has the page."""
    reply = await joint_map_reply(db, connection, map_id, user_id)
    session = await db.scalar(
        select(BrowsingSession)
        .join(Visit, Visit.session_id == BrowsingSession.id)
        .where(
            Visit.session_id.in_([uuid.UUID(session_id) for session_id in reply.session_ids]),
            Visit.page_id == page_id,
        )
        .order_by(Visit.content_key.is_(None), BrowsingSession.started_at, Visit.ordinal)
        .limit(1)
    )
    if session is None:
        raise NotFound("no session of the map has such a page")
    return await page_text(connection, session, page_id)
