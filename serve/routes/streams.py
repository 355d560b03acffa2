"""Server-sent events of one session: its status, the progress of its map, and the map that grows while it records."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from redis.asyncio.client import PubSub
from sqlalchemy import select

from cluster.maps.live_maps import LiveMapUpdate
from cluster.maps.notifications import session_channel
from models.mindmap.versions import MapStatus, Mindmap
from models.recording.browsing_sessions import OPEN_STATUSES, BrowsingSession, owned_session, parse_session_id
from serve.dependencies import CurrentUserId, State
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["mindmaps"])
#: Interval of keep-alive comments. A client that misses two of them tells its user that the server is unavailable.
KEEP_ALIVE_S = 5.0


# FastAPI's own EventSourceResponse sets `Cache-Control: no-cache` and documents the stream in another form, so only its
# event format is used.
@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def stream(
    session_id: str,
    user_id: CurrentUserId,
    state: State,
    live: Annotated[bool, Query(description="While recording, send the growing map as `map_delta` events")] = True,
    follow: Annotated[bool, Query(description="Keep the stream open when the map is done, for edit events")] = False,
) -> StreamingResponse:
    """The session as server-sent events: first a snapshot, then every change.

    While it records, `map_delta` events grow a map: the first holds all of it (`whole`), each later one the nodes and
    edges to put and to remove. The stream ends when the map is completed or failed, unless `follow` is set. It may be
    cut at any time (deployment of a new version, a proxy): reconnect, and the first events contain everything.
    """
    async with state.session_factory() as db:
        session = await owned_session(db, parse_session_id(session_id), user_id)
    return StreamingResponse(
        _events(state, session, live=live, follow=follow),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _encode(event: str, data: Any) -> bytes:
    return format_sse_event(event=event, data_str=msgspec.json.encode(data).decode())


async def _snapshot(state: AppState, session_id: uuid.UUID) -> dict[str, Any]:
    async with state.session_factory() as db:
        session = await db.get(BrowsingSession, session_id)
        mindmap = await db.scalar(select(Mindmap).where(Mindmap.session_id == session_id))
    snapshot: dict[str, Any] = {
        "session_status": session.status if session else "deleted",
        "keep_alive_s": KEEP_ALIVE_S,
    }
    if mindmap is not None:
        snapshot["mindmap"] = {"status": mindmap.status, "stage": mindmap.stage, "percent": mindmap.percent}
    return snapshot


def _is_final(data: dict[str, Any]) -> bool:
    """Whether a snapshot or a `mindmap` event says that the map is completed or failed."""
    status = data.get("mindmap", data).get("status")
    return status in {MapStatus.COMPLETED, MapStatus.FAILED} and data.get("session_status") not in OPEN_STATUSES


async def _events(state: AppState, session: BrowsingSession, *, live: bool, follow: bool) -> AsyncIterator[bytes]:
    async with AsyncExitStack() as stack:
        notifications = await stack.enter_async_context(state.valkey.pubsub())
        # Subscribe before reading the snapshot: a change in between is sent twice rather than lost.
        await notifications.subscribe(session_channel(session.id))
        snapshot = await _snapshot(state, session.id)
        yield _encode("snapshot", snapshot)
        if _is_final(snapshot) and not follow:
            return
        updates = None
        if live and snapshot["session_status"] in OPEN_STATUSES:
            title = session.title if session.title_source == "user" else None
            updates = await stack.enter_async_context(state.live_maps.watch(session.id, session.user_id, title))
        merger = _EventMerger(notifications, updates)
        stack.push_async_callback(merger.cancel)
        async for item in merger:
            if item is None:
                yield KEEPALIVE_COMMENT
                continue
            event, data = item
            yield _encode(event, data)
            if event == "mindmap" and _is_final(data) and not follow:
                return


class _EventMerger:
    """Merges notifications and live map updates in the order they arrive; yields None after a quiet interval."""

    def __init__(self, notifications: PubSub, updates: AsyncIterator[LiveMapUpdate] | None) -> None:
        self._notifications, self._updates = notifications, updates
        self._next_notification: asyncio.Task[Any] | None = None
        self._next_update: asyncio.Task[LiveMapUpdate] | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
        while True:
            if self._next_notification is None:
                next_message = self._notifications.get_message(ignore_subscribe_messages=True, timeout=KEEP_ALIVE_S)
                self._next_notification = asyncio.ensure_future(next_message)
            if self._next_update is None and self._updates is not None:
                self._next_update = asyncio.ensure_future(anext(self._updates))
            tasks = [task for task in (self._next_update, self._next_notification) if task is not None]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._next_update is not None and self._next_update.done():
                update, self._next_update = self._next_update.result(), None
                yield "map_delta", update.to_json()
            if self._next_notification.done():
                message, self._next_notification = self._next_notification.result(), None
                if message is None:
                    yield None
                    continue
                notification = msgspec.json.decode(message["data"])
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
