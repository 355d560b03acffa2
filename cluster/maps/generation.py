"""Generates the map of a closed session and saves it as a new version.

A job may run any number of times for the same session, also in two workers at once: a version is written under row
locks, and unchanged input is not generated again.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.loader import MapInput, MapRequest, elapsed_ms, load_map_input
from cluster.maps.notifications import notify
from cluster.maps.pipeline import GeneratedMap, MapPipeline
from cluster.maps.prepared_pages import PreparedPages
from cluster.maps.progress import ProgressReporter
from cluster.maps.tasks import MapTasks
from cluster.maps.version_writer import save_version
from cluster.providers.enricher import Enricher
from cluster.providers.types import SessionGone
from models.billing.ledger import OutOfTokens
from models.errors import IllegalTransition, JobFailed, NotFound, coded_reason, split_reason
from models.lifecycle.state import fail_map
from models.mindmap.validation import validate_document
from telemetry.metrics import MAP_PAGES, MAP_SECONDS, MAPS_FINISHED

log = structlog.get_logger("generation")


class MapGenerator:
    """Generates and saves maps: loads the input, runs the pipeline, writes the version, notifies the watchers."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        valkey: Redis,
        tasks: MapTasks,
        enricher: Enricher | None = None,
        prepared: PreparedPages | None = None,
    ) -> None:
        self._pool, self._enricher = pool, enricher
        self._pipeline = MapPipeline(tasks, valkey, enricher, prepared=prepared)
        #: What joint maps use too: it runs the steps, and publishes the progress.
        self.tasks, self.valkey = tasks, valkey

    async def generate(self, request: MapRequest) -> None:
        """Generate the session's map and show it.

        Returns without effect when the session is deleted or still records, and confirms the current version when its
        input has not changed. Raises JobFailed when the document is not valid.
        """
        began = time.perf_counter()
        models_digest = await self._enricher.configuration_digest() if self._enricher is not None else ""
        source = await load_map_input(self._pool, request.session_id, models_digest)
        if source is None:
            return
        timings_ms = {"reading": source.loading_ms}
        if source.previous_digest == source.digest and not request.force:
            await self._save(request, source, None, timings_ms)
            return
        progress = ProgressReporter(self._pool, self.valkey, request.session_id, len(source.pages))
        try:
            try:
                generated = await self._pipeline.run(request, source, progress)
                await progress.advance("saving", 95)
            finally:
                # Before the event that ends the generation, whatever it is.
                await progress.recorded()
        except (SessionGone, NotFound):  # NotFound: the session was erased before the first step.
            return
        except OutOfTokens as error:
            # The user prefers no map to a local one; a retry would have the same result.
            await self.fail(request.session_id, coded_reason(error))
            return
        problems = validate_document(generated.document, source.pages)
        if problems:
            codes = sorted({problem.code for problem in problems})
            raise JobFailed(f"the map did not pass its checks ({', '.join(codes)})")
        timings_ms |= {**generated.timings_ms, "total": elapsed_ms(began)}
        await self._save(request, source, generated, timings_ms)

    async def _save(
        self, request: MapRequest, source: MapInput, generated: GeneratedMap | None, timings_ms: dict[str, float]
    ) -> None:
        saved = await save_version(self._pool, request, source, generated)
        if saved is None:
            return
        num_pages = len(source.pages)
        if saved.offered is not None:
            MAPS_FINISHED.labels(outcome="offered").inc()
        else:
            MAPS_FINISHED.labels(outcome="unchanged" if generated is None else "made").inc()
        if generated is not None:
            MAP_SECONDS.labels().observe(timings_ms["total"] / 1e3)
            MAP_PAGES.labels().observe(num_pages)
        session_id = request.session_id
        log.info("mindmap_generated", session_id=str(session_id), version=saved.number, num_pages=num_pages)
        event: dict[str, Any] = {
            "status": "completed",
            "percent": 100,
            "version": saved.number,
            "timings_ms": timings_ms,
        }
        if saved.edited is not None:
            event["edits_not_applied"] = sum(report.status == "not_applied" for report in saved.edited.reports)
        if saved.offered is not None:
            code, message = split_reason(saved.reason)
            event |= {"offered_version": saved.offered, "error_code": code, "error_message": message}
        await notify(self.valkey, session_id, "mindmap", event)

    async def fail(self, session_id: uuid.UUID, reason: str) -> None:
        """End the generation; the user reads `reason` and may request the map again. A version shown stays.

        No effect when another worker has completed the map, or the session was erased.
        """
        async with self._pool.connection() as connection:
            try:
                status = await fail_map(connection, session_id, reason)
            except (IllegalTransition, NotFound) as error:
                log.info("map_failure_not_applied", session_id=str(session_id), reason=str(error))
                return
        MAPS_FINISHED.labels(outcome="failed").inc()
        code, message = split_reason(reason)
        event = {"status": status, "error_code": code, "error_message": message}
        await notify(self.valkey, session_id, "mindmap", event)
