"""Live maps: the map of a recording, updated while it is watched.

A live map lives in the process that streams it, only while it is watched; the events route does no work for it. Twice
a second one query reads the new events of the watched recordings. Their pages are placed in a thread, and the slow
regrouping of a long session runs beside it. Two processes may each keep a live map of the same recording. They share
ids and positions through a cache in Valkey, which keeps the last map of a recording for the next watcher and for the
first generated version. A restart loses nothing: the map is built again from the events.
"""

from __future__ import annotations

import asyncio
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from psycopg import Error as PostgresError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from cluster.mindmap.live.live_map import LiveMap, MapDelta, delta_between, regroup
from models.database import Connection
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage
from models.recording.same_pages import reconcile
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline, captured_pages
from models.recording.timeline_store import load_contents, load_events, load_recent_events, load_span

log = structlog.get_logger("live")

#: The interval between two reads of new events.
POLL_S = 0.5
#: Events are committed after `received_at`, so each read covers this time again; known events are found by their keys.
_READ_OVERLAP = timedelta(seconds=20)
#: At this size a further page takes about half a second; the generated map has all pages.
MAX_PAGES = 800
#: Live maps in one process.
MAX_MAPS = 50
#: How long Valkey keeps the last map of a recording.
CACHE_TTL_S = 15 * 60

Connect = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(slots=True)
class _WatchedRecording:
    """One watched recording.

    `ready` is set when the map has been built once. `changed` is set, and replaced, at every change of the map.
    `map_lock` is held while a thread works on the map.
    """

    session_id: uuid.UUID
    user_id: uuid.UUID
    live: LiveMap
    num_watchers: int = 0
    events: dict[str, TimelineEvent] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    pages: dict[str, CapturedPage] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    next_update_at: float = 0.0
    map_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    regrouping: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class LiveMapUpdate:
    """What a watcher receives: first a snapshot, as a delta from the empty map, then deltas."""

    delta: MapDelta
    is_snapshot: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.delta.to_json(), "whole": self.is_snapshot}


class LiveMaps:
    """The live maps of one process. `connect` opens a database connection for the time of a block."""

    def __init__(self, connect: Connect, valkey: Redis, *, poll_s: float = POLL_S) -> None:
        self._connect, self._valkey, self._poll_s = connect, valkey, poll_s
        self._watched: dict[uuid.UUID, _WatchedRecording] = {}
        self._poller: asyncio.Task[None] | None = None

    @property
    def num_watched(self) -> int:
        """Recordings that are watched in this process."""
        return len(self._watched)

    @asynccontextmanager
    async def watch(
        self, session_id: uuid.UUID, user_id: uuid.UUID, title: str | None = None
    ) -> AsyncIterator[AsyncIterator[LiveMapUpdate] | None]:
        """The updates of a recording's live map inside the block; None when `MAX_MAPS` recordings are watched.

        Does not check who owns the recording.
        """
        recording = self._watched.get(session_id)
        if recording is None:
            if len(self._watched) >= MAX_MAPS:
                yield None
                return
            recording = self._watched[session_id] = _WatchedRecording(session_id, user_id, LiveMap(title=title))
        recording.num_watchers += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield self._updates(recording)
        finally:
            recording.num_watchers -= 1
            if recording.num_watchers == 0:
                self._watched.pop(session_id, None)
                if recording.regrouping is not None:
                    recording.regrouping.cancel()
            if not self._watched and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    async def close(self) -> None:
        """Stop all background tasks."""
        running = [task for task in (self._poller, *(r.regrouping for r in self._watched.values())) if task is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _updates(self, recording: _WatchedRecording) -> AsyncIterator[LiveMapUpdate]:
        await recording.ready.wait()
        sent: MindmapDocument | None = None
        while True:
            changed, current = recording.changed, recording.live.document
            if sent is None or current is not sent:
                # A delta from what this watcher has: a slow watcher skips steps and still gets the same map.
                yield LiveMapUpdate(delta_between(sent, current), sent is None)
                sent = current
            await changed.wait()

    async def _poll(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._update_due()
            except (PostgresError, SQLAlchemyError, OSError) as error:
                log.warning("live_map_poll_failed", error=type(error).__name__)
            await asyncio.sleep(max(0.0, self._poll_s - (time.monotonic() - began)))

    async def _update_due(self) -> None:
        """Update every watched map whose next update is due."""
        now = time.monotonic()
        due = [r for r in self._watched.values() if r.next_update_at <= now]
        ready_ids = [recording.session_id for recording in due if recording.ready.is_set()]
        async with self._connect() as connection:
            recent = await load_recent_events(connection, ready_ids, _READ_OVERLAP) if ready_ids else {}
            for recording in due:
                if not recording.ready.is_set():
                    await self._begin(connection, recording)
                    continue
                events = recent.get(recording.session_id, [])
                new_events = {event.key: event for event in events if event.key not in recording.events}
                if new_events:
                    recording.events.update(new_events)
                    await self._place_pages(connection, recording)

    async def _begin(self, connection: Connection, recording: _WatchedRecording) -> None:
        cached = await load_cached_map(self._valkey, recording.session_id)
        if cached is not None:
            # Nodes keep the ids and positions that a watcher may still have on the screen.
            recording.live.document = cached
        recording.events = {event.key: event for event in await load_events(connection, recording.session_id)}
        await self._place_pages(connection, recording)
        recording.ready.set()

    async def _place_pages(self, connection: Connection, recording: _WatchedRecording) -> None:
        span = await load_span(connection, recording.session_id)
        content_keys = {event.content_key for event in recording.events.values() if event.content_key}
        missing = content_keys - recording.texts.keys()
        if missing:
            recording.texts |= await load_contents(connection, recording.user_id, sorted(missing))
        began = time.monotonic()
        async with recording.map_lock:
            if not await asyncio.to_thread(_place_changed_pages, recording, span):
                return
        # Placing pages takes at most half of this process's time, however large the map is.
        recording.next_update_at = time.monotonic() + (time.monotonic() - began)
        await self._publish_change(recording)
        if recording.live.needs_regrouping and (recording.regrouping is None or recording.regrouping.done()):
            recording.regrouping = asyncio.create_task(self._regroup(recording))

    async def _publish_change(self, recording: _WatchedRecording) -> None:
        changed, recording.changed = recording.changed, asyncio.Event()
        changed.set()
        await cache_map(self._valkey, recording.session_id, recording.live.document)

    async def _regroup(self, recording: _WatchedRecording) -> None:
        """Group all pages again; meanwhile new pages are placed in the old groups."""
        live = recording.live
        async with recording.map_lock:
            pages = live.features()
        regrouping = await asyncio.to_thread(regroup, pages, live.title, live.language)
        async with recording.map_lock:
            await asyncio.to_thread(live.apply_regrouping, regrouping)
        await self._publish_change(recording)


def _place_changed_pages(recording: _WatchedRecording, span: SessionSpan) -> bool:
    """Place the pages that are new or have changed; whether there were any."""
    timeline = reconcile(build_timeline(recording.events.values(), span), recording.texts)
    pages = captured_pages(timeline, recording.texts)[:MAX_PAGES]
    changed = [page for page in pages if recording.pages.get(page.page_id) != page]
    if not changed:
        return False
    recording.live.place_pages(changed)
    recording.pages.update({page.page_id: page for page in changed})
    return True


def _cache_key(session_id: uuid.UUID) -> str:
    return f"trailmind:live:{session_id}"


async def cache_map(valkey: Redis, session_id: uuid.UUID, document: MindmapDocument) -> None:
    """Keep the live map of a recording for `CACHE_TTL_S`. While Valkey is unavailable, the failure is only logged."""
    packed = await asyncio.to_thread(lambda: zlib.compress(msgspec.json.encode(document.to_json()), 1))
    try:
        await valkey.set(_cache_key(session_id), packed, ex=CACHE_TTL_S)
    except (RedisError, OSError) as error:
        log.warning("live_map_cache_write_failed", error=type(error).__name__)


async def forget_cached_map(valkey: Redis, session_id: uuid.UUID) -> None:
    """Delete the cached map. While Valkey is unavailable, the entry ends with its time."""
    try:
        await valkey.delete(_cache_key(session_id))
    except (RedisError, OSError) as error:
        log.warning("live_map_cache_delete_failed", error=type(error).__name__)


async def load_cached_map(valkey: Redis, session_id: uuid.UUID) -> MindmapDocument | None:
    """The cached live map of a recording; None when there is none or Valkey is unavailable."""
    try:
        packed: Any = await valkey.get(_cache_key(session_id))
        return MindmapDocument.from_json(msgspec.json.decode(zlib.decompress(packed))) if packed else None
    except (RedisError, OSError, ValueError, zlib.error) as error:
        log.warning("live_map_cache_read_failed", error=type(error).__name__)
        return None
