"""From a stopped session to a saved map.

May be run any number of times for the same session, also by two workers at once: a version is written under the
map's row lock, and input that already has its version is not made again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.edits import EditedDocument, replay_saved_edits, topic_keywords
from cluster.maps.live_maps import load_cached_map
from cluster.maps.notifications import notify
from cluster.maps.tasks import MapTasks
from cluster.mindmap.outline.types import Outline
from cluster.providers.enricher import Enricher, EnrichResult
from cluster.providers.types import LOCAL_PROVIDER, SessionGone
from models.billing.ledger import OutOfTokens
from models.errors import IllegalTransition, JobFailed, NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.state import advance_map, begin_map, complete_map, fail_map
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from models.recording.timeline_store import load_pages
from telemetry.metrics import MAP_PAGES, MAP_SECONDS, MAPS_FINISHED

log = structlog.get_logger("generation")

#: Raised whenever the same input may give another map.
PIPELINE_VERSION = 2


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What a job asks for."""

    session_id: uuid.UUID
    force: bool = False
    is_interactive: bool = True


@dataclass(slots=True)
class _Input:
    user_id: uuid.UUID
    pages: list[CapturedPage]
    user_title: str | None
    language: str | None
    digest: str
    current: tuple[str, dict[str, Any]] | None
    began_at: datetime
    version: int = 0
    model: str | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


def input_digest(pages: list[CapturedPage], title: str | None, language: str | None, models_digest: str = "") -> str:
    """Digest of everything a map is made from: equal digests, equal maps. `maker` names the models, if any."""
    digest = blake2b(digest_size=20)
    facts: list[Any] = [PIPELINE_VERSION, title, language, *([models_digest] if models_digest else [])]
    for page in pages:
        text = blake2b(page.text.encode("utf-8", "replace"), digest_size=16).hexdigest()
        facts.append(
            [
                page.page_id,
                page.url,
                page.title,
                text,
                page.dwell_ms,
                page.max_scroll_depth,
                page.highlights,
                page.visited_at_ms,
                page.visit_order,
            ]
        )
    digest.update(msgspec.json.encode(facts))
    return digest.hexdigest()


class MapGenerator:
    """Makes and saves maps."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], valkey: Redis, tasks: MapTasks, enricher: Enricher | None = None
    ) -> None:
        self._pool, self._valkey, self._tasks, self._enricher = pool, valkey, tasks, enricher

    @property
    def tasks(self) -> MapTasks:
        """Where the steps run."""
        return self._tasks

    async def generate(self, order: MapRequest) -> None:
        """Make the session's map and show it.

        Returns quietly when the session is gone or still records, or the map is there.
        """
        began = time.perf_counter()
        given = await self._read(order)
        if given is None:
            return
        if given.current is not None and given.current[0] == given.digest and not order.force:
            await self._save(order, given, None)
            return
        try:
            document = await self._make(order, given)
        except (SessionGone, NotFound):  # NotFound: the session was erased before generation began
            return
        except OutOfTokens as refused:
            # The user's own choice: no map rather than a local one. Trying again would change nothing.
            await self.fail(order.session_id, str(refused))
            return
        problems = validate_document(document, given.pages)
        if problems:
            codes = sorted({p.code for p in problems})
            raise JobFailed(f"the map did not pass its checks ({', '.join(codes)})")
        given.timings_ms["total"] = round((time.perf_counter() - began) * 1e3, 1)
        await self._save(order, given, document)

    async def _begin(self, order: MapRequest, num_pages: int) -> None:
        async with self._pool.connection() as connection:
            await begin_map(connection, order.session_id, stage="reading", percent=5)
        event = {"status": "generating", "stage": "reading", "percent": 5, "pages_read": 0, "pages_total": num_pages}
        await notify(self._valkey, order.session_id, "mindmap", event)

    async def _stage(self, order: MapRequest, stage: str, percent: int, **facts: Any) -> None:
        async with self._pool.connection() as connection:
            try:
                await advance_map(connection, order.session_id, stage, percent)
            except (IllegalTransition, NotFound):
                # Another worker finished this map, or the session was erased: there is no progress to report.
                return
        news = {"status": "generating", "stage": stage, "percent": percent, **facts}
        await notify(self._valkey, order.session_id, "mindmap", news)

    async def _read(self, order: MapRequest) -> _Input | None:
        began = time.perf_counter()
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(
                "SELECT s.user_id, CASE WHEN s.title_source = 'user' THEN s.title END, v.input_digest,"
                " coalesce(v.generated, v.data),"
                " coalesce(m.current_version, 0), u.language"
                " FROM browsing_sessions s LEFT JOIN mindmaps m ON m.session_id = s.id"
                " LEFT JOIN user_settings u ON u.user_id = s.user_id"
                " LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version"
                " WHERE s.id = %s AND s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused')",
                [order.session_id],
            )
            row = await cursor.fetchone()
            if row is None:
                return None
            user_id, user_title, digest, data, version, language = row
            _, pages = await load_pages(connection, order.session_id, user_id)
        maker = await self._enricher.configuration_digest() if self._enricher is not None else ""
        given = _Input(
            user_id=user_id,
            pages=pages,
            user_title=user_title or None,
            language=language,
            digest=input_digest(pages, user_title or None, language, maker),
            current=(digest, data) if digest is not None else None,
            began_at=datetime.now(UTC),
            version=version,
        )
        given.timings_ms["reading"] = round((time.perf_counter() - began) * 1e3, 1)
        return given

    async def _make(self, order: MapRequest, given: _Input) -> MindmapDocument:
        total = len(given.pages)
        await self._begin(order, total)
        told = [0.0]
        background: set[asyncio.Task[None]] = set()

        def on_progress(done: int) -> None:
            # At most five times a second: a reader cannot follow more, and each is a message to every watcher.
            now = time.monotonic()
            if done < total and now - told[0] < 0.2:
                return
            told[0] = now
            news = {
                "status": "generating",
                "stage": "reading",
                "percent": 5 + 45 * done // max(total, 1),
                "pages_read": done,
                "pages_total": total,
            }
            task = asyncio.ensure_future(notify(self._valkey, order.session_id, "mindmap", news))
            background.add(task)
            task.add_done_callback(background.discard)

        began = time.perf_counter()
        features = await self._tasks.extract_features(given.pages, on_progress)
        given.timings_ms["describe"] = _since(began)
        await self._stage(order, "grouping", 55, pages_read=total, pages_total=total)
        began = time.perf_counter()
        outline = await self._tasks.build_outline(features, given.user_title, given.language)
        given.timings_ms["outline"] = _since(began)
        made = await self._enriched(order, given, outline)
        topics = [topic.label for topic in made.outline.topics]
        await self._stage(order, "drawing", 80, topics=topics, pages_total=total)
        began = time.perf_counter()
        # The first version goes on from the map that was watched while recording, if one was.
        previous = (
            MindmapDocument.from_json(given.current[1])
            if given.current is not None
            else await load_cached_map(self._valkey, order.session_id)
        )
        document = await self._tasks.compose_document(
            made.outline, given.pages, provider=made.provider, title=given.user_title, previous=previous
        )
        if made.provider != LOCAL_PROVIDER and validate_document(document, given.pages):
            log.warning("provider_map_invalid", provider=made.provider)
            made = EnrichResult(outline, notes=[*made.notes, f"The map {made.provider} made broke the rules of maps."])
            document = await self._tasks.compose_document(
                outline, given.pages, provider=LOCAL_PROVIDER, title=given.user_title, previous=previous
            )
        if made.provider == LOCAL_PROVIDER and self._enricher is not None:
            # Not what was wanted: the next order tries the models again, although the pages are the same.
            given.digest = input_digest(given.pages, given.user_title, given.language)
        given.model = made.model
        given.timings_ms["draw"] = _since(began)
        return document.model_copy(update={"notes": (*document.notes, *made.notes)}) if made.notes else document

    async def _enriched(self, order: MapRequest, given: _Input, outline: Outline) -> EnrichResult:
        """What models make of the outline; without any, the outline itself, at no cost."""
        if self._enricher is None:
            return EnrichResult(outline)
        began = time.perf_counter()

        async def on_progress(done: int, total: int) -> None:
            percent = 55 + 20 * done // max(total, 1)
            await self._stage(order, "grouping", percent, pages_read=done, pages_total=total)

        # A forced map asks again; a repeated attempt at the same one does not.
        nonce = f"after version {given.version}" if order.force and given.version else ""
        made = await self._enricher.enrich(
            order.session_id,
            given.user_id,
            outline,
            given.pages,
            is_interactive=order.is_interactive,
            nonce=nonce,
            on_progress=on_progress,
        )
        given.timings_ms["models"] = _since(began)
        return made

    async def _save(self, order: MapRequest, given: _Input, document: MindmapDocument | None) -> None:
        """Write the version and everything that follows from it, in one transaction; then tell the watchers."""
        async with self._pool.connection() as connection, connection.transaction():
            # Session before map, as everywhere: one order of locks, no deadlock.
            cursor = await connection.execute(
                "SELECT status FROM browsing_sessions WHERE id = %s AND deleted_at IS NULL FOR UPDATE",
                [order.session_id],
            )
            if await cursor.fetchone() is None:
                return
            edited = await replay_saved_edits(connection, order.session_id, document) if document is not None else None
            number = await _write_version(connection, order, given, edited)
            await _finish_session(connection, order.session_id, edited.document if edited is not None else None)
        MAPS_FINISHED.labels(outcome="unchanged" if document is None else "made").inc()
        if document is not None:
            MAP_SECONDS.labels().observe(given.timings_ms.get("total", 0.0) / 1e3)
            MAP_PAGES.labels().observe(len(given.pages))
        log.info("mindmap_generated", session_id=str(order.session_id), version=number, num_pages=len(given.pages))
        news = {"status": "completed", "percent": 100, "version": number, "timings_ms": given.timings_ms}
        if edited is not None:
            news["edits_not_applied"] = sum(report.status == "not_applied" for report in edited.reports)
        await notify(self._valkey, order.session_id, "mindmap", news)

    async def fail(self, session_id: uuid.UUID, reason: str) -> None:
        """Give up: the user reads `reason` and may try again."""
        MAPS_FINISHED.labels(outcome="failed").inc()
        async with self._pool.connection() as connection:
            try:
                await fail_map(connection, session_id, reason)
            except (IllegalTransition, NotFound) as error:
                log.info("map_failure_not_applied", session_id=str(session_id), reason=str(error))
                return
        await notify(self._valkey, session_id, "mindmap", {"status": "failed", "error_message": reason})


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1e3, 1)


async def _write_version(
    connection: AsyncConnection[Any], order: MapRequest, given: _Input, edited: EditedDocument | None
) -> int:
    cursor = await connection.execute(
        "SELECT id, current_version FROM mindmaps WHERE session_id = %s FOR UPDATE", [order.session_id]
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("mindmap not found for this session")
    mindmap_id, current = row
    cursor = await connection.execute(
        "SELECT number FROM mindmap_versions WHERE mindmap_id = %s AND number = %s AND input_digest = %s",
        [mindmap_id, current, given.digest],
    )
    is_there = await cursor.fetchone() is not None
    # A forced version is new even for equal input, unless this very job wrote it before it was cut off.
    number = current
    if edited is not None and not (is_there and (not order.force or given.current is None)):
        cursor = await connection.execute(
            "INSERT INTO mindmap_versions (id, mindmap_id, number, data, generated, edits_seq, edit_reports, scorecard,"
            " input_digest, provider, model, cost_micros)"
            " SELECT gen_random_uuid(), %(map)s, coalesce(max(number), 0) + 1, %(data)s, %(generated)s, %(edits_seq)s,"
            " %(edit_reports)s, %(scorecard)s, %(digest)s, %(provider)s, %(model)s,"
            " (SELECT coalesce(sum(cost_micros), 0) FROM ai_calls"
            " WHERE session_id = %(session)s AND started_at >= %(began_at)s)"
            " FROM mindmap_versions WHERE mindmap_id = %(map)s RETURNING number",
            {
                **edited.columns,
                "map": mindmap_id,
                "digest": given.digest,
                "provider": edited.document.provider,
                "model": given.model,
                "session": order.session_id,
                "began_at": given.began_at,
            },
        )
        written = await cursor.fetchone()
        assert written is not None
        number = written[0]
    await connection.execute("UPDATE mindmaps SET current_version = %s WHERE id = %s", [number, mindmap_id])
    return int(number)


async def _finish_session(
    connection: AsyncConnection[Any], session_id: uuid.UUID, document: MindmapDocument | None
) -> None:
    if document is not None:
        # The user's own title is never touched.
        keywords = topic_keywords(document)
        await connection.execute(
            "UPDATE browsing_sessions SET title = CASE WHEN title_source = 'user' THEN title ELSE nullif(%s, '') END,"
            " title_source = CASE WHEN title_source = 'user' THEN 'user' ELSE 'generated' END,"
            " summary = nullif(%s, ''), keywords = %s WHERE id = %s",
            [document.title[:200], document.summary, keywords, session_id],
        )
    await complete_map(connection, session_id)
