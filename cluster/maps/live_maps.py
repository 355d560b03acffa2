"""The maps of recordings somebody is watching, growing page by page.

A live map lives in the process that streams it, and only while somebody watches: the events route knows nothing of it
and does nothing for it. Twice a second one query asks which of the watched recordings have new events; their pages
are then placed in a thread, and the slow grouping of a long session goes on beside it. Two processes may each keep a
map of the same recording; what they agree on (ids, places) is passed on through Valkey, where the last map of a
recording waits a while for the next watcher, and for the map that is made at Stop. A restart loses nothing: the map is
placed anew from the events.
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
from psycopg import AsyncConnection
from psycopg import Error as PostgresError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from cluster.mindmap.live.live_map import LiveMap, MapDelta, delta_between, regroup
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage
from models.recording.timeline import TimelineEvent, build_timeline, captured_pages
from models.recording.timeline_store import decode_event, load_contents, load_span

log = structlog.get_logger("live")

#: New events are looked for this often.
POLL_S = 0.5
#: Events are committed a little after they are received: look back this far, and know each by its key.
_OVERLAP = timedelta(seconds=20)
#: A page more costs about half a second by then; the map made at Stop takes them all.
MAX_PAGES = 800
#: Recordings one process keeps live maps of.
MAX_MAPS = 50
#: The last map of a recording is remembered this long.
CACHE_TTL_S = 15 * 60

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]


@dataclass(slots=True)
class _WatchedRecording:
    """One watched recording. `changed` is replaced whenever the map has changed."""

    session_id: uuid.UUID
    user_id: uuid.UUID
    live: LiveMap
    num_watchers: int = 0
    events: dict[str, TimelineEvent] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    pages: dict[str, CapturedPage] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    rest_until: float = 0.0
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)
    regrouping: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class LiveMapUpdate:
    """What a watcher is sent: a delta, or, first of all, the whole map as a delta from nothing."""

    delta: MapDelta
    is_snapshot: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.delta.to_json(), "whole": self.is_snapshot}


class LiveMaps:
    """The live maps of one process. `connect` opens a database connection for a moment."""

    def __init__(self, connect: Connect, valkey: Redis, *, poll_s: float = POLL_S) -> None:
        self._connect, self._valkey, self._poll_s = connect, valkey, poll_s
        self._watched: dict[uuid.UUID, _WatchedRecording] = {}
        self._poller: asyncio.Task[None] | None = None

    @property
    def num_watched(self) -> int:
        """Recordings somebody watches here."""
        return len(self._watched)

    @asynccontextmanager
    async def watch(
        self, session_id: uuid.UUID, user_id: uuid.UUID, title: str | None = None
    ) -> AsyncIterator[AsyncIterator[LiveMapUpdate] | None]:
        """The frames of a recording's map while the block lasts; None when too many are watched here already.

        Does not check whose recording it is.
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
            yield self._frames(recording)
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
        """Stop looking for news."""
        running = [task for task in (self._poller, *(r.regrouping for r in self._watched.values())) if task is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _frames(self, recording: _WatchedRecording) -> AsyncIterator[LiveMapUpdate]:
        await recording.ready.wait()
        sent: MindmapDocument | None = None
        while True:
            changed, current = recording.changed, recording.live.document
            if sent is None or current is not sent:
                # From what this watcher has: one that is slow skips steps and still ends up with the same map.
                yield LiveMapUpdate(delta_between(sent, current), sent is None)
                sent = current
            await changed.wait()

    async def _poll(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._look()
            except (PostgresError, SQLAlchemyError, OSError) as error:
                log.warning("live_map_poll_failed", error=type(error).__name__)
            await asyncio.sleep(max(0.0, self._poll_s - (time.monotonic() - began)))

    async def _look(self) -> None:
        """Bring every watched map up to date that is not resting."""
        now = time.monotonic()
        due = [r for r in self._watched.values() if r.rest_until <= now]
        known = [recording for recording in due if recording.ready.is_set()]
        async with self._connect() as connection:
            news = await _new_events(connection, known) if known else {}
            for recording in due:
                if not recording.ready.is_set():
                    await self._begin(connection, recording)
                elif fresh := [e for e in news.get(recording.session_id, []) if e.key not in recording.events]:
                    recording.events.update({event.key: event for event in fresh})
                    await self._place(connection, recording)

    async def _begin(self, connection: AsyncConnection[Any], recording: _WatchedRecording) -> None:
        remembered = await load_cached_map(self._valkey, recording.session_id)
        if remembered is not None:
            # Ids and places are kept from what somebody may still have on the screen.
            recording.live.document = remembered
        cursor = await connection.execute(_ALL, [recording.session_id])
        recording.events = {e.key: e for e in (decode_event(*row) for row in await cursor.fetchall())}
        await self._place(connection, recording)
        recording.ready.set()

    async def _place(self, connection: AsyncConnection[Any], recording: _WatchedRecording) -> None:
        span = await load_span(connection, recording.session_id)
        wanted = {e.content_key for e in recording.events.values() if e.content_key} - recording.texts.keys()
        if wanted:
            recording.texts |= await load_contents(connection, recording.user_id, sorted(wanted))
        began = time.monotonic()
        async with recording.drawing:
            if not await asyncio.to_thread(_grow, recording, span):
                return
        # Placing may take no more than half of this process's time, however large the maps are.
        recording.rest_until = time.monotonic() + (time.monotonic() - began)
        await self._tell(recording)
        if recording.live.needs_regrouping and (recording.regrouping is None or recording.regrouping.done()):
            recording.regrouping = asyncio.create_task(self._regroup(recording))

    async def _tell(self, recording: _WatchedRecording) -> None:
        changed, recording.changed = recording.changed, asyncio.Event()
        changed.set()
        await cache_map(self._valkey, recording.session_id, recording.live.document)

    async def _regroup(self, recording: _WatchedRecording) -> None:
        """Group a recording anew while its next pages are still placed in the old groups."""
        live = recording.live
        async with recording.drawing:
            pages = live.features()
        found = await asyncio.to_thread(regroup, pages, live.title, live.language)
        async with recording.drawing:
            await asyncio.to_thread(live.apply_regrouping, found)
        await self._tell(recording)


def _grow(recording: _WatchedRecording, span: Any) -> bool:
    """Place what is new or different; False when nothing is."""
    line = build_timeline(recording.events.values(), span)
    current = captured_pages(line, recording.texts)[:MAX_PAGES]
    changed = [page for page in current if recording.pages.get(page.page_id) != page]
    if not changed:
        return False
    recording.live.place_pages(changed)
    recording.pages.update({page.page_id: page for page in changed})
    return True


_COLUMNS = "event_key, type, occurred_at, received_at, payload, seq, content_key"
_ALL = f"SELECT {_COLUMNS} FROM events WHERE session_id = %s"
_LATEST = f"SELECT session_id, {_COLUMNS} FROM events WHERE session_id = ANY(%s) AND received_at > now() - %s"


async def _new_events(
    connection: AsyncConnection[Any], recordings: list[_WatchedRecording]
) -> dict[uuid.UUID, list[TimelineEvent]]:
    cursor = await connection.execute(_LATEST, [[r.session_id for r in recordings], _OVERLAP])
    found: dict[uuid.UUID, list[TimelineEvent]] = {}
    for session_id, *row in await cursor.fetchall():
        found.setdefault(session_id, []).append(decode_event(*row))
    return found


def _key(session_id: uuid.UUID) -> str:
    return f"trailmind:live:{session_id}"


async def cache_map(valkey: Redis, session_id: uuid.UUID, document: MindmapDocument) -> None:
    """Keep the last live map of a recording for a while."""
    packed = await asyncio.to_thread(lambda: zlib.compress(msgspec.json.encode(document.to_json()), 1))
    try:
        await valkey.set(_key(session_id), packed, ex=CACHE_TTL_S)
    except (RedisError, OSError) as error:
        log.warning("live_map_cache_write_failed", error=type(error).__name__)


async def load_cached_map(valkey: Redis, session_id: uuid.UUID) -> MindmapDocument | None:
    """The last live map of a recording, if anybody watched it lately."""
    try:
        packed: Any = await valkey.get(_key(session_id))
        return MindmapDocument.from_json(msgspec.json.decode(zlib.decompress(packed))) if packed else None
    except (RedisError, OSError, ValueError, zlib.error) as error:
        log.warning("live_map_cache_read_failed", error=type(error).__name__)
        return None
