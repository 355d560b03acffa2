"""Loads what a session's map is generated from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from psycopg_pool import AsyncConnectionPool

from cluster.mindmap.text.meaning import encoder_model
from models.mindmap.user_labels import NO_LABELS, UserLabels, load_user_labels
from models.mindmap.version_store import load_generation_source
from models.recording.exclusions import PRIVATE_NETWORK
from models.recording.ingest_report import has_excluded_events
from models.recording.page_vectors import load_vectors
from models.recording.pages import CapturedPage
from models.recording.timeline import count_pages
from models.recording.timeline_store import load_pages, refresh_timeline

#: Increase it whenever the same input may give another map.
PIPELINE_VERSION = 11


@dataclass(frozen=True, slots=True)
class MapRequest:
    """A job's request for the map of a session.

    `force` generates a new version even if the input has not changed. `is_interactive` is false for batch runs.
    """

    session_id: uuid.UUID
    force: bool = False
    is_interactive: bool = True


@dataclass(frozen=True, slots=True)
class MapInput:
    """What a map is generated from, and the current version, if any.

    `previous` is the current version without edits, as JSON, `previous_digest` the digest of its input, and `version`
    its number (0 before the first). `loading_ms` is how long the input took to load.
    """

    user_id: uuid.UUID
    pages: list[CapturedPage]
    user_title: str | None
    language: str | None
    digest: str
    previous: dict[str, Any] | None
    previous_digest: str | None
    version: int
    began_at: datetime
    loading_ms: float
    #: Whether pages on private networks were not stored.
    has_private_pages: bool = False
    num_error_pages: int = 0
    #: Pages without text because the client could not read it.
    num_unreadable_texts: int = 0
    #: The map for which the pages were read.
    mindmap_id: uuid.UUID | None = None
    #: By page id, the vectors that earlier maps of the session stored, by text key.
    vectors: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    #: Stands for options of the algorithm that are not the default.
    options_digest: str = ""
    #: The labels that the user gave in other sessions, as they were when the input was read.
    labels: UserLabels = NO_LABELS

    @property
    def local_digest(self) -> str:
        """The digest of this input for a map that the local provider generates."""
        return input_digest(
            self.pages,
            self.user_title,
            self.language,
            options_digest=self.options_digest,
            labels_digest=self.labels.digest,
        )


def input_digest(
    pages: Sequence[CapturedPage],
    title: str | None,
    language: str | None,
    models_digest: str = "",
    options_digest: str = "",
    labels_digest: str = "",
) -> str:
    """A digest of everything a map is generated from: maps with equal digests are equal.

    `models_digest` stands for the configuration of the models (`Enricher.configuration_digest`), `options_digest` for
    options of the algorithm that are not the default, `labels_digest` for the labels that the user gave in other
    sessions.
    """
    facts: list[Any] = [PIPELINE_VERSION, encoder_model(), title, language, *([models_digest] if models_digest else [])]
    if options_digest:
        facts.append({"options": options_digest})
    if labels_digest:
        facts.append({"labels": labels_digest})
    for page in pages:
        text_digest = blake2b(page.text.encode("utf-8", "replace"), digest_size=16).hexdigest()
        facts.append(
            [
                page.page_id,
                page.url,
                page.title,
                text_digest,
                page.dwell_ms,
                page.max_scroll_depth,
                page.highlights,
                page.visited_at_ms,
                page.visit_order,
            ]
        )
    return blake2b(msgspec.json.encode(facts), digest_size=20).hexdigest()


async def load_map_input(
    pool: AsyncConnectionPool[Any],
    session_id: uuid.UUID,
    models_digest: str,
    *,
    options_digest: str = "",
    refreshes_visits: bool = True,
) -> MapInput | None:
    """The input of the session's map; None when the session is deleted or still records.

    Without `refreshes_visits` the stored visits keep the pages of the map shown: the new map may never be shown.
    """
    began = time.perf_counter()
    async with pool.connection() as connection, connection.transaction():
        source = await load_generation_source(connection, session_id)
        if source is None:
            return None
        timeline, pages = await load_pages(connection, session_id, source.user_id)
        if refreshes_visits:
            # The visits of an old session get the pages that its new map will have.
            await refresh_timeline(connection, session_id, timeline)
        num_error_pages, num_unreadable_texts = count_pages(timeline)
        vectors = await load_vectors(connection, [session_id], encoder_model())
        labels = await load_user_labels(connection, source.user_id, session_id, encoder_model())
        has_private_pages = await has_excluded_events(connection, session_id, f"default: {PRIVATE_NETWORK}")
    return MapInput(
        user_id=source.user_id,
        pages=pages,
        user_title=source.user_title,
        language=source.language,
        digest=input_digest(pages, source.user_title, source.language, models_digest, options_digest, labels.digest),
        previous=source.document,
        previous_digest=source.input_digest,
        version=source.version,
        began_at=datetime.now(UTC),
        loading_ms=elapsed_ms(began),
        has_private_pages=has_private_pages,
        num_error_pages=num_error_pages,
        num_unreadable_texts=num_unreadable_texts,
        mindmap_id=source.mindmap_id,
        vectors=vectors,
        options_digest=options_digest,
        labels=labels,
    )


def elapsed_ms(began: float) -> float:
    """Milliseconds since `began` (`time.perf_counter`), rounded to 0.1."""
    return round((time.perf_counter() - began) * 1e3, 1)
