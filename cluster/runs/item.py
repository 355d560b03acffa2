"""Generates the map of one session for a regeneration run, and saves it as a version that is not shown.

The steps are those of a map that a user waits for (`cluster.maps.pipeline`). The version and the item's result commit
in one transaction, and only the owner of the item may do that: a session is done once, however often its worker dies.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from actors.quota_state import BUSY_REASONS
from cluster.maps.edits import EditedDocument
from cluster.maps.loader import MapInput, MapRequest, load_map_input
from cluster.maps.pipeline import GeneratedMap, MapPipeline
from cluster.maps.progress import SilentProgress
from cluster.maps.version_writer import insert_generated_version, lock_reused_labels, replay_edits_on
from cluster.providers.enricher import Enricher
from cluster.providers.types import SessionGone
from models.database import Connection
from models.errors import JobFailed, TrailmindError
from models.lifecycle.run_state import (
    MAX_ATTEMPTS,
    ClaimedItem,
    ItemAction,
    ItemResult,
    RunAction,
    end_item,
    renew_lease,
    return_item,
    try_move_run,
)
from models.mindmap.diff import diff_documents
from models.mindmap.document import MindmapDocument
from models.mindmap.validation import validate_document
from models.mindmap.version_store import (
    ShownVersion,
    find_candidate,
    load_shown_version,
    lock_map,
    lock_session,
)
from models.recording.page_vectors import save_vectors
from models.runs.run_store import RunBudgetSpent

log = structlog.get_logger("runs")

#: A worker that does not renew its lease for so long is given up.
LEASE_S = 30.0
_RENEWAL_S = 8.0
#: The waits before the second and the third attempt.
RETRY_DELAYS_S = (2.0, 15.0)
#: How long an item waits while its user has the map generated, or while others use the quota of the models.
_BUSY_DELAY_S = 15.0


class LostItem(TrailmindError):
    """Another worker has claimed the item, because the lease of this one ended."""


@dataclass(frozen=True, slots=True)
class ItemProcessor:
    """Processes claimed items of one run. `options_digest` stands for options that are not the default."""

    pool: AsyncConnectionPool[Any]
    pipeline: MapPipeline
    enricher: Enricher | None = None
    options_digest: str = ""
    force: bool = False

    async def process(self, item: ClaimedItem) -> None:
        """Process `item` and store its result; a failure is stored too. Raises nothing but database errors.

        A failed item waits for another attempt, or has failed after the last one.
        """
        began = time.perf_counter()
        renewing = asyncio.ensure_future(self._renew(item))
        work = asyncio.ensure_future(self._generate(item, began))
        try:
            await asyncio.wait([work, renewing], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.warning("run_item_lost", run_id=item.run_id, session_id=str(item.session_id))
                return
            await work
        except RunBudgetSpent as error:
            await self._stop_run(item, error)
        except (SessionGone, LookupError) as error:
            await self._end(item, ItemAction.SUPERSEDE, _elapsed(began), f"session gone ({type(error).__name__})")
        except LostItem:
            log.warning("run_item_lost", run_id=item.run_id, session_id=str(item.session_id))
        except Exception as error:
            log.warning(
                "run_item_failed",
                run_id=item.run_id,
                session_id=str(item.session_id),
                attempt=item.attempts,
                error=type(error).__name__,
            )
            await self._give_back_or_fail(item, _sentence(error), _elapsed(began))
        finally:
            for task in (work, renewing):
                task.cancel()
            await asyncio.gather(work, renewing, return_exceptions=True)

    async def _renew(self, item: ClaimedItem) -> None:
        """Renew the lease until it is lost."""
        while True:
            await asyncio.sleep(_RENEWAL_S)
            async with self.pool.connection() as connection:
                if not await renew_lease(connection, item, LEASE_S):
                    return

    async def _generate(self, item: ClaimedItem, began: float) -> None:
        models_digest = await self.enricher.configuration_digest() if self.enricher is not None else ""
        async with self.pool.connection() as connection:
            shown = await load_shown_version(connection, item.session_id)
        if shown is None or shown.number != item.base_version:
            await self._end(item, ItemAction.SUPERSEDE, _elapsed(began), "the user has another version now")
            return
        if shown.is_generating:
            # The user's own request is at work, and comes first.
            await self._wait_for(item, "the user has it generated")
            return
        source = await load_map_input(
            self.pool,
            item.session_id,
            models_digest,
            options_digest=self.options_digest,
            refreshes_visits=False,
        )
        if source is None:
            await self._end(item, ItemAction.SUPERSEDE, _elapsed(began), "the session is deleted or records")
            return
        if await self._is_known(item, source, source.digest, began):
            return
        request = MapRequest(item.session_id, self.force, is_interactive=False)
        generated = await self.pipeline.run(request, source, SilentProgress())
        if self.enricher is not None and generated.fallback is not None:
            if generated.fallback.values.get("reason") in BUSY_REASONS:
                await self._wait_for(item, "the quota of the models is in use")
                return
            raise JobFailed(f"no model made the map: {generated.fallback.sentence}")
        # Without a model, for a user who permits none, the digest is that of a local map.
        if generated.input_digest != source.digest and await self._is_known(
            item, source, generated.input_digest, began
        ):
            return
        problems = await asyncio.to_thread(validate_document, generated.document, source.pages)
        if problems:
            codes = sorted({problem.code for problem in problems})
            raise JobFailed(f"the map did not pass its checks ({', '.join(codes)})")
        await self._save(item, source, generated, shown, began)

    async def _is_known(self, item: ClaimedItem, source: MapInput, digest: str, began: float) -> bool:
        """End the item when the map of this input is shown, or was made by a run that has not shown it.

        A map that a gate holds back every night is thus made and paid once.
        """
        if self.force:
            return False
        note = None
        if source.previous_digest != digest:
            async with self.pool.connection() as connection:
                number = await find_candidate(connection, source.mindmap_id, digest)
            if number is None:
                return False
            note = f"an earlier run has made this map: version {number}"
        await self._end(item, ItemAction.CONFIRM, _elapsed(began), note, len(source.pages))
        return True

    async def _save(
        self, item: ClaimedItem, source: MapInput, generated: GeneratedMap, shown: ShownVersion, began: float
    ) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            await lock_reused_labels(connection, source, generated)
            if not await lock_session(connection, item.session_id):
                raise SessionGone("all", "session_gone")
            locked = await lock_map(connection, item.session_id)
            if locked is None or locked[0] != source.mindmap_id:
                raise SessionGone("all", "session_gone")
            if locked[1] != item.base_version:
                await self._superseded(connection, item, began)
                return
            edited = await replay_edits_on(connection, item.session_id, source, generated)
            number = await insert_generated_version(
                connection, item.session_id, locked[0], source, generated, edited, is_candidate=True
            )
            await save_vectors(connection, item.session_id, generated.vectors)
            result = await asyncio.to_thread(_result, edited, shown, number, len(source.pages), _elapsed(began))
            if not await end_item(connection, item, ItemAction.COMPLETE, result):
                # Rolls the version back: the new owner saves its own.
                raise LostItem(f"the lease of {item.session_id} has ended")

    async def _superseded(self, connection: Connection, item: ClaimedItem, began: float) -> None:
        result = ItemResult(_elapsed(began))
        await end_item(connection, item, ItemAction.SUPERSEDE, result, "the user has another version now")

    async def _end(
        self, item: ClaimedItem, action: ItemAction, took_ms: int, error: str | None, num_pages: int | None = None
    ) -> None:
        async with self.pool.connection() as connection:
            await end_item(connection, item, action, ItemResult(took_ms, num_pages=num_pages), error)

    async def _wait_for(self, item: ClaimedItem, what: str) -> None:
        """Give the item back without counting the attempt: nothing is wrong with it."""
        async with self.pool.connection() as connection:
            await return_item(connection, item, what, delay_s=_BUSY_DELAY_S, counts=False)

    async def _give_back_or_fail(self, item: ClaimedItem, error: str, took_ms: int) -> None:
        async with self.pool.connection() as connection:
            if item.attempts >= MAX_ATTEMPTS:
                await end_item(connection, item, ItemAction.FAIL, ItemResult(took_ms), error)
            else:
                await return_item(connection, item, error, delay_s=RETRY_DELAYS_S[item.attempts - 1])

    async def _stop_run(self, item: ClaimedItem, error: RunBudgetSpent) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            await return_item(connection, item, str(error), counts=False)
            if await try_move_run(connection, item.run_id, RunAction.STOP, str(error)):
                log.warning("run_stopped", run_id=item.run_id, reason=str(error))


def _elapsed(began: float) -> int:
    return round((time.perf_counter() - began) * 1e3)


def _sentence(error: Exception) -> str:
    """What operators read: our own errors in full, of others only the type, because they may quote a page."""
    return str(error) if isinstance(error, TrailmindError) else type(error).__name__


def _result(edited: EditedDocument, shown: ShownVersion, number: int, num_pages: int, took_ms: int) -> ItemResult:
    lost = [report for report in edited.reports if report.status == "not_applied"]
    changes: Counter[str] = Counter()
    if shown.document is not None:
        before = MindmapDocument.from_json(shown.document)
        changes.update(change.kind for change in diff_documents(before, edited.document))
    return ItemResult(
        took_ms=took_ms,
        version=number,
        scorecard_before=shown.scorecard,
        scorecard_after=edited.document.scorecard.model_dump(mode="json", by_alias=True),
        num_edits=len(edited.reports),
        num_edits_lost_before=shown.num_edits_lost,
        num_edits_lost=len(lost),
        conflicts=[{"op": report.op, "sentence": report.sentence} for report in lost],
        changes=dict(changes),
        num_pages=num_pages,
    )
