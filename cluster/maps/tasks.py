"""The steps of map generation, each a Ray task, so that they are distributed over the cluster.

The steps are pure functions of `cluster.mindmap`, so Ray may repeat a task. Few tasks are in flight at a time, so that
a session of hundreds of pages cannot fill the object store
(https://docs.ray.io/en/latest/ray-core/patterns/limit-pending-tasks.html).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import ray
import structlog

from cluster.mindmap.clustering.communities import DEFAULT_OPTIONS, TopicOptions
from cluster.mindmap.document.compose import NO_VECTORS, compose_document
from cluster.mindmap.outline.comparison import KeptOutline, keep_better
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import PageFeatures, page_features
from cluster.mindmap.text.meaning import StoredVectors, encoder_model
from cluster.scheduling.placement import on_this_node
from models.mindmap.document import MindmapDocument
from models.mindmap.user_labels import NO_LABELS, UserLabels
from models.recording.pages import CapturedPage
from telemetry.logs import LogContext, export_log_context, import_log_context
from telemetry.traces import configure_traces, span, traces_url

log = structlog.get_logger("tasks")

#: Pages per task: enough that the cost of starting a task (about a millisecond) does not matter.
PAGES_PER_TASK = 24
MAX_TASKS_IN_FLIGHT = 8


@contextmanager
def _logged(event: str, context: LogContext | None, **facts: int) -> Iterator[None]:
    """Bind the log context of the request and the job, and log `event` with its duration when the block ends."""
    import_log_context(context)
    configure_traces(context.traces_url if context is not None else None)
    began = time.perf_counter()
    with span(event, None, **facts):
        yield
    if context is not None:
        log.info(event, took_ms=round((time.perf_counter() - began) * 1e3, 1), **facts)


def _features_step(
    pages: Sequence[CapturedPage], vectors: Mapping[bytes, bytes], context: LogContext | None = None
) -> list[PageFeatures]:
    with _logged("page_features_extracted", context, num_pages=len(pages)):
        # A task runs in a worker process: the API process never loads the encoder.
        encoder = StoredVectors(vectors) if encoder_model() else None
        return [page_features(page, encoder) for page in pages]


def _encoder_of(features: Sequence[PageFeatures]) -> StoredVectors | None:
    """The encoder that made the vectors of the pages; None for pages without vectors."""
    return StoredVectors({}) if any(page.meaning.vector for page in features) else None


def _outline_step(
    features: Sequence[PageFeatures],
    title: str | None,
    language: str | None,
    options: TopicOptions,
    context: LogContext | None = None,
) -> Outline:
    with _logged("session_outlined", context, num_pages=len(features)):
        return build_outline(features, title=title, language=language, encoder=_encoder_of(features), options=options)


def _comparison_step(
    outline: Outline,
    local: Outline,
    features: Sequence[PageFeatures],
    pages: Sequence[CapturedPage],
    context: LogContext | None = None,
) -> KeptOutline:
    with _logged("model_outline_compared", context, num_pages=len(features)):
        return keep_better(outline, local, features, pages, _encoder_of(features))


def _compose_step(
    outline: Outline,
    pages: Sequence[CapturedPage],
    provider: str,
    title: str | None,
    previous: MindmapDocument | None,
    labels: UserLabels,
    vectors: Mapping[str, bytes],
    context: LogContext | None = None,
) -> MindmapDocument:
    with _logged("map_composed", context, num_pages=len(pages)):
        return compose_document(
            outline,
            pages,
            provider=provider,
            session_title=title,
            previous=previous,
            labels=labels,
            vectors=vectors,
        )


class MapTasks(ABC):
    """The steps of map generation; a subclass decides where they run."""

    def __init__(self) -> None:
        self._in_flight = asyncio.Semaphore(MAX_TASKS_IN_FLIGHT)

    @abstractmethod
    async def run_step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `step(*arguments)`. Raises what the step raises."""

    async def extract_features(
        self,
        pages: Sequence[CapturedPage],
        on_progress: Callable[[int], None],
        vectors: Mapping[str, Mapping[bytes, bytes]],
        prepared: Mapping[str, PageFeatures] = MappingProxyType({}),
    ) -> list[PageFeatures]:
        """The features of `pages`, in order. Calls `on_progress` with the number of pages done so far.

        `vectors` are those that `models.recording.page_vectors.load_vectors` found for the model in use, `prepared` the
        features of pages that were read before, by page id.
        """
        unread = [page for page in pages if page.page_id not in prepared]
        # Tasks of equal size end at the same time.
        num_chunks = -(-len(unread) // PAGES_PER_TASK)
        bounds = [len(unread) * n // max(1, num_chunks) for n in range(num_chunks + 1)]
        chunks = [unread[start:end] for start, end in pairwise(bounds)]
        num_done = len(pages) - len(unread)
        if num_done:
            on_progress(num_done)

        async def extract(chunk: list[CapturedPage]) -> list[PageFeatures]:
            nonlocal num_done
            async with self._in_flight:
                known = {key: vector for page in chunk for key, vector in vectors.get(page.page_id, {}).items()}
                features: list[PageFeatures] = await self.run_step(_features_step, chunk, known)
            num_done += len(chunk)
            on_progress(num_done)
            return features

        read = dict(prepared)
        for features in await asyncio.gather(*(extract(chunk) for chunk in chunks)):
            read.update((page.page_id, page) for page in features)
        return [read[page.page_id] for page in pages]

    async def prepare_features(self, pages: Sequence[CapturedPage]) -> list[PageFeatures]:
        """The features of `pages`, in order, with vectors that are made now."""
        features: list[PageFeatures] = []
        # One task at a time: users who have pressed Stop wait for the other CPUs.
        for i in range(0, len(pages), PAGES_PER_TASK):
            features += await self.run_step(_features_step, list(pages[i : i + PAGES_PER_TASK]), {})
        return features

    async def build_outline(
        self,
        features: Sequence[PageFeatures],
        title: str | None,
        language: str | None,
        options: TopicOptions = DEFAULT_OPTIONS,
    ) -> Outline:
        """Topics, subtopics and excluded pages."""
        outline: Outline = await self.run_step(_outline_step, features, title, language, options)
        return outline

    async def keep_better(
        self, outline: Outline, local: Outline, features: Sequence[PageFeatures], pages: Sequence[CapturedPage]
    ) -> KeptOutline:
        """A model's `outline`, with what is better of the `local` one."""
        kept: KeptOutline = await self.run_step(_comparison_step, outline, local, features, list(pages))
        return kept

    async def compose_document(
        self,
        outline: Outline,
        pages: Sequence[CapturedPage],
        *,
        provider: str,
        title: str | None,
        previous: MindmapDocument | None,
        labels: UserLabels = NO_LABELS,
        vectors: Mapping[str, bytes] = NO_VECTORS,
    ) -> MindmapDocument:
        """The document with its layouts. Nodes that `previous` has too keep their ids and positions.

        `labels` are those that the user gave in other sessions, `vectors` those of the pages.
        """
        document: MindmapDocument = await self.run_step(
            _compose_step, outline, list(pages), provider, title, previous, labels, dict(vectors)
        )
        return document


class ThreadMapTasks(MapTasks):
    """The steps in threads of this process, for work that is itself a Ray task."""

    async def run_step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """See MapTasks."""
        return await asyncio.to_thread(step, *arguments)


class RayMapTasks(MapTasks):
    """The steps as Ray tasks. `options` go to Ray (placement by labels, CPUs)."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        # Ray runs a task again on another worker when its process dies.
        defaults: dict[str, Any] = {"num_cpus": 1, "max_retries": 4, **options}
        self._remote_steps: dict[Callable[..., Any], Any] = {
            step: ray.remote(step).options(**defaults)
            for step in (_features_step, _outline_step, _comparison_step, _compose_step)
        }

    async def run_step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """See MapTasks. Raises Ray's errors too."""
        return await self._remote_steps[step].remote(*arguments, replace(export_log_context(), traces_url=traces_url()))

    async def warm_up(self) -> None:
        """Start worker processes on this node and import the pipeline in them: the first map does not wait for that.

        One for each CPU of this node. The tasks reserve no CPU: tasks that wait for one make an autoscaler add nodes.
        """
        page = CapturedPage("p_0", "https://example.com/", "A page", "Words to read. " * 20)
        placement, num_cpus = on_this_node()
        features_step: Any = ray.remote(_features_step).options(**placement)
        await asyncio.gather(*(features_step.remote([page], {}) for _ in range(min(num_cpus, 8))))
