"""The steps of making a map, each a Ray task, so that they spread over the cluster.

The steps themselves are pure functions of `cluster.mindmap`. A task is safe to repeat: it depends on its arguments
alone. Few are in flight at a time, so that a session of hundreds of pages cannot fill the object store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import ray
import structlog

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import PageFeatures, page_features
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage
from telemetry.logs import LogContext, export_log_context, import_log_context

log = structlog.get_logger("tasks")

#: Pages one task reads: enough that starting a task (about a millisecond) does not matter.
PAGES_PER_TASK = 24
MAX_TASKS_IN_FLIGHT = 8


class MapTasks(Protocol):
    """Where the steps run."""

    async def extract_features(
        self, pages: Sequence[CapturedPage], on_progress: Callable[[int], None]
    ) -> list[PageFeatures]: ...

    async def build_outline(
        self, features: Sequence[PageFeatures], title: str | None, language: str | None
    ) -> Outline: ...

    async def compose_document(
        self,
        outline: Outline,
        pages: Sequence[CapturedPage],
        *,
        provider: str,
        title: str | None,
        previous: MindmapDocument | None,
    ) -> MindmapDocument: ...


@contextmanager
def _logged(event: str, context: LogContext | None, **facts: int) -> Iterator[None]:
    """Says, with the ids of the request and the job, what a task in another process did and how long it took."""
    import_log_context(context)
    began = time.perf_counter()
    yield
    if context is not None:
        log.info(event, took_ms=round((time.perf_counter() - began) * 1e3, 1), **facts)


def _describe(pages: Sequence[CapturedPage], context: LogContext | None = None) -> list[PageFeatures]:
    with _logged("page_features_extracted", context, num_pages=len(pages)):
        return [page_features(page) for page in pages]


def _outline(
    features: Sequence[PageFeatures], title: str | None, language: str | None, context: LogContext | None = None
) -> Outline:
    with _logged("session_outlined", context, num_pages=len(features)):
        return build_outline(features, title=title, language=language)


def _draw(
    outline: Outline,
    pages: Sequence[CapturedPage],
    provider: str,
    title: str | None,
    previous: MindmapDocument | None,
    context: LogContext | None = None,
) -> MindmapDocument:
    with _logged("map_composed", context, num_pages=len(pages)):
        return compose_document(outline, pages, provider=provider, session_title=title, previous=previous)


class RayMapTasks:
    """The steps as Ray tasks. `options` go to Ray (placement by labels, CPUs)."""

    def __init__(self, **options: Any) -> None:
        # A worker process that dies under a task is the cluster's affair: Ray runs the task again elsewhere.
        defaults: dict[str, Any] = {"num_cpus": 1, "max_retries": 4, **options}
        self._describe: Any = ray.remote(_describe).options(**defaults)
        self._outline: Any = ray.remote(_outline).options(**defaults)
        self._draw: Any = ray.remote(_draw).options(**defaults)
        self._in_flight = asyncio.Semaphore(MAX_TASKS_IN_FLIGHT)

    async def warm_up(self) -> None:
        """Have worker processes started and our code imported before the first user waits for them."""
        page = CapturedPage("p_0", "https://example.com/", "A page", "Words to read. " * 20)
        untyped: Any = ray
        num_processes = min(int(untyped.cluster_resources().get("CPU", 1)), 8)
        await asyncio.gather(*(self._describe.remote([page]) for _ in range(num_processes)))

    async def extract_features(
        self, pages: Sequence[CapturedPage], on_progress: Callable[[int], None]
    ) -> list[PageFeatures]:
        """The features of `pages`, in order; `on_progress` hears how many are done."""
        chunks = [pages[i : i + PAGES_PER_TASK] for i in range(0, len(pages), PAGES_PER_TASK)]
        done = 0

        async def one(chunk: Sequence[CapturedPage]) -> list[PageFeatures]:
            nonlocal done
            async with self._in_flight:
                found: list[PageFeatures] = await self._describe.remote(list(chunk), export_log_context())
            done += len(chunk)
            on_progress(done)
            return found

        return [f for found in await asyncio.gather(*(one(c) for c in chunks)) for f in found]

    async def build_outline(self, features: Sequence[PageFeatures], title: str | None, language: str | None) -> Outline:
        """Topics, subtopics and what is left out."""
        found: Outline = await self._outline.remote(features, title, language, export_log_context())
        return found

    async def compose_document(
        self,
        outline: Outline,
        pages: Sequence[CapturedPage],
        *,
        provider: str,
        title: str | None,
        previous: MindmapDocument | None,
    ) -> MindmapDocument:
        """The document with its layouts."""
        document: MindmapDocument = await self._draw.remote(
            outline, list(pages), provider, title, previous, export_log_context()
        )
        return document


class InlineMapTasks:
    """The same steps in this process, for tests and `trailmind map`."""

    async def extract_features(
        self, pages: Sequence[CapturedPage], on_progress: Callable[[int], None]
    ) -> list[PageFeatures]:
        """See RayMapTasks."""
        found = _describe(pages)
        on_progress(len(pages))
        return found

    async def build_outline(self, features: Sequence[PageFeatures], title: str | None, language: str | None) -> Outline:
        """See RayMapTasks."""
        return _outline(features, title, language)

    async def compose_document(
        self,
        outline: Outline,
        pages: Sequence[CapturedPage],
        *,
        provider: str,
        title: str | None,
        previous: MindmapDocument | None,
    ) -> MindmapDocument:
        """See RayMapTasks."""
        return _draw(outline, pages, provider, title, previous)
