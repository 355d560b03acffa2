"""Generates maps over several sessions, with the rules and steps of session maps and the local provider.

A job may run any number of times for the same map: a version is written under the lock of its row, and unchanged input
is not generated again.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.joint_edits import save_joint_version
from cluster.maps.loader import input_digest
from cluster.maps.notifications import notify_joint_map
from cluster.maps.tasks import MapTasks
from cluster.mindmap.clustering.session_merging import merge_sessions
from cluster.mindmap.text.meaning import encoder_model
from cluster.providers.types import LOCAL_PROVIDER
from models.errors import IllegalTransition, JobFailed, NotFound, TooManyPages
from models.lifecycle.state import advance_joint_map, begin_joint_map, complete_joint_map, fail_joint_map
from models.mindmap.document import MindmapDocument
from models.mindmap.joint_map_store import JointMapSource, load_joint_map_source
from models.mindmap.validation import validate_document
from models.mindmap.versions import MapStatus
from models.recording.page_vectors import load_vectors
from models.recording.pages import CapturedPage
from models.recording.timeline_store import load_pages

log = structlog.get_logger("generation")

#: The largest number of pages that the pipeline is known to handle in time and memory.
MAX_PAGES = 2_000


class JointMapGenerator:
    """Generates and saves joint maps."""

    def __init__(self, pool: AsyncConnectionPool[Any], valkey: Redis, tasks: MapTasks) -> None:
        self._pool, self._valkey, self._tasks = pool, valkey, tasks

    async def generate(self, map_id: uuid.UUID) -> None:
        """Generate the map and save it. Returns without effect when the map is deleted.

        Raises JobFailed with a sentence for the user when the input cannot be mapped.
        """
        source = await self._begin(map_id)
        if source is None:
            return
        pages = await self._pages(source)
        digest = input_digest(pages, source.title, None)
        previous = MindmapDocument.from_json(source.document) if source.document is not None else None
        if previous is not None and digest == source.input_digest:
            await self._complete(map_id, previous, digest)
            return
        await self._notify(map_id, "generating", "reading", 5)
        features = await self._tasks.extract_features(pages, lambda _: None, await self._vectors(source))
        await self._advance(map_id, "grouping", 55)
        outline = await self._tasks.build_outline(features, source.title, None)
        await self._advance(map_id, "drawing", 80)
        document = await self._tasks.compose_document(
            outline, pages, provider=LOCAL_PROVIDER, title=source.title, previous=previous
        )
        problems = validate_document(document, pages)
        if problems:
            codes = sorted({problem.code for problem in problems})
            raise JobFailed(f"the map did not pass its checks ({', '.join(codes)})")
        await self._complete(map_id, document, digest)
        num_sessions = len(source.session_ids)
        log.info("joint_map_generated", map_id=str(map_id), num_sessions=num_sessions, num_pages=len(pages))

    async def _begin(self, map_id: uuid.UUID) -> JointMapSource | None:
        async with self._pool.connection() as connection, connection.transaction():
            try:
                await begin_joint_map(connection, map_id, stage="reading", percent=5)
            except NotFound:
                return None
            return await load_joint_map_source(connection, map_id)

    async def _pages(self, source: JointMapSource) -> list[CapturedPage]:
        if not source.session_ids:
            raise JobFailed("every session of this map was deleted")
        pages_of_sessions: list[list[CapturedPage]] = []
        for session_id in source.session_ids:
            # One session at a time, which bounds the memory of the driver for the texts of fifty sessions.
            async with self._pool.connection() as connection:
                _, session_pages = await load_pages(connection, session_id, source.user_id)
            pages_of_sessions.append(session_pages)
        pages = merge_sessions(pages_of_sessions)
        if len(pages) > MAX_PAGES:
            raise TooManyPages(len(pages), MAX_PAGES)
        return pages

    async def _vectors(self, source: JointMapSource) -> dict[str, dict[bytes, bytes]]:
        """The vectors that the maps of the sessions stored; others are computed and not stored."""
        async with self._pool.connection() as connection:
            return await load_vectors(connection, source.session_ids, encoder_model())

    async def _advance(self, map_id: uuid.UUID, stage: str, percent: int) -> None:
        async with self._pool.connection() as connection:
            # The map was invalidated or deleted meanwhile: `_complete` finds this too and drops the document.
            with contextlib.suppress(IllegalTransition, NotFound):
                await advance_joint_map(connection, map_id, stage, percent)
        await self._notify(map_id, "generating", stage, percent)

    async def _notify(self, map_id: uuid.UUID, status: str, stage: str | None, percent: int) -> None:
        event = {"status": status, "stage": stage, "percent": percent}
        await notify_joint_map(self._valkey, map_id, "mindmap", event)

    async def _complete(self, map_id: uuid.UUID, document: MindmapDocument, digest: str) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            try:
                await complete_joint_map(connection, map_id)
            except (IllegalTransition, NotFound):
                # A session of the map, or the map, was erased after its pages were read: they must not be saved.
                log.info("joint_map_discarded", map_id=str(map_id))
                return
            await save_joint_version(connection, map_id, document, digest)
        await self._notify(map_id, MapStatus.COMPLETED, None, 100)

    async def fail(self, map_id: uuid.UUID, reason: str) -> None:
        """Mark the map as failed; the user reads `reason` and may request the map again."""
        async with self._pool.connection() as connection:
            try:
                await fail_joint_map(connection, map_id, reason)
            except (IllegalTransition, NotFound) as error:
                log.info("map_failure_not_applied", map_id=str(map_id), reason=str(error))
                return
        # An earlier version stays completed: a watcher reads the map again to see which of the two it is.
        await self._notify(map_id, MapStatus.FAILED, None, 0)
