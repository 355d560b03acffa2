"""From several sessions to one map, by the rules and steps of every map, made by the local provider.

May be run any number of times: the row is written whole, and equal input is not made again.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from cluster.maps.generation import input_digest
from cluster.maps.tasks import MapTasks
from cluster.mindmap.clustering.session_merging import merge_sessions
from models.errors import IllegalTransition, JobFailed, NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.state import advance_joint_map, begin_joint_map, complete_joint_map, fail_joint_map
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from models.recording.timeline_store import load_pages

log = structlog.get_logger("generation")

#: What the pipeline is known to manage in time and memory.
MAX_PAGES = 2_000


class JointMapGenerator:
    """Makes and saves maps over several sessions."""

    def __init__(self, pool: AsyncConnectionPool[Any], tasks: MapTasks) -> None:
        self._pool, self._tasks = pool, tasks

    async def generate(self, map_id: uuid.UUID) -> None:
        """Make the map. Returns quietly when it was deleted. Raises JobFailed with a sentence for the user."""
        async with self._pool.connection() as connection, connection.transaction():
            try:
                await begin_joint_map(connection, map_id, stage="reading", percent=5)
            except NotFound:
                return
            cursor = await connection.execute(
                "SELECT user_id, title, input_digest, data FROM joint_maps WHERE id = %s", [map_id]
            )
            row = await cursor.fetchone()
            assert row is not None
            user_id, title, known_digest, data = row
            cursor = await connection.execute(
                "SELECT s.id FROM joint_map_sessions j JOIN browsing_sessions s ON s.id = j.session_id"
                " WHERE j.map_id = %s AND s.user_id = %s AND s.deleted_at IS NULL ORDER BY s.started_at, s.id",
                [map_id, user_id],
            )
            session_ids = [found[0] for found in await cursor.fetchall()]
        pages = await self._pages(session_ids, user_id)
        digest = input_digest(pages, title, None)
        if data is not None and digest == known_digest:
            await self._finish(map_id, MindmapDocument.from_json(data), digest)
            return
        features = await self._tasks.extract_features(pages, lambda _: None)
        await self._stage(map_id, "grouping", 55)
        outline = await self._tasks.build_outline(features, title, None)
        await self._stage(map_id, "drawing", 80)
        previous = MindmapDocument.from_json(data) if data is not None else None
        document = await self._tasks.compose_document(outline, pages, provider="local", title=title, previous=previous)
        problems = validate_document(document, pages)
        if problems:
            raise JobFailed(f"the map did not pass its checks ({', '.join(sorted({p.code for p in problems}))})")
        await self._finish(map_id, document, digest)
        log.info("joint_map_generated", map_id=str(map_id), num_sessions=len(session_ids), num_pages=len(pages))

    async def _pages(self, session_ids: list[uuid.UUID], user_id: uuid.UUID) -> list[CapturedPage]:
        if not session_ids:
            raise JobFailed("every session of this map was deleted")
        found: list[list[CapturedPage]] = []
        for session_id in session_ids:
            # One at a time: the texts of fifty sessions need not be on their way at once.
            async with self._pool.connection() as connection:
                found.append((await load_pages(connection, session_id, user_id))[1])
        pages = merge_sessions(found)
        if len(pages) > MAX_PAGES:
            raise JobFailed(f"these sessions have {len(pages)} pages; a map takes {MAX_PAGES}: choose fewer sessions")
        return pages

    async def _stage(self, map_id: uuid.UUID, stage: str, percent: int) -> None:
        async with self._pool.connection() as connection:
            with contextlib.suppress(IllegalTransition, NotFound):  # `_finish` finds the same and drops the document.
                await advance_joint_map(connection, map_id, stage, percent)

    async def _finish(self, map_id: uuid.UUID, document: MindmapDocument, digest: str) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            try:
                await complete_joint_map(connection, map_id)
            except (IllegalTransition, NotFound):
                # A session of the map, or the map, was erased since its pages were read: they must not be saved.
                log.info("joint_map_discarded", map_id=str(map_id))
                return
            await connection.execute(
                "UPDATE joint_maps SET data = %s, input_digest = %s, provider = %s WHERE id = %s",
                [Jsonb(document.to_json()), digest, document.provider, map_id],
            )

    async def fail(self, map_id: uuid.UUID, reason: str) -> None:
        """Give up: the user reads `reason` and may try again."""
        async with self._pool.connection() as connection:
            try:
                await fail_joint_map(connection, map_id, reason)
            except (IllegalTransition, NotFound) as error:
                log.info("map_failure_not_applied", map_id=str(map_id), reason=str(error))
