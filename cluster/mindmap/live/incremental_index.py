"""Similarities and annotations of a session's pages, updated page by page while the session grows.

An `IncrementalIndex` starts from the corpus of a whole grouping. A later page is read with what that corpus learnt
(Korean stems, site names) and gets one new row of similarities; the other rows keep the document frequencies of the
time they were computed, until the next whole grouping replaces them.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cluster.mindmap.clustering.corpus import (
    BODY_WEIGHT,
    HIGHLIGHT_WEIGHT,
    PATH_WEIGHT,
    SITE_NAME_WEIGHT,
    TITLE_WEIGHT,
    Corpus,
    FloatArray,
    IntArray,
    analyze_word,
    site_name_segments,
    split_title_segments,
)
from cluster.mindmap.clustering.similarity import combined_similarity, site_similarity, visit_order_similarity
from cluster.mindmap.outline.types import PageAnnotation
from cluster.mindmap.pages import evidence as quoting
from cluster.mindmap.pages.features import PHRASE_BREAK, PageFeatures, default_page_label
from cluster.mindmap.pages.importance import page_importances
from cluster.mindmap.text.korean import PARTICLES
from cluster.mindmap.text.language import hangul_share
from models.mindmap.document import MAX_LABEL_CHARS, Importance
from models.text import shorten, strip_markup

NUM_NEIGHBOURS = 8
_PARTICLES = frozenset(PARTICLES)


class IncrementalIndex:
    """Similarities and notes of the placed pages of one session, in the order in which they came."""

    def __init__(self, corpus: Corpus, text: FloatArray, notes: Sequence[PageAnnotation]) -> None:
        self.pages = list(corpus.pages)
        self.row_of = {page.page_id: i for i, page in enumerate(self.pages)}
        self._annotations = {note.page_id: note for note in notes}
        self._term_index = dict(corpus.lexicon.cluster_term_index)
        self._sites = site_name_segments(self.pages)
        bounds = np.searchsorted(corpus.rows, np.arange(len(self.pages) + 1))
        self._cols = [corpus.cols[a:b] for a, b in pairwise(bounds)]
        self._tf = [corpus.tf[a:b] for a, b in pairwise(bounds)]
        self._text_similarity = text.copy()

    @property
    def text_similarity(self) -> FloatArray:
        """Cosines of the pages' words, by row."""
        num = len(self.pages)
        return self._text_similarity[:num, :num]

    def upsert(self, page: PageFeatures) -> None:
        """Take in a page, or what has changed about one."""
        row = self.row_of.get(page.page_id)
        if row is not None and _word_fields(self.pages[row]) == _word_fields(page):
            self.pages[row] = page
            return
        cols, tf = self._term_counts(page)
        if row is None:
            row = self.row_of[page.page_id] = len(self.pages)
            self.pages.append(page)
            self._cols.append(cols)
            self._tf.append(tf)
            if row >= len(self._text_similarity):
                wider = np.zeros((row * 5 // 4 + 16,) * 2)
                wider[: len(self._text_similarity), : len(self._text_similarity)] = self._text_similarity
                self._text_similarity = wider
        else:
            self.pages[row], self._cols[row], self._tf[row] = page, cols, tf
            self._annotations.pop(page.page_id, None)
        closeness = self._cosines(row)
        self._text_similarity[row, : len(closeness)] = closeness
        self._text_similarity[: len(closeness), row] = closeness

    def similarity(self) -> FloatArray:
        """What topics are found in, for all pages."""
        return combined_similarity(
            self.text_similarity, site_similarity(self.pages), visit_order_similarity(self.pages)
        )

    def annotations(self, groups: IntArray) -> tuple[PageAnnotation, ...]:
        """A note on every page, in reading order of their coming; `groups` are the topic numbers by row."""
        text, num = self.text_similarity, len(self.pages)
        member = np.zeros((int(groups.max()) + 1 if num else 0, num))
        member[groups, np.arange(num)] = 1.0
        peers = member.sum(axis=1)[groups] - 1
        inside = (text @ member.T)[np.arange(num), groups]
        central = np.round(np.where(peers > 0, inside / np.maximum(peers, 1), 0.0), 9).tolist()
        importances = page_importances(self.pages, central)
        found = []
        for i, page in enumerate(self.pages):
            known = self._annotations.get(page.page_id)
            if known is None:
                known = self._annotations[page.page_id] = self._annotate(i)
            found.append(replace(known, importance=importances[i]))
        return tuple(found)

    def _term_counts(self, page: PageFeatures) -> tuple[IntArray, FloatArray]:
        """The page's clustering terms and their weighted counts."""
        core, names = split_title_segments(page, self._sites)
        sources = (
            (b"".join(page.title_words[i] for i in core), TITLE_WEIGHT),
            (b"".join(page.title_words[i] for i in names), SITE_NAME_WEIGHT),
            (page.path_words, PATH_WEIGHT),
            (page.highlight_words, HIGHLIGHT_WEIGHT),
            (b"".join(page.body), BODY_WEIGHT),
        )
        per_word: Counter[int] = Counter()
        for encoded, weight in sources:
            for word, times in Counter(array("H", encoded)).items():
                per_word[word] += times * weight  # type: ignore[assignment]  # A counter holds any number.
        counts: Counter[int] = Counter()
        for word, weight in per_word.items():
            if word != PHRASE_BREAK:
                for part in self._cluster_terms(page.vocabulary[word - 1]):
                    counts[self._term_index.setdefault(part, len(self._term_index))] += weight
        cols = np.array(sorted(counts), dtype=np.int64)
        return cols, np.array([counts[int(col)] for col in cols], dtype=np.float64)

    def _cluster_terms(self, word: str) -> list[str]:
        if not "가" <= word[0] <= "힣":
            return analyze_word(word)[0]
        if word in self._term_index:
            return [word]
        for size in range(1, min(4, len(word) - 1) + 1):
            if word[-size:] in _PARTICLES and word[:-size] in self._term_index:
                return [word[:-size]]
        return [word]

    def _cosines(self, row: int) -> FloatArray:
        """Cosines of one page with all of them, 0 with itself."""
        num = len(self.pages)
        sizes = [len(cols) for cols in self._cols]
        rows = np.repeat(np.arange(num), sizes)
        cols, tf = np.concatenate(self._cols), np.concatenate(self._tf)
        df = np.bincount(cols, minlength=len(self._term_index))
        kept = (df[cols] >= 2) & (df[cols] <= max(2.0, 0.8 * num))
        rows, cols, tf = rows[kept], cols[kept], tf[kept]
        weights = (1 + np.log(np.maximum(tf, 1.0))) * (np.log((1 + num) / (1 + df)) + 1.0)[cols]
        norms = np.sqrt(np.bincount(rows, weights=weights * weights, minlength=num))
        mine = np.zeros(len(self._term_index))
        mine[cols[rows == row]] = weights[rows == row]
        dots = np.bincount(rows, weights=weights * mine[cols], minlength=num)
        found: FloatArray = dots / np.maximum(norms * norms[row], 1e-12)
        found[row] = 0.0
        return found

    def _annotate(self, row: int) -> PageAnnotation:
        page = self.pages[row]
        core, _ = split_title_segments(page, self._sites)
        label = strip_markup(" ".join(page.title_segments[i] for i in core)) or default_page_label(page)
        description, evidence = quoting.page_evidence(page)
        closeness = self.text_similarity[row]
        nearest = np.argsort(-np.round(closeness, 9), kind="stable")[:NUM_NEIGHBOURS]
        return PageAnnotation(
            page_id=page.page_id,
            label=shorten(label, MAX_LABEL_CHARS - 12),
            description=description,
            keywords=self._keywords(page),
            evidence=evidence,
            importance=Importance(),
            language=page.language,
            neighbours=tuple(
                (self.pages[int(j)].page_id, round(float(closeness[j]), 6)) for j in nearest if closeness[j] > 0.02
            ),
        )

    def _keywords(self, page: PageFeatures, limit: int = 4) -> tuple[str, ...]:
        """Words of the page that stand in its title or often in its text, and on few other pages."""
        row = self.row_of[page.page_id]
        names = list(self._term_index)  # In order of their numbers: that is how they were given.
        df = np.bincount(np.concatenate(self._cols), minlength=len(names)).tolist()
        num = len(self.pages)
        scored = sorted(
            (-round((1 + math.log(max(1.0, tf))) * math.log((1 + num) / (df[col] + 0.5)), 9), names[col])
            for col, tf in zip(self._cols[row].tolist(), self._tf[row].tolist(), strict=True)
            if tf >= 3 and (len(names[col]) > 2 or hangul_share(names[col]) > 0.5)
        )
        return tuple(strip_markup(name) for _, name in scored[:limit])


def _word_fields(page: PageFeatures) -> tuple[object, ...]:
    return page.title_words, page.path_words, page.highlight_words, page.body, page.vocabulary
