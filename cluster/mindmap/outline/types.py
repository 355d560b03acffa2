"""The outline of a session: its topics, what each rests on, and what was left out. The value every provider returns.

The local provider makes one from nothing (`outline.pipeline.build_outline`). A model provider receives that outline
as a skeleton and returns a changed one, for example with `dataclasses.replace`. Nothing in it is trusted: `compose` and
`models.mindmap.validation.validate_document` check every id and every quote against the captured pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.mindmap.document import Evidence, Importance


@dataclass(frozen=True, slots=True)
class OutlineTopic:
    """A topic, or a sub-topic when it stands in another topic's `subtopics` (which then have none of their own).

    `page_ids` are the pages directly under it, in reading order; those of its sub-topics are not repeated here.
    `label` is 1–4 words without markup; `description` one sentence; `evidence` quotes that bear them out.
    """

    id: str
    label: str
    description: str
    keywords: tuple[str, ...]
    page_ids: tuple[str, ...]
    subtopics: tuple[OutlineTopic, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    searches: tuple[str, ...] = ()

    def all_page_ids(self) -> tuple[str, ...]:
        """Every page of the topic, sub-topics included."""
        return self.page_ids + tuple(page for sub in self.subtopics for page in sub.page_ids)


@dataclass(frozen=True, slots=True)
class CrossLink:
    """A relation between two topics, sub-topics or pages that the tree does not show, and the terms they share.

    `source` and `target` are topic ids or page ids; `weight` is in 0..1; `label` is what is shown on the line.
    """

    source: str
    target: str
    weight: float
    terms: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class PageExclusion:
    """A page that stays off the map: a code of `EXCLUSION_REASONS` and a sentence for people."""

    page_id: str
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PageAnnotation:
    """What the outline says of one placed page. `importance` is relative to the session's strongest page."""

    page_id: str
    label: str
    description: str
    keywords: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    importance: Importance
    language: str
    neighbours: tuple[tuple[str, float], ...] = ()  # Nearest pages by text and their cosine, nearest first.


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole session in outline. `notes` has exactly one entry for every placed page, in reading order.

    `summary` is one sentence. `stability` (0..1, None if unknown) is how well the topics held when pages were withheld.
    """

    title: str
    summary: str
    language: str
    topics: tuple[OutlineTopic, ...]
    annotations: tuple[PageAnnotation, ...]
    excluded_pages: tuple[PageExclusion, ...] = ()
    cross_links: tuple[CrossLink, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    stability: float | None = None

    def placed_page_ids(self) -> tuple[str, ...]:
        """Every page on the map, in outline order."""
        return tuple(page for topic in self.topics for page in topic.all_page_ids())

    def walk(self) -> Iterator[tuple[OutlineTopic, OutlineTopic | None]]:
        """Every topic and sub-topic with its parent (None for a topic)."""
        for topic in self.topics:
            yield topic, None
            for sub in topic.subtopics:
                yield sub, topic
