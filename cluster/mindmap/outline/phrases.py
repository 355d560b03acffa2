"""Phrases of one to three terms: the pages and titles they occur in, and how well they name a group of pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.mindmap.clustering.corpus import Corpus, FloatArray, IntArray
from cluster.mindmap.text.words import GENERIC_WORDS, PLATFORM_NAMES, WEAK_VERBS, is_unlikely_noun, stem
from models.words import join_words

HOST_BONUS = 1.5  # A word of the host name that the pages themselves use is what the site is about.
NAME_BONUS = 1.4  # Names of products and places are better labels than common nouns.
#: Factor by the number of terms: two terms are the best length of a label.
_LENGTH_FACTORS = (1.0, 1.22, 1.15)

_TERM_BITS = 21
_TERM_MASK = (1 << _TERM_BITS) - 1
_POSSESSIVE = re.compile(r"['’]s$")
_HOST_PART = re.compile(r"[a-z0-9]+")

#: The words of some pages in sequence: (spelling numbers, label term numbers, weight of one occurrence).
WordSequence = tuple[IntArray, IntArray, int]


@dataclass(frozen=True, slots=True)
class PhraseCandidate:
    """A phrase that may name a group of pages: its key, its score, and the share of the pages that contain it."""

    key: int
    score: float
    coverage: float


class PhraseIndex:
    """The phrases of one to three label terms on every page of a corpus, and in every title.

    A phrase is a 63-bit key of up to three label term numbers plus one, in reading order (zero: no term). The index is
    built once per session with vectorised operations.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        title_keys = [np.unique(_phrase_keys(words, corpus)) for words in corpus.titles]
        page_keys, page_counts = [], []
        for title, body in zip(corpus.titles, corpus.bodies, strict=True):
            keys, counts = np.unique(
                np.concatenate([_phrase_keys(title, corpus), _phrase_keys(body, corpus)]), return_counts=True
            )
            page_keys.append(keys)
            page_counts.append(counts)
        self._page = np.repeat(np.arange(len(corpus.pages)), [len(keys) for keys in page_keys])
        all_keys = np.concatenate(page_keys) if page_keys else np.empty(0, np.int64)
        self.keys, self._key = np.unique(all_keys, return_inverse=True)
        self._count = np.concatenate(page_counts) if page_counts else np.empty(0, np.int64)
        self._title_page = np.repeat(np.arange(len(corpus.pages)), [len(keys) for keys in title_keys])
        titles = np.concatenate(title_keys) if title_keys else np.empty(0, np.int64)
        self._title_key = np.searchsorted(self.keys, titles)
        self._terms: dict[int, tuple[str, ...]] = {}
        self._quality_factors: dict[int, float] = {}
        self._label_terms_on_page: dict[int, set[int]] = {}
        self._is_name, self._is_modifier = _name_and_modifier_terms(corpus)

    def terms(self, key: int) -> tuple[str, ...]:
        """The label terms of a phrase, in order."""
        if key not in self._terms:
            self._terms[key] = tuple(self.corpus.lexicon.label_terms[term] for term in _term_ids(key))
        return self._terms[key]

    def candidates(
        self,
        pages: IntArray,
        *,
        rivals: IntArray,
        korean: bool,
        avoid: frozenset[str],
        limit: int = 40,
        min_pages: int = 2,
    ) -> list[PhraseCandidate]:
        """Up to `limit` phrases that could name the group `pages`, best first.

        A good phrase is common on `pages`, rare on the other pages of `rivals`, and occurs in titles. Latin phrases
        score lower if `korean`. `avoid` holds the words of the parent topic's label, and is empty for a topic; phrases
        with these words score lower. `min_pages` of the pages have the phrase.
        """
        found, score, coverage, in_title = self._phrase_scores(pages, rivals, min_pages)
        # Pages of a sub-topic are often chapters, which are named in titles; a topic may be named by what all say.
        is_on_most_pages = (coverage >= 0.75) & (not avoid)
        score *= np.where(in_title | is_on_most_pages, 1.0, 0.7)
        # Only the best phrases by frequency are examined word by word, which is the slow part.
        order = np.lexsort((self.keys[found], -np.round(score, 9)))[: max(limit * 4, 120)]
        host_words = self.host_words(pages)
        candidates = []
        for position in order:
            if score[position] <= 0:
                break
            key, share = int(self.keys[found[position]]), float(coverage[position])
            factor = self._group_factors(key, share, korean=korean, avoid=avoid, host_words=host_words)
            value = float(score[position])
            for part in (self.quality_factor(key), *factor):
                value *= part
            candidates.append(PhraseCandidate(key, round(value, 9), share))
        candidates.sort(key=lambda candidate: (-candidate.score, candidate.key))
        return candidates[:limit]

    def _phrase_scores(
        self, pages: IntArray, rivals: IntArray, min_pages: int
    ) -> tuple[IntArray, FloatArray, FloatArray, NDArray[np.bool_]]:
        """The phrases that `pages` have in common, as positions in `keys`.

        With each: its score by frequency, the share of `pages` that contain it, and whether it is in one of their
        titles.
        """
        num_keys, num_pages = len(self.keys), len(pages)
        is_inside = np.zeros(len(self.corpus.pages), dtype=bool)
        is_inside[pages] = True
        is_outside = np.zeros(len(self.corpus.pages), dtype=bool)
        is_outside[rivals] = True
        is_outside &= ~is_inside
        here = is_inside[self._page]
        pages_inside = np.bincount(self._key[here], minlength=num_keys)
        count_inside = np.bincount(self._key[here], weights=self._count[here], minlength=num_keys)
        pages_outside = np.bincount(self._key[is_outside[self._page]], minlength=num_keys)
        titles = np.bincount(self._title_key[is_inside[self._title_page]], minlength=num_keys)
        is_common = (pages_inside >= min(min_pages, num_pages)) & ((titles > 0) | (pages_inside >= 0.34 * num_pages))
        found = np.nonzero(is_common)[0]
        coverage = pages_inside[found] / num_pages
        coverage_outside = pages_outside[found] / max(1, int(is_outside.sum()))
        # A single title may use a phrase by chance, so it counts only half.
        title_share = np.minimum(1.0, 1.6 * np.maximum(0.0, titles[found] - 0.5) / num_pages)
        frequency = np.minimum(1.0, count_inside[found] / (4 * num_pages))
        score = (coverage - coverage_outside) * (0.35 + 1.1 * title_share + 0.45 * frequency)
        return found, score, coverage, titles[found] > 0

    def _group_factors(
        self, key: int, coverage: float, *, korean: bool, avoid: frozenset[str], host_words: set[str]
    ) -> list[float]:
        """The factors by which a phrase suits this group of pages better or worse than its frequency says."""
        words = self.terms(key)
        factors = []
        if korean and all(word.isascii() for word in words):
            factors.append(0.8)
        elif not avoid and coverage >= 0.5 and self.is_proper_name(key):
            factors.append(NAME_BONUS)
        # A modifier ("git" in "git commit") is a poor label, unless it is on nearly every page.
        if len(words) == 1 and coverage < 0.8 and self._is_modifier[_term_ids(key)[0]]:
            factors.append(0.65)
        if not avoid and len(words) == 1 and words[0] in host_words:
            factors.append(HOST_BONUS)
        if avoid and any(word in avoid for word in words):
            factors.append(0.25 if all(word in avoid for word in words) else 0.55)
        return factors

    def pages_of_title_phrases(self, pages: Sequence[int]) -> dict[int, list[int]]:
        """The phrases in the titles of `pages`, by key, with the pages that have them in ascending order."""
        found: dict[int, list[int]] = {}
        here = np.isin(self._title_page, np.array(sorted(pages), dtype=np.int64))
        for page, key in zip(self._title_page[here].tolist(), self.keys[self._title_key[here]].tolist(), strict=True):
            found.setdefault(key, []).append(page)
        return found

    def label_terms_on_page(self, page: int) -> set[int]:
        """The numbers of the label terms that occur on a page (-1 is among them if it has other words)."""
        if page not in self._label_terms_on_page:
            words = np.concatenate([self.corpus.titles[page], self.corpus.bodies[page]])
            self._label_terms_on_page[page] = set(np.unique(self.corpus.lexicon.label_term_ids[words]).tolist())
        return self._label_terms_on_page[page]

    def host_words(self, pages: IntArray) -> set[str]:
        """Words of at least half of the pages' host names: "docs" and "djangoproject" of "docs.djangoproject.com"."""
        counts: Counter[str] = Counter()
        for i in pages:
            parts = _HOST_PART.findall(self.corpus.pages[i].host)
            counts.update({stem(part) for part in parts[:-1]})
        return {word for word, count in counts.items() if len(word) >= 3 and count * 2 >= len(pages)}

    def is_proper_name(self, key: int) -> bool:
        """Whether every term of the phrase is capitalised wherever it occurs inside a phrase."""
        return all(self._is_name[term] for term in _term_ids(key))

    def is_standalone_noun(self, key: int) -> bool:
        """Whether the phrase is a good label by itself: neither generic nor a modifier."""
        term_ids = _term_ids(key)
        is_modifier = len(term_ids) == 1 and bool(self._is_modifier[term_ids[0]])
        return self.quality_factor(key) >= 0.6 and not is_modifier

    def quality_factor(self, key: int) -> float:
        """How suitable the phrase's words are as a label, whatever the pages: at most 1.22, higher is better.

        Lower for generic words, platform names, verbs, very short words, verbal nouns and repeated words.
        """
        if key not in self._quality_factors:
            self._quality_factors[key] = self._compute_quality_factor(key)
        return self._quality_factors[key]

    def _compute_quality_factor(self, key: int) -> float:
        term_ids, words, lexicon = _term_ids(key), self.terms(key), self.corpus.lexicon
        factor = _LENGTH_FACTORS[len(words) - 1]
        if all(word in PLATFORM_NAMES for word in words):
            factor *= 0.2
        elif all(word in GENERIC_WORDS for word in words):
            factor *= 0.35
        elif any(word in GENERIC_WORDS for word in words):
            factor *= 0.9
        if is_unlikely_noun(words[-1]) or words[-1] in WEAK_VERBS:
            factor *= 0.45
        elif words[0] in WEAK_VERBS:
            factor *= 0.6
        if len(words) == 1:
            factor *= _short_word_factor(words[0])
        if not all(lexicon.is_noun[term] for term in term_ids):
            factor *= 0.4
        elif lexicon.is_verbal_noun[term_ids[-1]]:
            factor *= 0.6
        if len(set(words)) < len(words):
            factor *= 0.2
        return factor

    def word_sequences(self, pages: IntArray) -> list[WordSequence]:
        """The words of `pages` in sequence, for `most_common_spelling`: titles with weight 3, bodies with weight 1."""
        sequences: list[WordSequence] = []
        for parts, weight in ((self.corpus.titles, 3), (self.corpus.bodies, 1)):
            words = np.concatenate([*(parts[i] for i in pages), np.array([-1])])
            terms = np.where(words >= 0, self.corpus.lexicon.label_term_ids[words], -1)
            sequences.append((words, terms, weight))
        return sequences

    def most_common_spelling(self, key: int, sequences: Sequence[WordSequence]) -> str:
        """The most frequent spelling of the phrase in `sequences`; its terms where it does not occur."""
        counts: Counter[tuple[str, ...]] = Counter()
        lexicon = self.corpus.lexicon
        term_ids = _term_ids(key)
        for words, terms, weight in sequences:
            starts = np.nonzero(terms == term_ids[0])[0]
            for offset, term in enumerate(term_ids[1:], 1):
                starts = starts[starts + offset < len(terms)]
                starts = starts[terms[starts + offset] == term]
            # NumPy's search for distinct rows takes 142 µs for three occurrences, and this 5.
            columns = [words[starts + offset].tolist() for offset in range(len(term_ids))]
            occurrences = Counter(zip(*columns, strict=True))
            for spelling_ids, count in occurrences.items():
                spelled = [lexicon.stems[s] if lexicon.ends_phrase[s] else lexicon.spellings[s] for s in spelling_ids]
                spelled[-1] = _POSSESSIVE.sub("", spelled[-1])
                counts[tuple(spelled)] += weight * count
        if not counts:
            return join_words(self.terms(key))
        return join_words(min(counts.items(), key=lambda item: (-item[1], item[0]))[0])


def phrase_key(term: int) -> int:
    """The key of the phrase that consists of one label term."""
    return term + 1


def _term_ids(key: int) -> list[int]:
    """The label term numbers of a phrase, in order."""
    packed = (key >> (2 * _TERM_BITS), (key >> _TERM_BITS) & _TERM_MASK, key & _TERM_MASK)
    return [number - 1 for number in packed if number]


def _short_word_factor(word: str) -> float:
    """Penalty for a single word of at most three Latin letters, or of one character of another script."""
    if len(word) > (3 if word[0].isascii() else 1):
        return 1.0
    return 0.55 if len(word) == 1 else 0.7


def _name_and_modifier_terms(corpus: Corpus) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By label term: whether it is a name (capitalised inside phrases), and a modifier (mostly before another term)."""
    lexicon = corpus.lexicon
    num_terms = len(lexicon.label_terms)
    if not corpus.bodies or not num_terms:
        return np.zeros(num_terms, dtype=bool), np.zeros(num_terms, dtype=bool)
    words = np.concatenate([*corpus.bodies, np.array([-1])])
    terms = np.where(words >= 0, lexicon.label_term_ids[words], -1)
    has_capital = np.array([any(char.isupper() for char in word) for word in lexicon.spellings], dtype=bool)
    # The first word of a phrase is capitalised anyway.
    is_inside_phrase = np.zeros(len(words), dtype=bool)
    is_inside_phrase[1:] = (terms[1:] >= 0) & (words[:-1] >= 0)
    is_followed = np.zeros(len(words), dtype=bool)
    is_followed[:-1] = (terms[:-1] >= 0) & (terms[1:] >= 0)
    num_inside = np.bincount(terms[is_inside_phrase], minlength=num_terms)
    num_capitalised = np.bincount(terms[is_inside_phrase & has_capital[words]], minlength=num_terms)
    num_total = np.bincount(terms[terms >= 0], minlength=num_terms)
    num_followed = np.bincount(terms[is_followed], minlength=num_terms)
    is_name = (num_inside >= 3) & (num_capitalised >= 0.85 * num_inside)
    is_modifier = (num_total >= 4) & (num_followed >= 0.7 * num_total)
    # Adjectives such as "Western" or "Korean" are capitalised too, but mostly before a noun.
    return is_name & (num_followed < 0.6 * num_total), is_modifier


def _phrase_keys(words: IntArray, corpus: Corpus) -> IntArray:
    """The keys of all phrases of one to three terms in a sequence of spelling numbers, with repetitions."""
    if not len(words):
        return np.empty(0, np.int64)
    lexicon = corpus.lexicon
    terms = np.where(words >= 0, lexicon.label_term_ids[words], -1) + 1
    may_continue = np.where(words >= 0, ~lexicon.ends_phrase[words], False)
    keys = [terms[terms > 0]]
    if len(terms) >= 2:
        pair = (terms[:-1] > 0) & (terms[1:] > 0) & may_continue[:-1]
        keys.append((terms[:-1][pair] << _TERM_BITS) | terms[1:][pair])
        if len(terms) >= 3:
            triple = pair[:-1] & pair[1:]
            first, second, third = terms[:-2][triple], terms[1:-1][triple], terms[2:][triple]
            keys.append((first << (2 * _TERM_BITS)) | (second << _TERM_BITS) | third)
    return np.concatenate(keys)
