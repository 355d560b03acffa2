"""Keeps of a model's outline what is at least as good as the local one, by the checks of the map exam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cluster.mindmap.clustering.communities import MIN_PAGES_FOR_THIRD_LEVEL
from cluster.mindmap.clustering.corpus import Corpus, FloatArray, build_corpus
from cluster.mindmap.clustering.similarity import (
    meaning_similarity,
    page_affinity,
    site_similarity,
    text_similarity,
    visit_order_similarity,
    words_and_meaning,
)
from cluster.mindmap.outline.definitions import relabelled
from cluster.mindmap.outline.label_checks import PageWording, description_problems, label_problems
from cluster.mindmap.outline.labels import TopicLabeler
from cluster.mindmap.outline.phrases import PhraseIndex
from cluster.mindmap.outline.types import Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.pages.evidence import label_evidence, label_halves, supports_label
from cluster.mindmap.pages.features import PageFeatures, count_sentences, without_notices
from cluster.mindmap.pages.reading_order import in_reading_order
from cluster.mindmap.text.meaning import SentenceEncoder
from models.mindmap.document import MAX_TOPIC_LEVELS, Evidence
from models.recording.pages import CapturedPage

BoolArray = npt.NDArray[np.bool_]

#: Pages that are nearer than this belong together: with .16 to .18, on the development part of the map exam no worse
#: grouping is kept, and every right one is.
TOGETHER_AFFINITY = 0.17
#: A grouping may lose this share of what can be won: a model knows more than the affinity of pages.
COHERENCE_MARGIN = 0.02
#: Topics that share less of their pages (Jaccard index) have no label in common.
_MIN_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class KeptOutline:
    """The outline; whether its topics are the local ones; how many names and descriptions of the model were worse."""

    outline: Outline
    has_local_topics: bool
    num_local: int


def keep_better(
    outline: Outline,
    local: Outline,
    features: Sequence[PageFeatures],
    pages: Sequence[CapturedPage],
    encoder: SentenceEncoder | None = None,
) -> KeptOutline:
    """A model's `outline` with the local topics, names and descriptions in place of those that are worse.

    The topics are compared as a whole by their coherence, labels by `label_problems` and their quotes, descriptions by
    `description_problems`. `features` and `pages` are those of the session; `encoder` is as in `build_outline`.
    """
    comparison = _Comparison(local, features, pages, encoder)
    has_local_topics = not comparison.is_coherent(outline)
    if has_local_topics:
        outline = replace(
            outline,
            title=local.title,
            summary=local.summary,
            topics=comparison.renamed(outline),
            cross_links=local.cross_links,
            evidence=local.evidence,
            stability=local.stability,
        )
    else:
        outline = replace(outline, topics=tuple(comparison.better_topic(topic) for topic in outline.topics))
    return KeptOutline(comparison.with_better_pages(outline), has_local_topics, comparison.num_local)


class _Comparison:
    """Compares a model's outline of one session with the local one, and counts the wording that stays local."""

    def __init__(
        self,
        local: Outline,
        features: Sequence[PageFeatures],
        pages: Sequence[CapturedPage],
        encoder: SentenceEncoder | None,
    ) -> None:
        placed = set(local.placed_page_ids())
        ordered = [page for page in in_reading_order(features) if page.page_id in placed]
        num_pages_of_sentence = count_sentences(ordered)
        self._pages = [without_notices(page, num_pages_of_sentence) for page in ordered]
        self._row_of = {page.page_id: row for row, page in enumerate(self._pages)}
        self._local, self._encoder = local, encoder
        self._wordings = {page.page_id: PageWording(page) for page in pages}
        self.num_local = 0

    @cached_property
    def _corpus(self) -> Corpus:
        return build_corpus(self._pages)

    @cached_property
    def _labeler(self) -> TopicLabeler:
        return TopicLabeler(PhraseIndex(self._corpus), self._encoder)

    def is_coherent(self, outline: Outline) -> bool:
        """Whether the topics hold pages together, and apart, at least about as well as the local ones.

        Compared is what the pairs inside the topics gain: correlation clustering (Bansal, Blum and Chawla 2004).
        """
        if len(self._pages) < 2:
            return True
        affinity, threshold = self._affinities()
        gains = np.triu(affinity - threshold, 1)
        gained, lost = (round(float(gains[self._together(each)].sum()), 6) for each in (outline, self._local))
        return gained >= lost - COHERENCE_MARGIN * float(np.abs(gains).sum())

    def _affinities(self) -> tuple[FloatArray, float]:
        """How near the pages are to each other, and from where on they belong together."""
        text, meaning = text_similarity(self._corpus), meaning_similarity(self._pages)
        if meaning is not None:
            blended = words_and_meaning(text, meaning, self._pages)
            site, visit_order = site_similarity(self._pages), visit_order_similarity(self._pages)
            return page_affinity(blended, site, visit_order), TOGETHER_AFFINITY
        # Similarity by words alone has another scale in every session: the local topics give it.
        is_together, upper = self._together(self._local), np.triu(np.ones_like(text, dtype=bool), 1)
        means = [float(text[pairs & upper].mean()) for pairs in (is_together, ~is_together) if (pairs & upper).any()]
        return text, round(sum(means) / len(means), 9)

    def _together(self, outline: Outline) -> BoolArray:
        """Which pages are in one topic (pages x pages)."""
        topic_of = {page_id: n for n, topic in enumerate(outline.topics) for page_id in topic.all_page_ids()}
        numbers = np.array([topic_of.get(page.page_id, -1 - row) for row, page in enumerate(self._pages)])
        is_together: BoolArray = np.equal(numbers[:, None], numbers[None, :])
        return is_together

    def better_topic(self, topic: OutlineTopic) -> OutlineTopic:
        """`topic` of the model, with a label and a description of our own where those are better."""
        better = self._better_label(topic)
        own = max(self._local.topics, key=lambda each: (_overlap(each, topic), each.id), default=None)
        if own is not None and description_problems(better.description) and not description_problems(own.description):
            self.num_local += 1
            better = replace(better, description=own.description)
        subtopics: list[OutlineTopic] = []
        directly = list(better.page_ids)
        for subtopic in better.subtopics:
            if self._problems(subtopic, better.label):
                # A part that no label describes is no sub-topic: the same holds for local ones.
                self.num_local += 1
                directly += subtopic.all_page_ids()
            else:
                above = f"{better.label} · {subtopic.label}"
                subtopics.append(self._with_local_parts(self._quoted(subtopic), above, level=2))
        better = replace(better, page_ids=tuple(directly), subtopics=tuple(subtopics))
        return self._with_local_parts(better, better.label, level=1)

    def _with_local_parts(self, group: OutlineTopic, above: str, level: int) -> OutlineTopic:
        """`group` with the local sub-topics whose pages are all directly in it, if these are many.

        A model is asked for two levels; when it merges the parts of a long session, for one. `above` are the labels
        above the parts.
        """
        if len(group.page_ids) < MIN_PAGES_FOR_THIRD_LEVEL:
            return group
        parts: list[OutlineTopic] = []
        free = set(group.page_ids)
        for part, parent in self._local.walk():
            pages = set(part.all_page_ids())
            is_part = parent is not None and pages <= free and len(pages) < len(group.page_ids)
            has_room = level + (2 if part.subtopics else 1) <= MAX_TOPIC_LEVELS
            if is_part and has_room and not self._problems(part, above):
                parts.append(self._quoted(part))
                free -= pages
        if len(parts) < 2:  # One part does not divide anything.
            return group
        directly = tuple(page_id for page_id in group.page_ids if page_id in free)
        return replace(group, page_ids=directly, subtopics=(*group.subtopics, *parts))

    def _better_label(self, topic: OutlineTopic) -> OutlineTopic:
        """`topic` with its label, or with the one that we give to its pages, if that has no more problems."""
        problems = self._problems(topic)
        if not problems:
            return self._quoted(topic)
        self.num_local += 1
        pages = set(topic.all_page_ids())
        own = next((each for each in self._local.topics if set(each.all_page_ids()) == pages), None)
        if own is not None:
            return self._quoted(replace(relabelled(topic, own.label), evidence=own.evidence))
        rows = np.array(sorted(self._row_of[page_id] for page_id in pages if page_id in self._row_of), dtype=np.int64)
        label, _ = self._labeler.label(rows, rivals=np.arange(len(self._pages)))
        return self._quoted(relabelled(topic, label))

    def renamed(self, outline: Outline) -> tuple[OutlineTopic, ...]:
        """The local topics with the labels of those topics of the model that hold nearly the same pages, if better."""
        renamed = []
        for own in self._local.topics:
            other = max(outline.topics, key=lambda topic: (_overlap(own, topic), topic.id), default=None)
            if other is not None and _overlap(own, other) >= _MIN_OVERLAP and other.label != own.label:
                proposed = relabelled(own, other.label)
                is_name_of_part = any(
                    self._problems(part, other.label if above is own else f"{other.label} · {above.label}")
                    for part, above in own.walk()
                    if above is not None
                )
                if self._problems(proposed) or is_name_of_part:
                    self.num_local += 1
                else:
                    own = self._quoted(proposed)
            renamed.append(own)
        return tuple(renamed)

    def with_better_pages(self, outline: Outline) -> Outline:
        """`outline` with the local descriptions of pages in place of those that a reader rejects."""
        own = {annotation.page_id: annotation for annotation in self._local.annotations}
        return replace(
            outline,
            annotations=tuple(
                self._better_page(annotation, own.get(annotation.page_id)) for annotation in outline.annotations
            ),
        )

    def _better_page(self, annotation: PageAnnotation, own: PageAnnotation | None) -> PageAnnotation:
        is_worse = description_problems(annotation.description) and own and not description_problems(own.description)
        if own is None or not is_worse:
            return annotation
        self.num_local += 1
        return replace(annotation, description=own.description, evidence=own.evidence)

    def _problems(self, topic: OutlineTopic, parent: str = "") -> list[str]:
        """The checks that the label of `topic` fails; `parent` is the label of the topic of a sub-topic."""
        pages = [self._wordings[page_id] for page_id in topic.all_page_ids() if page_id in self._wordings]
        problems = label_problems(topic.label, pages, parent)
        is_quoted = len(self._quotes(topic)) == len(label_halves(topic.label))
        return problems if is_quoted else [*problems, "no_quote"]

    def _quoted(self, topic: OutlineTopic) -> OutlineTopic:
        """`topic` with quotes that support every half of its label before its other evidence."""
        return replace(topic, evidence=tuple(dict.fromkeys((*self._quotes(topic), *topic.evidence))))

    def _quotes(self, topic: OutlineTopic) -> list[Evidence]:
        """For each half of the label a quote that supports it, as far as the pages have one."""
        pages = [self._pages[self._row_of[page_id]] for page_id in topic.all_page_ids() if page_id in self._row_of]
        quotes: list[Evidence] = []
        for half in label_halves(topic.label):
            known = (quote for quote in topic.evidence if quote.supports == "label")
            quote = next((quote for quote in known if supports_label(half, quote.quote)), None)
            found = [quote] if quote is not None else label_evidence(half, pages, 1)
            quotes += found[:1]
        return quotes


def _overlap(first: OutlineTopic, second: OutlineTopic) -> float:
    """The Jaccard index of the pages of two topics."""
    a, b = set(first.all_page_ids()), set(second.all_page_ids())
    return round(len(a & b) / max(1, len(a | b)), 9)
