"""The map that grows while a session is recorded: each page finds its place at once, and nothing else moves much.

A new page joins the topic its nearest pages are in, or starts one of its own; only what is new about it is computed
(`IncrementalIndex`). When the session has grown by half it should be grouped again as a whole, which takes a second or
two for hundreds of pages: `due` says so, and the caller may do the slow part (`regroup`) elsewhere while more pages
arrive, and hand the result to `adopt`. Topics then keep their ids as long as they hold some of the same pages, and
every node keeps its place in space when it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, build_corpus
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

REGROUP_GROWTH_FACTOR = 1.5
MIN_JOIN_RATIO = 0.45  # Of a topic's own closeness: below that a page starts a topic.
MAX_PAGES_REGROUPED_INLINE = 40  # Up to so many pages the whole session is grouped again in a moment.
#: A topic that still holds a tenth of what it held is the same to somebody who watches.
LIVE_MIN_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class MapDelta:
    """What to change on the last map to have this one. `nodes` are new or changed, whole; edges likewise."""

    nodes: tuple[Node, ...]
    removed_node_ids: tuple[str, ...]
    edges: tuple[Edge, ...]
    removed_edges: tuple[tuple[str, str], ...]
    excluded_page_ids: tuple[str, ...]
    num_pages: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the clients' names."""
        return {
            "nodes": [node.model_dump(mode="json", by_alias=True, exclude_none=True) for node in self.nodes],
            "removed_node_ids": list(self.removed_node_ids),
            "edges": [edge.model_dump(mode="json", exclude_none=True) for edge in self.edges],
            "removed_edges": [{"source": source, "target": target} for source, target in self.removed_edges],
            "left_out_page_ids": list(self.excluded_page_ids),
            "num_pages": self.num_pages,
        }


def delta_between(old: MindmapDocument | None, new: MindmapDocument) -> MapDelta:
    """The difference of two maps as nodes and edges to put and to remove."""
    before = {node.id: node for node in old.nodes} if old else {}
    joined = {(e.source, e.target): e for e in old.edges} if old else {}
    excused = {one.page_id for one in old.excluded_pages} if old else set()
    ids, pairs = {node.id for node in new.nodes}, {(e.source, e.target) for e in new.edges}
    return MapDelta(
        nodes=tuple(node for node in new.nodes if before.get(node.id) != node),
        removed_node_ids=tuple(i for i in before if i not in ids),
        edges=tuple(edge for edge in new.edges if joined.get((edge.source, edge.target)) != edge),
        removed_edges=tuple(pair for pair in joined if pair not in pairs),
        excluded_page_ids=tuple(one.page_id for one in new.excluded_pages if one.page_id not in excused),
        num_pages=new.coverage.captured,
    )


@dataclass(frozen=True, slots=True)
class Regrouping:
    """A session grouped anew, for `LiveMap.adopt`."""

    outline: Outline
    corpus: Corpus
    text: FloatArray


def regroup(pages: Sequence[PageFeatures], title: str | None, language: str | None) -> Regrouping:
    """Group the whole session. Pure, and the one slow step: it may run beside the map it is meant for."""
    placeable = [page for page in in_reading_order(pages) if page.exclusion_reason is None]
    corpus = build_corpus(placeable)
    return Regrouping(build_outline(pages, title=title, language=language), corpus, text_similarity(corpus))


class LiveMap:
    """One session's map in the making. Not thread-safe; rebuilt from the session's pages after a restart."""

    def __init__(self, *, title: str | None = None, language: str | None = None) -> None:
        self.title, self.language = title, language
        self._pages: dict[str, CapturedPage] = {}
        self._features: dict[str, PageFeatures] = {}
        self._outline: Outline | None = None
        self._index: IncrementalIndex | None = None
        self._grouped_at = 0
        self.document: MindmapDocument = compose_document(build_outline([]), [], provider="local", session_title=title)

    @property
    def needs_regrouping(self) -> bool:
        """Whether the session has grown so much that it should be grouped again."""
        return self._num_placeable() >= self._grouped_at * REGROUP_GROWTH_FACTOR

    def features(self) -> tuple[PageFeatures, ...]:
        """Everything `regroup` needs."""
        return tuple(self._features.values())

    def add_page(self, page: CapturedPage) -> MapDelta:
        """Place a page, or take over its new dwell, text or visits, and say what changed on the map.

        Groups again when that is due.
        """
        return self.add_pages([page])

    def add_pages(self, pages: Sequence[CapturedPage]) -> MapDelta:
        """As `add`, for pages that arrived together."""
        before = self.document
        self.place_pages(pages)
        if self.needs_regrouping:
            self.apply_regrouping(regroup(self.features(), self.title, self.language))
        return delta_between(before, self.document)

    def place_pages(self, pages: Sequence[CapturedPage]) -> None:
        """As `add_all`, but what takes long is left undone: see `due`."""
        fresh = [page.page_id for page in pages if page.page_id not in self._pages]
        for page in pages:
            self._pages[page.page_id] = page
            self._features[page.page_id] = page_features(page)
        small = self._num_placeable() <= MAX_PAGES_REGROUPED_INLINE and self.needs_regrouping
        many = len(fresh) > max(8, len(self._pages) // 4)
        if self._index is None or small or many:
            self.apply_regrouping(regroup(self.features(), self.title, self.language))
            return
        for page in pages:
            self._update_index(self._features[page.page_id])
        self._rebuild_document()

    def apply_regrouping(self, found: Regrouping) -> None:
        """Take over a new grouping; pages that came since it was begun are placed in it."""
        if found.outline.annotations:
            self._outline = reuse_ids(found.outline, self.document, min_overlap=LIVE_MIN_OVERLAP)
            self._index = IncrementalIndex(found.corpus, found.text, found.outline.annotations)
            self._grouped_at = len(found.outline.annotations)
            for page in self._features.values():
                self._update_index(page)
        else:
            self._outline, self._index = found.outline, None
        self._rebuild_document()

    def _num_placeable(self) -> int:
        return sum(1 for page in self._features.values() if page.exclusion_reason is None)

    def _update_index(self, page: PageFeatures) -> None:
        """Bring the index up to date with a page; one that has become noise makes the next grouping due."""
        if page.exclusion_reason is None and self._index is not None:
            self._index.upsert(page)
        elif self._index is not None and page.page_id in self._index.row_of:
            self._index = None

    def _rebuild_document(self) -> None:
        if self._index is not None and self._outline is not None:
            self._outline = self._extend_outline(self._outline, self._index)
        elif self._features and any(page.exclusion_reason is None for page in self._features.values()):
            found = regroup(self.features(), self.title, self.language)
            self._outline = reuse_ids(found.outline, self.document, min_overlap=LIVE_MIN_OVERLAP)
            self._index = IncrementalIndex(found.corpus, found.text, found.outline.annotations)
        outline = self._outline or build_outline(list(self._features.values()), title=self.title)
        everything = list(self._pages.values())
        self.document = compose_document(
            outline, everything, provider="local", session_title=self.title, previous=self.document
        )

    def _extend_outline(self, outline: Outline, index: IncrementalIndex) -> Outline:
        """`outline` with the pages that are not in it yet, each in the topic nearest to it."""
        number = index.row_of
        topics = [_restrict_topic(topic, set(number)) for topic in outline.topics]
        topics = [topic for topic in topics if topic.all_page_ids()]
        placed = {page for topic in topics for page in topic.all_page_ids()}
        missing = [page for page in index.pages if page.page_id not in placed]
        if missing:
            closeness = index.similarity()
            for page in missing:
                topics = _assign_page(topics, page, closeness, number)
        groups = np.zeros(len(index.pages), dtype=np.int64)
        for i, topic in enumerate(topics):
            for page_id in topic.all_page_ids():
                groups[number[page_id]] = i
        noise = [page for page in in_reading_order(self._features.values()) if page.exclusion_reason is not None]
        return replace(
            outline,
            topics=tuple(topics),
            annotations=index.annotations(groups),
            excluded_pages=tuple(page_exclusion(page) for page in noise),
            stability=None,
        )


def _restrict_topic(topic: OutlineTopic, known: set[str]) -> OutlineTopic:
    parts = tuple(_restrict_topic(part, known) for part in topic.subtopics)
    return replace(
        topic,
        page_ids=tuple(page for page in topic.page_ids if page in known),
        subtopics=tuple(part for part in parts if part.page_ids),
    )


def _assign_page(
    topics: list[OutlineTopic], page: PageFeatures, closeness: FloatArray, number: dict[str, int]
) -> list[OutlineTopic]:
    """`topics` with `page` in the nearest of them, or in a new one when none is near."""
    mine = number[page.page_id]
    best: tuple[float, int] | None = None
    for i, topic in enumerate(topics):
        members = np.array([number[p] for p in topic.all_page_ids()])
        near = float(np.sort(closeness[mine, members])[-3:].mean())
        inner = closeness[np.ix_(members, members)]
        usual = float(np.sort(inner, axis=1)[:, -3:].mean()) if len(members) > 1 else 0.25
        ratio = round(near / max(usual, 1e-6), 9)
        if ratio >= MIN_JOIN_RATIO and (best is None or near > best[0]):
            best = (near, i)
    if best is None:
        alone = build_outline([page])
        return [*topics, *alone.topics]
    topic = topics[best[1]]
    if topic.subtopics:
        parts = sorted(
            range(len(topic.subtopics)),
            key=lambda k: (-float(closeness[mine, [number[p] for p in topic.subtopics[k].page_ids]].max()), k),
        )
        chosen = topic.subtopics[parts[0]]
        grown = replace(chosen, page_ids=(*chosen.page_ids, page.page_id))
        changed = replace(topic, subtopics=tuple(grown if part is chosen else part for part in topic.subtopics))
    else:
        changed = replace(topic, page_ids=(*topic.page_ids, page.page_id))
    return [changed if i == best[1] else other for i, other in enumerate(topics)]
