"""The parts of topics, on two levels: communities, and groups that phrases of titles name, that a label describes.

The second level has what `clustering.communities` finds in a topic. The third level comes from two sides. In a topic of
many sub-topics those whose titles share a phrase are put below one that it names; and a sub-topic of many pages is
divided as a topic is. What no label describes is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.mindmap.clustering.communities import MAX_SUBTOPICS, MIN_PAGES_FOR_THIRD_LEVEL, find_subtopics
from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.clustering.similarity import combined_similarity, text_similarity
from cluster.mindmap.outline.definitions import describe_topic
from cluster.mindmap.outline.label_checks import PageWording, label_problems
from cluster.mindmap.outline.labels import MIN_SUBTOPIC_PAGES, MIN_TITLE_SHARE, TopicLabeler
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.title_groups import MIN_COHESION, cohesion, find_title_groups
from cluster.mindmap.outline.types import TOPIC_ID_PREFIXES, OutlineTopic
from cluster.mindmap.pages.evidence import content_words, label_evidence
from models.mindmap.document import Importance

SUBTOPIC_VISIT_ORDER_WEIGHT = 0.03
#: Inside one subject URL folders are chapters, and the damping for large hosts leaves too little of them.
SUBTOPIC_SITE_FACTOR = 3.0
#: A sub-topic above others that has more of the topic's pages does not divide it.
MAX_UNION_SHARE = 2 / 3


@dataclass(frozen=True, slots=True)
class PageSimilarities:
    """How similar the pages of a session are (each pages x pages): by text, by site and by visit order."""

    corpus: Corpus
    text: FloatArray
    site: FloatArray
    visit_order: FloatArray

    def inside(self, members: IntArray) -> FloatArray:
        """The similarity of the pages `members` of one topic, with document frequencies of these pages alone."""
        return combined_similarity(
            text_similarity(self.corpus, members),
            SUBTOPIC_SITE_FACTOR * self.site[np.ix_(members, members)],
            self.visit_order[np.ix_(members, members)],
            SUBTOPIC_VISIT_ORDER_WEIGHT,
        )


class TopicBuilder:
    """Builds topics with a description and evidence."""

    def __init__(self, corpus: Corpus, importances: Sequence[Importance]) -> None:
        self._corpus, self._importances = corpus, importances

    def build(self, prefix: str, members: IntArray, label: str, keywords: tuple[str, ...]) -> OutlineTopic:
        """A topic over the pages `members`; its id is `prefix` and the id of the page that was read first."""
        scores = {int(i): self._importances[i].score for i in members}
        by_importance = sorted(scores, key=lambda i: (-scores[i], i))
        pages = [self._corpus.pages[i] for i in by_importance]
        description, description_evidence = describe_topic(label, pages)
        page_ids = tuple(self._corpus.pages[i].page_id for i in members)
        return OutlineTopic(
            id=_id_of(prefix, page_ids),
            label=label,
            description=description,
            keywords=keywords,
            page_ids=page_ids,
            evidence=label_evidence(label, pages) + description_evidence,
        )


def _id_of(prefix: str, page_ids: Sequence[str]) -> str:
    return prefix + page_ids[0].removeprefix("p_")


class PartFinder:
    """Divides topics and large sub-topics into parts that a label describes."""

    def __init__(
        self, similarities: PageSimilarities, index: PhraseIndex, labeler: TopicLabeler, builder: TopicBuilder
    ) -> None:
        self._similarities, self._index, self._labeler, self._builder = similarities, index, labeler, builder
        self._row_of = {page.page_id: row for row, page in enumerate(similarities.corpus.pages)}

    def topic(self, pages: IntArray, label: str, keywords: tuple[str, ...], numbers: IntArray | None) -> OutlineTopic:
        """The topic over the rows `pages` with its sub-topics; `numbers` are those of its communities (None: none)."""
        topic = self._builder.build(TOPIC_ID_PREFIXES[1], pages, label, keywords)
        return self._divided(topic, pages, numbers, TOPIC_ID_PREFIXES[2], label)

    def with_third_level(self, topic: OutlineTopic) -> OutlineTopic:
        """`topic` with fewer sub-topics of more pages, and with parts of those that have many."""
        topic = self._with_unions(topic) if len(topic.subtopics) > MAX_SUBTOPICS else topic
        return replace(topic, subtopics=tuple(self._with_parts(topic, subtopic) for subtopic in topic.subtopics))

    def _with_parts(self, topic: OutlineTopic, subtopic: OutlineTopic) -> OutlineTopic:
        """`subtopic` with its parts, if it has more pages than a reader can overlook and none yet."""
        if subtopic.subtopics or len(subtopic.page_ids) < MIN_PAGES_FOR_THIRD_LEVEL:
            return subtopic
        pages = self._rows(subtopic)
        numbers = find_subtopics(self._similarities.inside(pages))
        above = f"{topic.label} · {subtopic.label}"
        divided = self._divided(subtopic, pages, numbers, TOPIC_ID_PREFIXES[3], above)
        # One part does not divide anything.
        return divided if len(divided.subtopics) > 1 else subtopic

    def _rows(self, topic: OutlineTopic) -> IntArray:
        return np.array(sorted(self._row_of[page_id] for page_id in topic.all_page_ids()), dtype=np.int64)

    def _divided(
        self, topic: OutlineTopic, pages: IntArray, numbers: IntArray | None, prefix: str, above: str
    ) -> OutlineTopic:
        """`topic` over the rows `pages` with the parts that a label describes; `above` are the labels above those."""
        groups = [] if numbers is None else _parts(pages, numbers)
        parts, free = self._labelled(groups, pages, pages.tolist(), prefix, above)
        # Pages of parts that no label describes are divided again by what their titles name.
        avoid = self._labeler.words_to_avoid(above)
        groups = find_title_groups(self._index, self._similarities.text, pages, free, avoid)
        more, free = self._labelled(groups, pages, free, prefix, above)
        directly = tuple(self._similarities.corpus.pages[row].page_id for row in free)
        return replace(topic, page_ids=directly, subtopics=(*parts, *more))

    def _labelled(
        self, groups: Sequence[IntArray], topic: IntArray, free: Sequence[int], prefix: str, above: str
    ) -> tuple[list[OutlineTopic], list[int]]:
        """Those of `groups` that a label describes, and the rows of `free` that are in none of them."""
        parts: list[OutlineTopic] = []
        described: set[int] = set()
        for inside in groups:
            label, keywords = self._labeler.label(inside, rivals=topic, parent=above)
            if label:
                parts.append(self._builder.build(prefix, inside, label, keywords))
                described.update(inside.tolist())
        return parts, [row for row in free if row not in described]

    def _with_unions(self, topic: OutlineTopic) -> OutlineTopic:
        """`topic` with sub-topics whose titles share a phrase below one that it describes; the largest ones first."""
        pages = self._rows(topic)
        found = []
        for numbers in self._common_phrases(topic):
            parts = [topic.subtopics[number] for number in numbers]
            rows = np.sort(np.concatenate([self._rows(part) for part in parts]))
            if MIN_PAGES_FOR_THIRD_LEVEL <= len(rows) <= MAX_UNION_SHARE * len(pages):
                nearness = cohesion(self._similarities.text, rows, pages)
                if nearness >= MIN_COHESION:
                    found.append((-len(rows), -nearness, numbers, parts, rows))
        found.sort(key=lambda union: union[:3])
        above: dict[int, OutlineTopic] = {}
        for _, _, numbers, parts, rows in found:
            if above.keys().isdisjoint(numbers) and (union := self._union(topic, pages, parts, rows)) is not None:
                above.update(dict.fromkeys(numbers, union))
        subtopics = (above.get(number, subtopic) for number, subtopic in enumerate(topic.subtopics))
        return replace(topic, subtopics=tuple(dict.fromkeys(subtopics)))

    def _common_phrases(self, topic: OutlineTopic) -> set[tuple[int, ...]]:
        """The numbers of those sub-topics, two or more, of which enough titles have a phrase that can be a label."""
        avoid = self._labeler.words_to_avoid(topic.label)
        subtopics_of: dict[int, list[int]] = {}
        for number, subtopic in enumerate(topic.subtopics):
            rows = self._rows(subtopic).tolist()
            for key, having in self._index.pages_of_title_phrases(rows).items():
                if len(set(having)) >= MIN_TITLE_SHARE * len(rows):
                    subtopics_of.setdefault(key, []).append(number)
        return {
            tuple(numbers)
            for key, numbers in subtopics_of.items()
            if len(numbers) > 1
            and self._index.is_standalone_noun(key)
            and not avoid.intersection(self._index.terms(key))
        }

    def _union(
        self, topic: OutlineTopic, pages: IntArray, parts: Sequence[OutlineTopic], rows: IntArray
    ) -> OutlineTopic | None:
        """One sub-topic with the pages `rows` above `parts`; None unless a label describes each of them."""
        label, keywords = self._name_of_union(topic, pages, parts, rows)
        if not label:
            return None
        above = f"{topic.label} · {label}"
        below = [named for part in parts if (named := self._below(part, above, rows)) is not None]
        if len(below) < 2:
            return None
        union = self._builder.build(TOPIC_ID_PREFIXES[2], rows, label, keywords)
        described = {page_id for part in below for page_id in part.page_ids}
        directly = tuple(page_id for page_id in union.page_ids if page_id not in described)
        return replace(union, page_ids=directly, subtopics=tuple(below))

    def _name_of_union(
        self, topic: OutlineTopic, pages: IntArray, parts: Sequence[OutlineTopic], rows: IntArray
    ) -> tuple[str, tuple[str, ...]]:
        """A label that describes each of `parts`, of one of them or a new one, and its keywords; empty without one."""
        corpus = self._similarities.corpus
        wordings = [[PageWording.of_features(corpus.pages[row]) for row in self._rows(part).tolist()] for part in parts]

        def describes_all(label: str) -> bool:
            return not any(label_problems(label, wording, topic.label) for wording in wordings)

        for part in parts:
            if describes_all(part.label):
                return part.label, part.keywords
        label, keywords = self._labeler.label(rows, rivals=pages, parent=topic.label)
        if label and describes_all(label):
            return label, keywords
        self._labeler.release(label)
        return "", ()

    def _below(self, part: OutlineTopic, above: str, union: IntArray) -> OutlineTopic | None:
        """`part` on the third level, with another label if its own repeats `above`; None if it then has none."""
        if content_words(part.label).isdisjoint(content_words(above)):
            return replace(part, id=_id_of(TOPIC_ID_PREFIXES[3], part.page_ids))
        rows = self._rows(part)
        label, keywords = self._labeler.label(rows, rivals=union, parent=above)
        return self._builder.build(TOPIC_ID_PREFIXES[3], rows, label, keywords) if label else None


def _parts(pages: IntArray, numbers: IntArray) -> list[IntArray]:
    """The parts of a topic that are large enough for a sub-topic."""
    parts = [pages[numbers == number] for number in range(int(numbers.max()) + 1)]
    return [part for part in parts if len(part) >= MIN_SUBTOPIC_PAGES]
