"""Reports the progress of one map generation: in the map's row, and as events to the watchers of the session.

The map does not wait for its own progress: a stage is recorded while the work of that stage is done.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.notifications import notify
from models.errors import IllegalTransition, NotFound
from models.lifecycle.state import advance_map, begin_map

#: At most five events a second while pages are read: each is a message to every watcher.
_MIN_INTERVAL_S = 0.2


class Progress(Protocol):
    """What the pipeline reports while it works."""

    async def begin(self) -> None:
        """The work begins. Raises NotFound when the session was erased."""
        ...

    async def advance(self, stage: str, percent: int, **facts: Any) -> None:
        """A stage is reached."""
        ...

    def report_pages(self, num_read: int) -> None:
        """So many pages are read."""
        ...


class SilentProgress:
    """Reports nothing: the user of a map that is made for a regeneration run does not wait for it."""

    async def begin(self) -> None:
        """See Progress."""

    async def advance(self, stage: str, percent: int, **facts: Any) -> None:
        """See Progress."""

    def report_pages(self, num_read: int) -> None:
        """See Progress."""


class ProgressReporter:
    """The progress of one generation of a session's map."""

    def __init__(self, pool: AsyncConnectionPool[Any], valkey: Redis, session_id: uuid.UUID, num_pages: int) -> None:
        self._pool, self._valkey, self._session_id, self._num_pages = pool, valkey, session_id, num_pages
        self._last_event_at = 0.0
        self._publishing: set[asyncio.Task[None]] = set()
        self._recording: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Set the map to `generating`. Raises NotFound when the session was erased."""
        async with self._pool.connection() as connection:
            await begin_map(connection, self._session_id, stage="reading", percent=5)
        await self._notify("reading", 5, pages_read=0)

    async def advance(self, stage: str, percent: int, **facts: Any) -> None:
        """Record a stage, after those before it, while the work goes on.

        No effect when another worker has finished the map, or the session was erased.
        """
        self._recording = asyncio.ensure_future(self._record(self._recording, stage, percent, facts))

    async def recorded(self) -> None:
        """Return when every stage is recorded and published. Raises what the writing of one raised."""
        if self._recording is not None:
            await self._recording

    async def _record(
        self, before: asyncio.Task[None] | None, stage: str, percent: int, facts: Mapping[str, Any]
    ) -> None:
        if before is not None:
            await before
        async with self._pool.connection() as connection:
            try:
                await advance_map(connection, self._session_id, stage, percent)
            except (IllegalTransition, NotFound):
                return
        await self._notify(stage, percent, **facts)

    def report_pages(self, num_read: int) -> None:
        """Publish how many pages are read, without waiting; intermediate counts may be skipped."""
        now = time.monotonic()
        if num_read < self._num_pages and now - self._last_event_at < _MIN_INTERVAL_S:
            return
        self._last_event_at = now
        percent = 5 + 45 * num_read // max(self._num_pages, 1)
        task = asyncio.ensure_future(self._notify("reading", percent, pages_read=num_read))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _notify(self, stage: str, percent: int, **facts: Any) -> None:
        event = {
            "status": "generating",
            "stage": stage,
            "percent": percent,
            "pages_total": self._num_pages,
            **facts,
        }
        await notify(self._valkey, self._session_id, "mindmap", event)
