"""Server-sent events of one session: its status, the progress of its map, and the map that grows while it records."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Annotated, Any, Protocol

import msgspec
import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.live_maps import LiveMapUpdate
from cluster.maps.notifications import DELETED, session_channel
from models.mindmap.joint_maps import JointMap
from models.mindmap.versions import IS_CURRENT, MapStatus, Mindmap, MindmapVersion
from models.recording.browsing_sessions import OPEN_STATUSES, BrowsingSession, owned_session, parse_session_id
from serve.auth.authorization import authenticate
from serve.dependencies import CurrentIdentity, State
from serve.state import AppState
from serve.streams.notification_hub import Subscription
from serve.streams.stream_checks import OpenStream

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["mindmaps"])
#: Interval of keep-alive comments. A client that misses two of them tells its user that the server is unavailable.
KEEP_ALIVE_S = 5.0
log = structlog.get_logger("serve")


# FastAPI's own EventSourceResponse sets `Cache-Control: no-cache` and documents the stream in another form, so only its
# event format is used.
@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def stream(
    session_id: str,
    identity: CurrentIdentity,
    state: State,
    request: Request,
    live: Annotated[bool, Query(description="While recording, send the growing map as `map_delta` events")] = True,
    follow: Annotated[bool, Query(description="Keep the stream open when the map is done, for edit events")] = False,
) -> StreamingResponse:
    """The session as server-sent events: first a snapshot, then every change.

    While it records, `map_delta` events grow a map: the first holds all of it (`whole`), each later one the nodes and
    edges to put and to remove. The stream ends when the map is completed or failed, unless `follow` is set. It may be
    cut at any time (deployment of a new version, a proxy): reconnect, and the first events contain everything. It ends
    within seconds after the login ends or the session is deleted.
    """
    async with state.session_factory() as db:
        session = await owned_session(db, parse_session_id(session_id), identity.user_id)
    watched = _WatchedSession(session)
    return await event_stream(state, request, watched, identity.family_id, live=live, follow=follow)


async def event_stream(
    state: AppState,
    request: Request,
    watched: Watched,
    login_id: uuid.UUID | None,
    *,
    live: bool = False,
    follow: bool,
) -> StreamingResponse:
    """The events of what is watched, as a response. Raises RateLimited when the user has too many streams.

    `login_id` is the login that the request was made with, None for an API key.
    """
    stream = OpenStream(
        watched.user_id,
        watched.id,
        watched.find_existing,
        credentials=request.headers["authorization"],
        login_id=login_id,
        authenticate=partial(authenticate, state, request),
    )
    if state.rate_limiter.is_enabled:
        await state.open_streams.open(stream.user_id, stream.id)
    return StreamingResponse(
        _events(state, watched, stream, live=live, follow=follow),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


class Watched(Protocol):
    """What a stream is about: a session, or a map over several."""

    id: uuid.UUID
    user_id: uuid.UUID
    channel: str

    async def snapshot(self, db: AsyncSession) -> dict[str, Any]:
        """Its present state, as the first event."""
        ...

    @staticmethod
    async def find_existing(db: AsyncSession, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Those of the ids of this kind that are not deleted."""
        ...

    def live_updates(self, state: AppState) -> AbstractAsyncContextManager[AsyncIterator[LiveMapUpdate] | None]:
        """The updates of the map that grows while a session records; None where there is none."""
        ...


def _encode(event: str, data: Any) -> bytes:
    return format_sse_event(event=event, data_str=msgspec.json.encode(data).decode())


def map_snapshot(row: Mindmap | JointMap, edits_seq: int | None) -> dict[str, Any]:
    """The state of a map in a snapshot."""
    snapshot: dict[str, Any] = {"status": row.status, "stage": row.stage, "percent": row.percent}
    if edits_seq is not None:
        # With these a client that reconnects knows whether it missed an edit.
        snapshot |= {"version": row.current_version, "seq": edits_seq}
    return snapshot


class _WatchedSession:
    def __init__(self, session: BrowsingSession) -> None:
        self._session, self.channel = session, session_channel(session.id)
        self.id, self.user_id = session.id, session.user_id

    async def snapshot(self, db: AsyncSession) -> dict[str, Any]:
        """See `Watched`."""
        session = await db.get(BrowsingSession, self._session.id)
        row = (
            await db.execute(
                select(Mindmap, MindmapVersion.edits_seq)
                .outerjoin(MindmapVersion, IS_CURRENT)
                .where(Mindmap.session_id == self._session.id)
            )
        ).one_or_none()
        snapshot: dict[str, Any] = {"session_status": session.status if session else DELETED}
        if row is not None:
            snapshot["mindmap"] = map_snapshot(*row)
        return snapshot

    @staticmethod
    async def find_existing(db: AsyncSession, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """See `Watched`."""
        session_ids = select(BrowsingSession.id)
        is_kept = BrowsingSession.deleted_at.is_(None)
        return set(await db.scalars(session_ids.where(BrowsingSession.id.in_(ids), is_kept)))

    def live_updates(self, state: AppState) -> AbstractAsyncContextManager[AsyncIterator[LiveMapUpdate] | None]:
        """See `Watched`."""
        session = self._session
        title = session.title if session.title_source == "user" else None
        return state.live_maps.watch(session.id, session.user_id, title)


def _is_final(data: dict[str, Any]) -> bool:
    """Whether a snapshot or a `mindmap` event says that the map is completed or failed."""
    status = data.get("mindmap", data).get("status")
    return status in {MapStatus.COMPLETED, MapStatus.FAILED} and data.get("session_status") not in OPEN_STATUSES


async def _stop_counting(state: AppState, stream: OpenStream) -> None:
    try:
        await state.open_streams.close(stream.user_id, stream.id)
    except (RedisError, OSError) as error:
        log.warning("valkey_unreachable", operation="streams", error=type(error).__name__)


async def _events(
    state: AppState, watched: Watched, stream: OpenStream, *, live: bool, follow: bool
) -> AsyncIterator[bytes]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop_counting, state, stream)
        # Subscribe before reading the snapshot: a change in between is sent twice rather than lost.
        notifications = await stack.enter_async_context(state.notifications.subscribe(watched.channel))
        stream.end = notifications.lose
        async with state.session_factory() as db:
            snapshot = {**await watched.snapshot(db), "keep_alive_s": KEEP_ALIVE_S}
        yield _encode("snapshot", snapshot)
        if _is_final(snapshot) and not follow:
            return
        stack.enter_context(state.stream_checks.include(stream))
        updates = None
        if live and snapshot.get("session_status") in OPEN_STATUSES:
            updates = await stack.enter_async_context(watched.live_updates(state))
        merger = _EventMerger(notifications, updates)
        stack.push_async_callback(merger.cancel)
        async for item in merger:
            if item is None:
                yield KEEPALIVE_COMMENT
                continue
            event, data = item
            if DELETED in (data.get("session_status"), data.get("status")) or not await stream.is_permitted():
                return
            yield _encode(event, data)
            if event == "mindmap" and _is_final(data) and not follow:
                return


class _EventMerger:
    """Merges notifications and live map updates in the order they arrive; yields None after `KEEP_ALIVE_S` without any.

    Ends when the subscription has ended.
    """

    def __init__(self, notifications: Subscription, updates: AsyncIterator[LiveMapUpdate] | None) -> None:
        self._notifications, self._updates = notifications, updates
        self._next_notification: asyncio.Task[bytes | None] | None = None
        self._next_update: asyncio.Task[LiveMapUpdate] | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
        while True:
            if self._next_notification is None:
                self._next_notification = asyncio.ensure_future(self._notifications.get())
            if self._next_update is None and self._updates is not None:
                self._next_update = asyncio.ensure_future(anext(self._updates))
            tasks = [task for task in (self._next_update, self._next_notification) if task is not None]
            done, _ = await asyncio.wait(tasks, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                yield None
            if self._next_update is not None and self._next_update.done():
                update, self._next_update = self._next_update.result(), None
                yield "map_delta", update.to_json()
            if self._next_notification is not None and self._next_notification.done():
                data, self._next_notification = self._next_notification.result(), None
                if data is None:
                    return
                notification = msgspec.json.decode(data)
                if notification["event"] == "session":
                    await self._stop_updates_after(notification["data"].get("session_status"))
                yield notification["event"], notification["data"]

    async def _stop_updates_after(self, status: str | None) -> None:
        if status not in OPEN_STATUSES and self._updates is not None:
            self._updates = None
            await self.cancel()

    async def cancel(self) -> None:
        """Cancel the pending reads."""
        tasks = [task for task in (self._next_update, self._next_notification) if task is not None]
        self._next_update = self._next_notification = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
