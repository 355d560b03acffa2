"""Maps that grow while a session is recorded: new pages are placed immediately, other nodes hardly move.

A new page joins the topic of its most similar pages, or starts a topic; only its own similarities are computed
(`IncrementalIndex`). When the session has grown by half it should be grouped again as a whole, which takes a second or
two for hundreds of pages. `LiveMap.needs_regrouping` reports this; the caller may then run `regroup` elsewhere, place
further pages meanwhile, and pass the result to `apply_regrouping`. Topics keep their ids as long as they hold some of
the same pages, and nodes keep their positions where possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray, build_corpus
from cluster.mindmap.clustering.similarity import text_similarity
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.document.stable_ids import reuse_ids
from cluster.mindmap.live.incremental_index import IncrementalIndex
from cluster.mindmap.outline.pipeline import build_outline, page_exclusion
from cluster.mindmap.outline.types import Outline, OutlineTopic
from cluster.mindmap.pages.features import PageFeatures, page_features
from cluster.mindmap.pages.reading_order import in_reading_order
from models.mindmap.document import Edge, MindmapDocument, Node
from models.recording.pages import CapturedPage

#: A session is grouped again when it has this many times the pages of the last grouping.
REGROUP_GROWTH_FACTOR = 1.5
#: A page joins a topic if its similarity to the topic is at least this share of the similarity inside the topic.
MIN_JOIN_RATIO = 0.45
#: Up to this number of pages the whole session is grouped again immediately.
MAX_PAGES_REGROUPED_INLINE = 40
#: For a viewer of a growing map a topic that keeps a tenth of its pages is still the same topic.
LIVE_MIN_OVERLAP = 0.1
#: The similarity assumed inside a topic of one page.
_SINGLE_PAGE_SIMILARITY = 0.25
_NUM_NEAREST = 3


@dataclass(frozen=True, slots=True)
class MapDelta:
    """The changes from one map to the next. `nodes` and `edges` are the new and changed ones, complete."""

    nodes: tuple[Node, ...]
    removed_node_ids: tuple[str, ...]
    edges: tuple[Edge, ...]
    removed_edges: tuple[tuple[str, str], ...]
    excluded_page_ids: tuple[str, ...]
    num_pages: int

    def to_json(self) -> dict[str, Any]:
        """The delta as plain JSON values under the clients' names."""
        return {
            "nodes": [node.model_dump(mode="json", by_alias=True, exclude_none=True) for node in self.nodes],
            "removed_node_ids": list(self.removed_node_ids),
            "edges": [edge.model_dump(mode="json", exclude_none=True) for edge in self.edges],
            "removed_edges": [{"source": source, "target": target} for source, target in self.removed_edges],
            "left_out_page_ids": list(self.excluded_page_ids),
            "num_pages": self.num_pages,
        }


def delta_between(old: MindmapDocument | None, new: MindmapDocument) -> MapDelta:
    """The changes from `old` (None: an empty map) to `new`."""
    old_nodes = {node.id: node for node in old.nodes} if old else {}
    old_edges = {(edge.source, edge.target): edge for edge in old.edges} if old else {}
    old_excluded = {page.page_id for page in old.excluded_pages} if old else set()
    node_ids = {node.id for node in new.nodes}
    pairs = {(edge.source, edge.target) for edge in new.edges}
    return MapDelta(
        nodes=tuple(node for node in new.nodes if old_nodes.get(node.id) != node),
        removed_node_ids=tuple(node_id for node_id in old_nodes if node_id not in node_ids),
        edges=tuple(edge for edge in new.edges if old_edges.get((edge.source, edge.target)) != edge),
        removed_edges=tuple(pair for pair in old_edges if pair not in pairs),
        excluded_page_ids=tuple(page.page_id for page in new.excluded_pages if page.page_id not in old_excluded),
        num_pages=new.coverage.captured,
    )


@dataclass(frozen=True, slots=True)
class Regrouping:
    """A whole session grouped again, for `LiveMap.apply_regrouping`."""

    outline: Outline
    corpus: Corpus
    text: FloatArray


def regroup(pages: Sequence[PageFeatures], title: str | None, language: str | None) -> Regrouping:
    """Group the whole session. Pure, and the only slow step: it may run beside the live map that it is meant for."""
    corpus = build_corpus([page for page in in_reading_order(pages) if page.exclusion_reason is None])
    return Regrouping(build_outline(pages, title=title, language=language), corpus, text_similarity(corpus))


class LiveMap:
    """The growing map of one session. Not thread-safe; after a restart it is rebuilt from the session's pages."""

    def __init__(self, *, title: str | None = None, language: str | None = None) -> None:
        self.title, self.language = title, language
        self._pages: dict[str, CapturedPage] = {}
        self._features: dict[str, PageFeatures] = {}
        self._outline: Outline | None = None
        self._index: IncrementalIndex | None = None
        self._num_grouped = 0
        self.document: MindmapDocument = compose_document(build_outline([]), [], provider="local", session_title=title)

    @property
    def needs_regrouping(self) -> bool:
        """Whether the session has grown so much that it should be grouped again."""
        return self._num_placeable() >= self._num_grouped * REGROUP_GROWTH_FACTOR

    def features(self) -> tuple[PageFeatures, ...]:
        """The features of all pages, for `regroup`."""
        return tuple(self._features.values())

    def add_page(self, page: CapturedPage) -> MapDelta:
        """Place a page, or update a known one (dwell time, text, visits); return the changes of the map.

        Groups the session again when that is needed.
        """
        return self.add_pages([page])

    def add_pages(self, pages: Sequence[CapturedPage]) -> MapDelta:
        """As `add_page`, for pages that arrive together."""
        before = self.document
        self.place_pages(pages)
        if self.needs_regrouping:
            self.apply_regrouping(self._regroup())
        return delta_between(before, self.document)

    def place_pages(self, pages: Sequence[CapturedPage]) -> None:
        """As `add_pages`, but a long session is not grouped again; see `needs_regrouping`."""
        num_new = sum(1 for page in pages if page.page_id not in self._pages)
        for page in pages:
            self._pages[page.page_id] = page
            self._features[page.page_id] = page_features(page)
        is_small = self._num_placeable() <= MAX_PAGES_REGROUPED_INLINE and self.needs_regrouping
        has_many_new = num_new > max(8, len(self._pages) // 4)
        if self._index is None or is_small or has_many_new:
            self.apply_regrouping(self._regroup())
            return
        for page in pages:
            self._update_index(self._features[page.page_id])
        self._rebuild_document()

    def apply_regrouping(self, regrouping: Regrouping) -> None:
        """Use a new grouping; pages that arrived since it was started are placed in it."""
        if regrouping.outline.annotations:
            self._use(regrouping)
            self._num_grouped = len(regrouping.outline.annotations)
            for page in self._features.values():
                self._update_index(page)
        else:
            self._outline, self._index = regrouping.outline, None
        self._rebuild_document()

    def _regroup(self) -> Regrouping:
        return regroup(self.features(), self.title, self.language)

    def _use(self, regrouping: Regrouping) -> None:
        self._outline = reuse_ids(regrouping.outline, self.document, min_overlap=LIVE_MIN_OVERLAP)
        self._index = IncrementalIndex(regrouping.corpus, regrouping.text, regrouping.outline.annotations)

    def _num_placeable(self) -> int:
        return sum(1 for page in self._features.values() if page.exclusion_reason is None)

    def _update_index(self, page: PageFeatures) -> None:
        """Add or update a page in the index; drop the index when a page in it is now excluded."""
        if page.exclusion_reason is None and self._index is not None:
            self._index.upsert(page)
        elif self._index is not None and page.page_id in self._index.row_of:
            self._index = None

    def _rebuild_document(self) -> None:
        if self._index is not None and self._outline is not None:
            self._outline = self._extend_outline(self._outline, self._index)
        elif self._num_placeable():
            self._use(self._regroup())
        outline = self._outline or build_outline(self.features(), title=self.title)
        pages = list(self._pages.values())
        self.document = compose_document(
            outline, pages, provider="local", session_title=self.title, previous=self.document
        )

    def _extend_outline(self, outline: Outline, index: IncrementalIndex) -> Outline:
        """`outline` with the pages that are not in it yet, each in its most similar topic."""
        row_of = index.row_of
        topics = [_restrict_topic(topic, set(row_of)) for topic in outline.topics]
        topics = [topic for topic in topics if topic.all_page_ids()]
        placed = {page_id for topic in topics for page_id in topic.all_page_ids()}
        missing = [page for page in index.pages if page.page_id not in placed]
        if missing:
            similarity = index.similarity()
            for page in missing:
                topics = _assign_page(topics, page, similarity, row_of)
        topic_numbers = np.zeros(len(index.pages), dtype=np.int64)
        for number, topic in enumerate(topics):
            for page_id in topic.all_page_ids():
                topic_numbers[row_of[page_id]] = number
        excluded = [page for page in in_reading_order(self._features.values()) if page.exclusion_reason is not None]
        return replace(
            outline,
            topics=tuple(topics),
            annotations=index.annotations(topic_numbers),
            excluded_pages=tuple(page_exclusion(page) for page in excluded),
            stability=None,
        )


def _restrict_topic(topic: OutlineTopic, page_ids: set[str]) -> OutlineTopic:
    """`topic` without pages that are not among `page_ids`, and without sub-topics that are then empty."""
    subtopics = tuple(_restrict_topic(subtopic, page_ids) for subtopic in topic.subtopics)
    return replace(
        topic,
        page_ids=tuple(page_id for page_id in topic.page_ids if page_id in page_ids),
        subtopics=tuple(subtopic for subtopic in subtopics if subtopic.all_page_ids()),
    )


def _assign_page(
    topics: Sequence[OutlineTopic], page: PageFeatures, similarity: FloatArray, row_of: Mapping[str, int]
) -> list[OutlineTopic]:
    """`topics` with `page` in the most similar of them, or in a new one when none is similar enough."""
    row = row_of[page.page_id]
    best: tuple[float, int] | None = None
    for number, topic in enumerate(topics):
        members = np.array([row_of[page_id] for page_id in topic.all_page_ids()])
        to_topic = float(np.sort(similarity[row, members])[-_NUM_NEAREST:].mean())
        ratio = round(to_topic / max(_similarity_inside(similarity, members), 1e-6), 9)
        if ratio >= MIN_JOIN_RATIO and (best is None or to_topic > best[0]):
            best = (to_topic, number)
    if best is None:
        return [*topics, *build_outline([page]).topics]
    chosen = best[1]
    return [
        _with_page(topic, page, similarity, row_of) if number == chosen else topic
        for number, topic in enumerate(topics)
    ]


def _similarity_inside(similarity: FloatArray, members: IntArray) -> float:
    """The mean similarity of a topic's pages (rows `members`) to their most similar pages in the topic."""
    if len(members) < 2:
        return _SINGLE_PAGE_SIMILARITY
    inside = similarity[np.ix_(members, members)]
    return float(np.sort(inside, axis=1)[:, -_NUM_NEAREST:].mean())


def _with_page(
    topic: OutlineTopic, page: PageFeatures, similarity: FloatArray, row_of: Mapping[str, int]
) -> OutlineTopic:
    """`topic` with `page` at the end of it, or of the sub-topic that has the most similar page."""
    if not topic.subtopics:
        return replace(topic, page_ids=(*topic.page_ids, page.page_id))
    row = row_of[page.page_id]

    def nearest(number: int) -> tuple[float, int]:
        rows = [row_of[page_id] for page_id in topic.subtopics[number].all_page_ids()]
        return -float(similarity[row, rows].max()), number

    chosen = min(range(len(topic.subtopics)), key=nearest)
    subtopics = list(topic.subtopics)
    subtopics[chosen] = _with_page(subtopics[chosen], page, similarity, row_of)
    return replace(topic, subtopics=tuple(subtopics))
