"""The steps from the pages of a session to a document: features, outline, enrichment by models, layout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
from redis.asyncio import Redis

from cluster.maps.live_maps import load_cached_map
from cluster.maps.loader import MapInput, MapRequest, elapsed_ms
from cluster.maps.prepared_pages import PreparedPages
from cluster.maps.progress import Progress
from cluster.maps.tasks import MapTasks
from cluster.mindmap.clustering.communities import DEFAULT_OPTIONS, TopicOptions
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import PageFeatures, lack_vectors
from cluster.mindmap.text.meaning import encoder_model
from cluster.providers.enricher import Enricher, EnrichResult
from cluster.providers.types import LOCAL_PROVIDER
from models.mindmap.document import MindmapDocument
from models.mindmap.notes import MapNote, map_note
from models.mindmap.validation import validate_document
from models.recording.page_vectors import StoredVector

log = structlog.get_logger("generation")


@dataclass(frozen=True, slots=True)
class GeneratedMap:
    """A generated document, the model that enriched it, and the digest of its input.

    `timings_ms` maps each step to its duration in milliseconds. `fallback` says why the document was made without a
    model, unless the user has decided so.
    """

    document: MindmapDocument
    model: str | None
    input_digest: str
    timings_ms: dict[str, float]
    fallback: MapNote | None = None
    #: What the pages are about, to be stored with them.
    vectors: tuple[StoredVector, ...] = ()


class MapPipeline:
    """Runs the steps. Without an `enricher` the outline stays as the local pipeline builds it."""

    def __init__(
        self,
        tasks: MapTasks,
        valkey: Redis,
        enricher: Enricher | None = None,
        options: TopicOptions = DEFAULT_OPTIONS,
        *,
        prepared: PreparedPages | None = None,
    ) -> None:
        self._tasks, self._valkey, self._enricher, self._options = tasks, valkey, enricher, options
        self._prepared = prepared if prepared is not None else PreparedPages()

    async def run(self, request: MapRequest, source: MapInput, progress: Progress) -> GeneratedMap:
        """Generate the document.

        Raises SessionGone when the session is deleted meanwhile, NotFound when it is erased before the first step,
        OutOfTokens when the user prefers no map to a local one.
        """
        timings_ms: dict[str, float] = {}
        num_pages = len(source.pages)
        await progress.begin()

        began = time.perf_counter()
        prepared = self._prepared.take(request.session_id, source.pages, encoder_model())
        features = await self._tasks.extract_features(source.pages, progress.report_pages, source.vectors, prepared)
        timings_ms["describe"] = elapsed_ms(began)

        await progress.advance("grouping", 55, pages_read=num_pages)
        began = time.perf_counter()
        outline = await self._tasks.build_outline(features, source.user_title, source.language, self._options)
        timings_ms["outline"] = elapsed_ms(began)

        # The topics have local names now; a model may give better ones.
        await progress.advance("naming", 60, pages_read=num_pages, topics=[topic.label for topic in outline.topics])
        began = time.perf_counter()
        result = await self._enrich(request, source, outline, progress)
        if self._enricher is not None:
            timings_ms["models"] = elapsed_ms(began)
        if result.provider != LOCAL_PROVIDER:
            result = await self._keep_better(result, outline, features, source)

        await progress.advance("drawing", 80, topics=[topic.label for topic in result.outline.topics])
        began = time.perf_counter()
        document, result = await self._compose(request, source, outline, result, features)
        timings_ms["draw"] = elapsed_ms(began)

        notes = [*result.notes]
        if lack_vectors(features):
            notes.append(map_note("words_only"))
        if source.has_private_pages:
            # Not every client shows the server's verdicts: without this sentence, such pages would just be missing.
            notes.append(map_note("private_pages_excluded"))
        if source.num_error_pages:
            notes.append(map_note("error_pages", count=source.num_error_pages))
        if source.num_unreadable_texts:
            notes.append(map_note("texts_unreadable", count=source.num_unreadable_texts))
        if notes:
            document = document.with_notes(notes)
        # A local map where models are configured is a fallback: its digest is that of a local map, so that the next
        # request calls the models again although the pages have not changed.
        is_fallback = result.provider == LOCAL_PROVIDER and self._enricher is not None
        digest = source.local_digest if is_fallback else source.digest
        vectors = tuple(
            StoredVector(page.page_id, page.meaning.text_key, page.meaning.model, page.meaning.vector)
            for page in features
            if page.meaning.vector
        )
        return GeneratedMap(document, result.model, digest, timings_ms, result.fallback, vectors)

    async def _enrich(
        self, request: MapRequest, source: MapInput, outline: Outline, progress: Progress
    ) -> EnrichResult:
        if self._enricher is None:
            return EnrichResult(outline, fallback=map_note("no_models"))

        async def on_progress(num_described: int, num_pages: int) -> None:
            percent = 60 + 15 * num_described // max(num_pages, 1)
            await progress.advance("naming", percent, pages_read=num_described, pages_total=num_pages)

        # A forced request calls the models again; another attempt at the same request uses the cached responses.
        nonce = f"after version {source.version}" if request.force and source.version else ""
        return await self._enricher.enrich(
            request.session_id,
            source.user_id,
            outline,
            source.pages,
            is_interactive=request.is_interactive,
            nonce=nonce,
            on_progress=on_progress,
        )

    async def _keep_better(
        self, result: EnrichResult, local: Outline, features: Sequence[PageFeatures], source: MapInput
    ) -> EnrichResult:
        """The models' result, with what is better of the `local` outline and notes that say so."""
        kept = await self._tasks.keep_better(result.outline, local, features, source.pages)
        notes = [*result.notes]
        if kept.has_local_topics:
            notes.append(map_note("local_topics_kept", provider=result.provider))
        if kept.num_local:
            notes.append(map_note("local_names_kept", provider=result.provider, count=kept.num_local))
        return replace(result, outline=kept.outline, notes=notes)

    async def _compose(
        self,
        request: MapRequest,
        source: MapInput,
        outline: Outline,
        result: EnrichResult,
        features: Sequence[PageFeatures],
    ) -> tuple[MindmapDocument, EnrichResult]:
        """The document, and the result it was composed from: the local outline if the enriched one is not valid."""
        previous = (
            MindmapDocument.from_json(source.previous)
            if source.previous is not None
            # The first version keeps the ids and positions of the live map that was watched while recording.
            else await load_cached_map(self._valkey, request.session_id)
        )
        # Most users have named no topic: then nothing more is sent to the task.
        vectors = {page.page_id: page.meaning.vector for page in features} if source.labels.labels else {}
        compose = partial(
            self._tasks.compose_document,
            pages=source.pages,
            title=source.user_title,
            previous=previous,
            labels=source.labels,
            vectors=vectors,
        )
        document = await compose(result.outline, provider=result.provider)
        if result.provider == LOCAL_PROVIDER or not validate_document(document, source.pages):
            return document, result
        log.warning("provider_map_invalid", provider=result.provider)
        note = map_note("map_invalid", provider=result.provider)
        local = EnrichResult(outline, notes=[*result.notes, note], fallback=note)
        return await compose(outline, provider=LOCAL_PROVIDER), local
