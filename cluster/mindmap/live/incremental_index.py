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
from cluster.mindmap.clustering.similarity import (
    MAX_DOCUMENT_SHARE,
    combined_similarity,
    site_similarity,
    visit_order_similarity,
)
from cluster.mindmap.outline.pipeline import MAX_PAGE_KEYWORDS, annotate_page
from cluster.mindmap.outline.types import PageAnnotation
from cluster.mindmap.pages.features import PHRASE_BREAK, PageFeatures, count_sentences, without_notices
from cluster.mindmap.pages.importance import page_importances
from cluster.mindmap.pages.titles import joined_segments
from cluster.mindmap.text.korean import PARTICLES
from cluster.mindmap.text.language import hangul_share
from models.text import strip_markup

_PARTICLES = frozenset(PARTICLES)
_MAX_PARTICLE_SYLLABLES = 4
#: A word of the body counts as a keyword from this weighted count on: three times in the text, or once in the title.
_MIN_KEYWORD_COUNT = 3


class IncrementalIndex:
    """The similarities and annotations of one session's placed pages; rows are in the order of arrival."""

    def __init__(self, corpus: Corpus, text: FloatArray, annotations: Sequence[PageAnnotation]) -> None:
        self.pages = list(corpus.pages)
        self.row_of = {page.page_id: i for i, page in enumerate(self.pages)}
        self._annotations = {annotation.page_id: annotation for annotation in annotations}
        self._term_index = dict(corpus.lexicon.cluster_term_index)
        self._site_names = site_name_segments(self.pages)
        bounds = np.searchsorted(corpus.rows, np.arange(len(self.pages) + 1))
        self._terms = [corpus.cols[a:b] for a, b in pairwise(bounds)]
        self._counts = [corpus.tf[a:b] for a, b in pairwise(bounds)]
        self._sentence_counts = count_sentences(self.pages)
        self._text_similarity = text.copy()  # Larger than needed after growth; see `text_similarity`.

    @property
    def text_similarity(self) -> FloatArray:
        """Cosines of the pages' words (pages x pages)."""
        num_pages = len(self.pages)
        return self._text_similarity[:num_pages, :num_pages]

    def similarity(self) -> FloatArray:
        """The combined similarity of all pages, in which topics are found (pages x pages)."""
        return combined_similarity(
            self.text_similarity, site_similarity(self.pages), visit_order_similarity(self.pages)
        )

    def upsert(self, page: PageFeatures) -> None:
        """Add a page, or update a known one; similarities are computed again only if its words have changed."""
        row = self.row_of.get(page.page_id)
        if row is not None and _word_fields(self.pages[row]) == _word_fields(page):
            self._replace(row, page)
            return
        terms, counts = self._term_counts(page)
        if row is None:
            row = self.row_of[page.page_id] = len(self.pages)
            self.pages.append(page)
            self._sentence_counts.update(page.sentence_hashes)
            self._terms.append(terms)
            self._counts.append(counts)
            self._reserve(row + 1)
        else:
            self._replace(row, page)
            self._terms[row], self._counts[row] = terms, counts
            self._annotations.pop(page.page_id, None)
        cosines = self._cosines(row)
        self._text_similarity[row, : len(cosines)] = cosines
        self._text_similarity[: len(cosines), row] = cosines

    def _replace(self, row: int, page: PageFeatures) -> None:
        self._sentence_counts.subtract(self.pages[row].sentence_hashes)
        self._sentence_counts.update(page.sentence_hashes)
        self.pages[row] = page

    def _reserve(self, num_pages: int) -> None:
        """Grow the matrix by a quarter when it is full, so that it is not copied for every page."""
        size = len(self._text_similarity)
        if num_pages > size:
            larger = np.zeros(((num_pages - 1) * 5 // 4 + 16,) * 2)
            larger[:size, :size] = self._text_similarity
            self._text_similarity = larger

    def annotations(self, topics: IntArray) -> tuple[PageAnnotation, ...]:
        """An annotation for every page, by row; `topics` holds their topic numbers."""
        importances = page_importances(self.pages, self._centrality(topics))
        annotations = []
        for row, page in enumerate(self.pages):
            annotation = self._annotations.get(page.page_id)
            if annotation is None:
                core, _ = split_title_segments(page, self._site_names)
                title = joined_segments(page.title, page.title_segments, core)
                pages = self.pages.copy()
                pages[row] = without_notices(page, self._sentence_counts)
                annotation = annotate_page(row, pages, self.text_similarity[row], title, self._keywords(row))
                self._annotations[page.page_id] = annotation
            annotations.append(replace(annotation, importance=importances[row]))
        return tuple(annotations)

    def _centrality(self, topics: IntArray) -> list[float]:
        """Each page's mean text similarity to the other pages of its topic."""
        num_pages = len(self.pages)
        membership = np.zeros((int(topics.max()) + 1 if num_pages else 0, num_pages))
        membership[topics, np.arange(num_pages)] = 1.0
        num_others = membership.sum(axis=1)[topics] - 1
        total = (self.text_similarity @ membership.T)[np.arange(num_pages), topics]
        centrality: list[float] = np.round(np.where(num_others > 0, total / np.maximum(num_others, 1), 0.0), 9).tolist()
        return centrality

    def _term_counts(self, page: PageFeatures) -> tuple[IntArray, FloatArray]:
        """The page's clustering terms, sorted, and their weighted counts; new terms get new numbers."""
        core, names = split_title_segments(page, self._site_names)
        sources = (
            (b"".join(page.title_words[i] for i in core), TITLE_WEIGHT),
            (b"".join(page.title_words[i] for i in names), SITE_NAME_WEIGHT),
            (page.path_words, PATH_WEIGHT),
            (page.highlight_words, HIGHLIGHT_WEIGHT),
            (b"".join(page.body), BODY_WEIGHT),
        )
        word_counts: dict[int, float] = {}
        for encoded, weight in sources:
            for word, count in Counter(array("H", encoded)).items():
                word_counts[word] = word_counts.get(word, 0.0) + count * weight
        term_counts: dict[int, float] = {}
        for word, word_count in word_counts.items():
            if word != PHRASE_BREAK:
                for term in self._cluster_terms(page.vocabulary[word - 1]):
                    number = self._term_index.setdefault(term, len(self._term_index))
                    term_counts[number] = term_counts.get(number, 0.0) + word_count
        numbers = np.array(sorted(term_counts), dtype=np.int64)
        return numbers, np.array([term_counts[int(number)] for number in numbers], dtype=np.float64)

    def _cluster_terms(self, word: str) -> list[str]:
        """The clustering terms of a word; of a Korean one the stem that the session is known to use."""
        if not "가" <= word[0] <= "힣":
            return analyze_word(word)[0]
        if word in self._term_index:
            return [word]
        for size in range(1, min(_MAX_PARTICLE_SYLLABLES, len(word) - 1) + 1):
            if word[-size:] in _PARTICLES and word[:-size] in self._term_index:
                return [word[:-size]]
        return [word]

    def _cosines(self, row: int) -> FloatArray:
        """Text similarity of one page to every page, 0 to itself; weighted as in `text_similarity` of the corpus.

        Not rounded to multiples of 2^-20: only one product is summed, in a fixed order.
        """
        num_pages = len(self.pages)
        rows = np.repeat(np.arange(num_pages), [len(terms) for terms in self._terms])
        cols, tf = np.concatenate(self._terms), np.concatenate(self._counts)
        df = np.bincount(cols, minlength=len(self._term_index))
        kept = (df[cols] >= 2) & (df[cols] <= max(2.0, MAX_DOCUMENT_SHARE * num_pages))
        rows, cols, tf = rows[kept], cols[kept], tf[kept]
        weights = (1 + np.log(np.maximum(tf, 1.0))) * (np.log((1 + num_pages) / (1 + df)) + 1.0)[cols]
        norms = np.sqrt(np.bincount(rows, weights=weights * weights, minlength=num_pages))
        weight_by_term = np.zeros(len(self._term_index))
        weight_by_term[cols[rows == row]] = weights[rows == row]
        products = np.bincount(rows, weights=weights * weight_by_term[cols], minlength=num_pages)
        cosines: FloatArray = products / np.maximum(norms * norms[row], 1e-12)
        cosines[row] = 0.0
        return cosines

    def _keywords(self, row: int) -> tuple[str, ...]:
        """The terms of a page with the highest TF-IDF, of those in its title or often in its text."""
        terms = list(self._term_index)  # A dict keeps the order of insertion, which is that of the numbers.
        df = np.bincount(np.concatenate(self._terms), minlength=len(terms)).tolist()
        num_pages = len(self.pages)
        scored = sorted(
            (-round((1 + math.log(max(1.0, tf))) * math.log((1 + num_pages) / (df[number] + 0.5)), 9), terms[number])
            for number, tf in zip(self._terms[row].tolist(), self._counts[row].tolist(), strict=True)
            if tf >= _MIN_KEYWORD_COUNT and (len(terms[number]) > 2 or hangul_share(terms[number]) > 0.5)
        )
        return tuple(strip_markup(term) for _, term in scored[:MAX_PAGE_KEYWORDS])


def _word_fields(page: PageFeatures) -> tuple[object, ...]:
    """The fields of a page that decide its words."""
    return page.title_words, page.path_words, page.highlight_words, page.body, page.vocabulary
