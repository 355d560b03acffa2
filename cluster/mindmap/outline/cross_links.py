"""Links across the tree: topics and pages of different topics that share unusual words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.outline.phrases import PhraseIndex, phrase_key
from cluster.mindmap.outline.types import CrossLink
from cluster.mindmap.text.words import FILLER_WORDS, GENERIC_WORDS, MEASURE_WORDS, PLATFORM_NAMES, WEAK_VERBS
from models.text import strip_markup

MIN_LINK_COSINE = 0.18
#: Pages whose meaning is less alike than this share words by chance ("minutes", "winter").
MIN_LINK_MEANING = 0.3
#: One word of two texts is chance, too: pages share so many words, one of them a word of a title, or a word of both
#: titles. A single word needs pages that are nearer to each other.
MIN_SHARED_TERMS, MIN_MEANING_OF_ONE_TERM = 2, 0.4
#: One pair of pages connects the pages, not their topics.
MIN_PAIRS_OF_TOPICS = 2
MAX_PAGE_LINKS = 40
MAX_LINKS_PER_PAGE = 2
MAX_SHARED_TERMS = 3
#: The strongest page pairs of two topics from which their shared terms are taken.
_PAIRS_PER_TOPIC_LINK = 12

#: Words that pages about anything share, and the names of platforms.
_WORDS_OF_ANY_PAGE = GENERIC_WORDS | FILLER_WORDS | MEASURE_WORDS | WEAK_VERBS | PLATFORM_NAMES

_PART_OF_HOST = re.compile(r"[^.-]+")

#: A pair of pages of different topics: (cosine, row, row).
_PagePair = tuple[float, int, int]


def find_cross_links(
    corpus: Corpus,
    index: PhraseIndex,
    text: FloatArray,
    topics: IntArray,
    topic_ids: Sequence[str],
    meaning: FloatArray | None = None,
) -> list[CrossLink]:
    """Links between topics, strongest first, then links between pages of different topics, strongest first.

    `text` is the text similarity of the pages (pages x pages), `topics` the topic number of every page, and
    `topic_ids` the id of every topic number. `meaning` has the cosines of the pages' vectors, where they have some: it
    vetoes links of pages that share words by chance.
    """
    near = text if meaning is None else _without_chance(text, meaning, corpus)
    shared = _SharedTerms(corpus, index)
    pairs = [
        (cosine, i, j)
        for cosine, i, j in _similar_pairs(near, topics)
        if shared.is_no_chance(
            i, j, is_near=meaning is None or round(float(meaning[i, j]), 9) >= MIN_MEANING_OF_ONE_TERM
        )
    ]
    return _topic_links(pairs, shared, topics, topic_ids) + _page_links(pairs, shared, corpus)


def _without_chance(text: FloatArray, meaning: FloatArray, corpus: Corpus) -> FloatArray:
    """`text` without pages that are not alike in meaning, and without those of which only the title is known."""
    has_prose = np.array([page.meaning.has_prose for page in corpus.pages])
    is_related = (np.round(meaning, 9) >= MIN_LINK_MEANING) & has_prose[:, None] & has_prose[None, :]
    near: FloatArray = np.where(is_related, text, 0.0)
    return near


def _similar_pairs(text: FloatArray, topics: IntArray) -> list[_PagePair]:
    """The pairs of pages of different topics with a cosine above `MIN_LINK_COSINE`, most similar first."""
    across = np.triu(text, 1) * (topics[:, None] != topics[None, :])
    rows, cols = np.nonzero(across > MIN_LINK_COSINE)
    pairs = sorted((-round(float(across[i, j]), 9), int(i), int(j)) for i, j in zip(rows, cols, strict=True))
    return [(-negative, i, j) for negative, i, j in pairs]


def _topic_links(
    pairs: Sequence[_PagePair], shared: _SharedTerms, topics: IntArray, topic_ids: Sequence[str]
) -> list[CrossLink]:
    pairs_between: dict[tuple[int, int], list[_PagePair]] = {}
    for cosine, i, j in pairs:
        first, second = sorted((int(topics[i]), int(topics[j])))
        pairs_between.setdefault((first, second), []).append((cosine, i, j))
    links = []
    for (a, b), topic_pairs in sorted(pairs_between.items(), key=lambda item: (-_link_strength(item[1]), item[0])):
        is_of_topics = len(topic_pairs) >= MIN_PAIRS_OF_TOPICS
        terms = shared.of_pairs(topic_pairs[:_PAIRS_PER_TOPIC_LINK]) if is_of_topics else ()
        if terms:
            weight = round(min(1.0, _link_strength(topic_pairs)), 6)
            links.append(CrossLink(topic_ids[a], topic_ids[b], weight, terms, _link_label(terms)))
    return links[: max(3, len(topic_ids))]


def _page_links(pairs: Sequence[_PagePair], shared: _SharedTerms, corpus: Corpus) -> list[CrossLink]:
    limit = min(MAX_PAGE_LINKS, max(3, len(corpus.pages) // 6))
    num_links: Counter[int] = Counter()
    links: list[CrossLink] = []
    for cosine, i, j in pairs:
        if len(links) >= limit:
            break
        if num_links[i] >= MAX_LINKS_PER_PAGE or num_links[j] >= MAX_LINKS_PER_PAGE:
            continue
        terms = shared.of_pages(i, j)
        if terms:
            num_links[i] += 1
            num_links[j] += 1
            source, target = corpus.pages[i].page_id, corpus.pages[j].page_id
            links.append(CrossLink(source, target, round(cosine, 6), terms, _link_label(terms)))
    return links


def _link_strength(pairs: Sequence[_PagePair]) -> float:
    """Strength of a link between two topics: mainly the five most similar page pairs, slightly their number."""
    best = [cosine for cosine, _, _ in pairs[:5]]
    return sum(best) / 5 + 0.1 * math.log1p(len(pairs)) / 3


def _link_label(terms: Sequence[str]) -> str:
    return ", ".join(terms[:2])


class _SharedTerms:
    """The terms that pages share, weighted by how rare they are in the session."""

    def __init__(self, corpus: Corpus, index: PhraseIndex) -> None:
        self._corpus, self._index = corpus, index
        self._terms_of_page = [_frequent_terms(corpus, i) for i in range(len(corpus.pages))]
        self._terms_of_title = [_terms_of_title(corpus, i) for i in range(len(corpus.pages))]
        df: Counter[int] = Counter()
        for terms in self._terms_of_page:
            df.update(terms)
        self._idf = {term: math.log((1 + len(corpus.pages)) / (count + 0.5)) for term, count in df.items()}

    def is_no_chance(self, i: int, j: int, *, is_near: bool) -> bool:
        """Whether two pages share more than a word of their texts; `is_near` in meaning, a word of both titles is."""
        shared = self._terms_of_page[i] & self._terms_of_page[j]
        if len(shared) >= MIN_SHARED_TERMS:
            return bool(shared & (self._terms_of_title[i] | self._terms_of_title[j]))
        return is_near and bool(shared & self._terms_of_title[i] & self._terms_of_title[j])

    def of_pages(self, i: int, j: int) -> tuple[str, ...]:
        """Up to three terms that two pages share, rarest first, as most often spelled on these pages."""
        weights = {term: self._idf[term] for term in self._terms_of_page[i] & self._terms_of_page[j]}
        return self._spelled(weights, [i, j])

    def of_pairs(self, pairs: Sequence[_PagePair]) -> tuple[str, ...]:
        """Up to three terms that the pages of several pairs share, weighted by the cosine of each pair."""
        weights: dict[int, float] = {}
        for cosine, i, j in pairs:
            for term in self._terms_of_page[i] & self._terms_of_page[j]:
                weights[term] = weights.get(term, 0.0) + cosine * self._idf[term]
        return self._spelled(weights, [row for _, i, j in pairs for row in (i, j)])

    def _spelled(self, weights: dict[int, float], pages: Sequence[int]) -> tuple[str, ...]:
        label_terms = self._corpus.lexicon.label_terms
        best = sorted(weights.items(), key=lambda item: (-round(item[1], 9), label_terms[item[0]]))
        sequences = self._index.word_sequences(np.array(sorted(set(pages)), dtype=np.int64))
        spelled = [
            strip_markup(self._index.most_common_spelling(phrase_key(term), sequences))
            for term, weight in best[:MAX_SHARED_TERMS]
            if weight > 0
        ]
        return tuple(text for text in spelled if text and len(text) <= 36)


def _frequent_terms(corpus: Corpus, page: int) -> set[int]:
    """The specific nouns that occur on a page at least twice, or in its title, as label term numbers.

    The name of the page's own site is none: all of its pages have it.
    """
    lexicon = corpus.lexicon
    words = np.concatenate([corpus.titles[page], corpus.bodies[page]])
    terms = lexicon.label_term_ids[words[words >= 0]]
    unique, counts = np.unique(terms[terms >= 0], return_counts=True)
    title_terms = _terms_of_title(corpus, page)
    site_words = set(_PART_OF_HOST.findall(corpus.pages[page].host))
    return {
        int(term)
        for term, count in zip(unique, counts, strict=True)
        if (count >= 2 or term in title_terms)
        and lexicon.is_noun[term]
        and not lexicon.is_verbal_noun[term]
        and lexicon.label_terms[term] not in _WORDS_OF_ANY_PAGE
        and lexicon.label_terms[term] not in site_words
    }


def _terms_of_title(corpus: Corpus, page: int) -> set[int]:
    words = corpus.titles[page]
    return set(corpus.lexicon.label_term_ids[words[words >= 0]].tolist())
