"""The outline of a session: topics with their evidence, and the pages that are not on the map.

Every provider returns this value. The local provider builds one from pages (`outline.pipeline.build_outline`); a model
provider receives that outline and returns a changed copy. An outline is not trusted: `compose_document` and
`models.mindmap.validation.validate_document` check every id and every quote against the captured pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.mindmap.document import Evidence, Importance

#: Nearest pages that are kept for every page.
NUM_NEIGHBOURS = 8
#: How the ids of topics begin, by level: the rest is a page, and a topic and its part can begin with the same one.
TOPIC_ID_PREFIXES = {1: "t_", 2: "s_", 3: "ss_"}


@dataclass(frozen=True, slots=True)
class OutlineTopic:
    """A topic, or a sub-topic when it is one of another topic's `subtopics`; they go down to `MAX_TOPIC_LEVELS`.

    `page_ids` are the pages directly below it, in reading order, without those of its sub-topics. `label` has one to
    four words and no markup; `description` is one sentence, empty if the document is to say what the topic holds;
    `evidence` holds quotes that support both. `searches` are the queries with which the user searched for the topic.
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
        """Every page of the topic, including those of its sub-topics."""
        return self.page_ids + tuple(page for subtopic in self.subtopics for page in subtopic.all_page_ids())

    def walk(self, parent: OutlineTopic | None = None) -> Iterator[tuple[OutlineTopic, OutlineTopic | None]]:
        """The topic and every sub-topic below it, each with what it is part of (`parent` for itself), parents first."""
        yield self, parent
        for subtopic in self.subtopics:
            yield from subtopic.walk(self)


@dataclass(frozen=True, slots=True)
class CrossLink:
    """A relation between two topics, sub-topics or pages that the tree does not show.

    `source` and `target` are topic ids or page ids; `weight` is in 0..1; `terms` are the words they share; `label` is
    the text shown on the edge.
    """

    source: str
    target: str
    weight: float
    terms: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class PageExclusion:
    """Why a page is not on the map: a key of `EXCLUSION_REASONS`, and a sentence for the user."""

    page_id: str
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PageAnnotation:
    """What the outline says about one placed page.

    `importance` is relative to the session's most important page. `neighbours` are the nearest pages by text as
    (page id, cosine), nearest first.
    """

    page_id: str
    label: str
    description: str
    keywords: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    importance: Importance
    language: str
    neighbours: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a whole session. `annotations` has exactly one entry per placed page, in reading order.

    `summary` is one sentence. `stability` (0..1, None if unknown) is the agreement of the topics with those found
    when some pages are withheld.
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
        """Every topic and sub-topic with its parent (None for a topic), parents first."""
        for topic in self.topics:
            yield from topic.walk()
