"""What happens to a session, told as it happens: server-sent events."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from redis.asyncio.client import PubSub
from sqlalchemy import select

from cluster.maps.live_maps import LiveMapUpdate
from cluster.maps.notifications import session_channel
from models.mindmap.versions import MapStatus, Mindmap
from models.recording.browsing_sessions import OPEN_STATUSES, BrowsingSession, owned_session, parse_session_id
from serve.dependencies import CurrentUserId, State
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["mindmaps"])
KEEP_ALIVE_S = 15.0


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
    follow: Annotated[bool, Query(description="Stay when the map is done, for news of edits")] = False,
) -> StreamingResponse:
    """What happens to the session as server-sent events: first how it stands, then every change.

    While it records, `map_delta` events grow a map: the first holds all of it (`whole`), each other one the nodes
    and edges to put and to remove. Ends when the map is done or failed, unless `follow` is set. Streams may be cut at
    any time (a new version of the server, a proxy): connect again, the first events tell everything.
    """
    async with state.session_factory() as db:
        owned = await owned_session(db, parse_session_id(session_id), user_id)
    return StreamingResponse(
        _events(state, owned, live=live, follow=follow),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _frame(event: str, data: Any) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


async def _snapshot(state: AppState, session_id: uuid.UUID) -> dict[str, Any]:
    async with state.session_factory() as db:
        owned = await db.get(BrowsingSession, session_id)
        found = await db.scalar(select(Mindmap).where(Mindmap.session_id == session_id))
    news: dict[str, Any] = {"session_status": owned.status if owned else "deleted"}
    if found is not None:
        news["mindmap"] = {"status": found.status, "stage": found.stage, "percent": found.percent}
    return news


def _is_over(news: dict[str, Any]) -> bool:
    status = news.get("mindmap", news).get("status")
    return status in {MapStatus.COMPLETED, MapStatus.FAILED} and news.get("session_status") not in {
        "recording",
        "paused",
    }


async def _events(state: AppState, session: BrowsingSession, *, live: bool, follow: bool) -> AsyncIterator[bytes]:
    async with AsyncExitStack() as stack:
        news = await stack.enter_async_context(state.valkey.pubsub())
        # Listen first, then look: what happens in between is told twice rather than never.
        await news.subscribe(session_channel(session.id))
        first = await _snapshot(state, session.id)
        yield _frame("snapshot", first)
        if _is_over(first) and not follow:
            return
        frames = None
        if live and first["session_status"] in OPEN_STATUSES:
            title = session.title if session.title_source == "user" else None
            frames = await stack.enter_async_context(state.live_maps.watch(session.id, session.user_id, title))
        waiting = _EventMerger(news, frames)
        stack.push_async_callback(waiting.cancel)
        async for told in waiting:
            yield _frame(*told) if told is not None else b": still here\n\n"
            if told is not None and told[0] == "mindmap" and _is_over(told[1]) and not follow:
                return


class _EventMerger:
    """News and frames of the live map, whichever comes first; None when nothing came for a while."""

    def __init__(self, news: PubSub, frames: AsyncIterator[LiveMapUpdate] | None) -> None:
        self._news, self._frames = news, frames
        self._next_news: asyncio.Task[Any] | None = None
        self._next_frame: asyncio.Task[LiveMapUpdate] | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
        while True:
            if self._next_news is None:
                asked = self._news.get_message(ignore_subscribe_messages=True, timeout=KEEP_ALIVE_S)
                self._next_news = asyncio.ensure_future(asked)
            if self._next_frame is None and self._frames is not None:
                self._next_frame = asyncio.ensure_future(anext(self._frames))
            tasks = [task for task in (self._next_frame, self._next_news) if task is not None]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._next_frame is not None and self._next_frame.done():
                frame, self._next_frame = self._next_frame.result(), None
                yield "map_delta", frame.to_json()
            if self._next_news.done():
                message, self._next_news = self._next_news.result(), None
                told = msgspec.json.decode(message["data"]) if message is not None else None
                if told is not None and told["event"] == "session":
                    await self._stop_frames_after(told["data"].get("session_status"))
                yield (told["event"], told["data"]) if told is not None else None

    async def _stop_frames_after(self, status: str | None) -> None:
        if status not in OPEN_STATUSES and self._frames is not None:
            self._frames = None
            await self.cancel()

    async def cancel(self) -> None:
        """Wait for nothing any more."""
        tasks = [task for task in (self._next_frame, self._next_news) if task is not None]
        self._next_frame = self._next_news = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
