"""Phrases: which stand on which page and in which title, and how well each would name a group of pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.mindmap.clustering.corpus import Corpus, IntArray
from cluster.mindmap.text.words import GENERIC_WORDS, PLATFORM_NAMES, WEAK_VERBS, is_unlikely_noun, stem

HOST_BONUS = 1.5  # A word of the address that the pages themselves use is what the site is about.


NAME_BONUS = 1.4  # Products and places name a topic better than any common noun does.


_TERM_BITS = 21


_POSSESSIVE = re.compile(r"['’]s$")


_HOST_PART = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class PhraseCandidate:
    """A phrase that may name a group of pages: its terms' key, its score, and the share of the pages that have it."""

    key: int
    score: float
    coverage: float


class PhraseIndex:
    """Which phrases of one to three terms stand on which page, and on which in the title.

    A phrase is a key of three 21-bit term numbers (plus one; zero is none). Built once per session, vectorised.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        title_keys = [np.unique(_phrase_keys(words, corpus)) for words in corpus.titles]
        body_keys, body_counts = [], []
        for title, body in zip(corpus.titles, corpus.bodies, strict=True):
            keys, counts = np.unique(
                np.concatenate([_phrase_keys(title, corpus), _phrase_keys(body, corpus)]), return_counts=True
            )
            body_keys.append(keys)
            body_counts.append(counts)
        sizes = [len(keys) for keys in body_keys]
        self._page = np.repeat(np.arange(len(corpus.pages)), sizes)
        all_keys = np.concatenate(body_keys) if body_keys else np.empty(0, np.int64)
        self.keys, self._key = np.unique(all_keys, return_inverse=True)
        self._count = np.concatenate(body_counts) if body_counts else np.empty(0, np.int64)
        self._title_page = np.repeat(np.arange(len(corpus.pages)), [len(keys) for keys in title_keys])
        titles = np.concatenate(title_keys) if title_keys else np.empty(0, np.int64)
        self._title_key = np.searchsorted(self.keys, titles)
        self._weak_cache: dict[int, float] = {}
        self._terms_of: dict[int, set[int]] = {}
        self._is_name, self._is_modifier = _name_and_modifier_terms(corpus)

    def terms(self, key: int) -> tuple[str, ...]:
        """The normal forms of the phrase's terms."""
        mask = (1 << _TERM_BITS) - 1
        numbers = [(key >> (2 * _TERM_BITS)) & mask, (key >> _TERM_BITS) & mask, key & mask]
        return tuple(self.corpus.lexicon.label_terms[n - 1] for n in numbers if n)

    def candidates(
        self, pages: IntArray, *, rivals: IntArray, korean: bool, avoid: frozenset[str], limit: int = 40
    ) -> list[PhraseCandidate]:
        """Phrases for `pages`, best first, judged against the pages `rivals` they should be told apart from."""
        num_keys, num_pages = len(self.keys), len(pages)
        inside = np.zeros(len(self.corpus.pages), dtype=bool)
        inside[pages] = True
        outside = np.zeros(len(self.corpus.pages), dtype=bool)
        outside[rivals] = True
        outside &= ~inside
        here = inside[self._page]
        df_in = np.bincount(self._key[here], minlength=num_keys)
        tf_in = np.bincount(self._key[here], weights=self._count[here], minlength=num_keys)
        df_out = np.bincount(self._key[outside[self._page]], minlength=num_keys)
        in_title = np.bincount(self._title_key[inside[self._title_page]], minlength=num_keys)
        least = min(2, num_pages)
        allowed = (df_in >= least) & ((in_title > 0) | (df_in >= 0.34 * num_pages))
        found = np.nonzero(allowed)[0]
        if not len(found):
            return []
        p_in = df_in[found] / num_pages
        p_out = df_out[found] / max(1, int(outside.sum()))
        # One title is an accident; from two on, titles are where a subject is named.
        titled = np.minimum(1.0, 1.6 * np.maximum(0.0, in_title[found] - 0.5) / num_pages)
        said = np.minimum(1.0, tf_in[found] / (4 * num_pages))
        score = (p_in - p_out) * (0.35 + 1.1 * titled + 0.45 * said)
        # A part of a topic is named as a chapter is, by its pages' titles; a whole topic may be named by what all say.
        said_by_all = (p_in >= 0.75) & (not avoid)
        score *= np.where((in_title[found] > 0) | said_by_all, 1.0, 0.7)
        # Judge words only of phrases that could still win: the penalties never raise a score above 1.22 times.
        order = np.lexsort((self.keys[found], -np.round(score, 9)))[: max(limit * 4, 120)]
        judged = []
        host_words = self.host_words(pages)
        for place in order:
            if score[place] <= 0:
                break
            key = int(self.keys[found[place]])
            value = float(score[place]) * self.quality_factor(key)
            words = self.terms(key)
            if korean and all(word.isascii() for word in words):
                value *= 0.8
            elif not avoid and p_in[place] >= 0.5 and self.is_proper_name(key):
                value *= NAME_BONUS
            # What is on nearly every page names the topic, even if another noun mostly follows ("git commit").
            if len(words) == 1 and p_in[place] < 0.8 and self._is_modifier[key - 1]:
                value *= 0.65
            if not avoid and len(words) == 1 and words[0] in host_words:
                value *= HOST_BONUS
            if avoid and any(word in avoid for word in words):
                value *= 0.25 if all(word in avoid for word in words) else 0.55
            judged.append(PhraseCandidate(key, round(value, 9), float(p_in[place])))
        judged.sort(key=lambda c: (-c.score, c.key))
        return judged[:limit]

    def label_terms_on_page(self, page: int) -> set[int]:
        """The label terms that occur on a page."""
        if page not in self._terms_of:
            words = np.concatenate([self.corpus.titles[page], self.corpus.bodies[page]])
            self._terms_of[page] = set(np.unique(self.corpus.lexicon.label_term_ids[words]).tolist())
        return self._terms_of[page]

    def host_words(self, pages: IntArray) -> set[str]:
        """Words of the addresses at which at least half of `pages` live: what "docs.djangoproject.com" is named for."""
        counts: Counter[str] = Counter()
        for i in pages:
            parts = _HOST_PART.findall(self.corpus.pages[i].host)
            counts.update({stem(part) for part in parts[:-1]})
        return {word for word, count in counts.items() if len(word) >= 3 and count * 2 >= len(pages)}

    def is_proper_name(self, key: int) -> bool:
        """Whether every word of the phrase is capitalised wherever it stands."""
        mask = (1 << _TERM_BITS) - 1
        numbers = [n for n in ((key >> (2 * _TERM_BITS)) & mask, (key >> _TERM_BITS) & mask, key & mask) if n]
        return all(self._is_name[n - 1] for n in numbers)

    def is_standalone_noun(self, key: int) -> bool:
        """Whether the phrase is a noun of its own, neither generic nor a mere modifier."""
        is_modifier = key < (1 << _TERM_BITS) and bool(self._is_modifier[key - 1])
        return self.quality_factor(key) >= 0.6 and not is_modifier

    def quality_factor(self, key: int) -> float:
        if key in self._weak_cache:
            return self._weak_cache[key]
        words = self.terms(key)
        nouns = self.corpus.lexicon.is_noun
        mask = (1 << _TERM_BITS) - 1
        numbers = [n for n in ((key >> (2 * _TERM_BITS)) & mask, (key >> _TERM_BITS) & mask, key & mask) if n]
        value = (1.0, 1.22, 1.15)[len(words) - 1]
        if all(word in PLATFORM_NAMES for word in words):
            value *= 0.2
        elif all(word in GENERIC_WORDS for word in words):
            value *= 0.35
        elif any(word in GENERIC_WORDS for word in words):
            value *= 0.9
        if is_unlikely_noun(words[-1]) or words[-1] in WEAK_VERBS:
            value *= 0.45
        elif words[0] in WEAK_VERBS:
            value *= 0.6
        if len(words) == 1 and len(words[0]) <= (1 if not words[0].isascii() else 3):
            value *= 0.55 if len(words[0]) == 1 else 0.7
        if not all(nouns[n - 1] for n in numbers):
            value *= 0.4
        elif self.corpus.lexicon.is_verbal_noun[numbers[-1] - 1]:
            value *= 0.6
        if len(set(words)) < len(words):
            value *= 0.2
        self._weak_cache[key] = value
        return value

    def word_sequences(self, pages: IntArray) -> list[tuple[IntArray, IntArray, int]]:
        """The words of `pages` end to end, as (spellings, label terms, weight): titles count three times."""
        found = []
        for sequences, weight in ((self.corpus.titles, 3), (self.corpus.bodies, 1)):
            words = np.concatenate([*(sequences[i] for i in pages), np.array([-1])])
            terms = np.where(words >= 0, self.corpus.lexicon.label_term_ids[words], -1)
            found.append((words, terms, weight))
        return found

    def most_common_spelling(self, key: int, texts: Sequence[tuple[IntArray, IntArray, int]]) -> str:
        """How the phrase is most often written in `texts`."""
        counts: Counter[tuple[str, ...]] = Counter()
        lexicon = self.corpus.lexicon
        mask = (1 << _TERM_BITS) - 1
        numbers = [n - 1 for n in ((key >> (2 * _TERM_BITS)) & mask, (key >> _TERM_BITS) & mask, key & mask) if n]
        for words, terms, weight in texts:
            starts = np.nonzero(terms == numbers[0])[0]
            for offset, number in enumerate(numbers[1:], 1):
                starts = starts[starts + offset < len(terms)]
                starts = starts[terms[starts + offset] == number]
            if len(starts):
                written, times = np.unique(
                    np.stack([words[starts + offset] for offset in range(len(numbers))], axis=1),
                    axis=0,
                    return_counts=True,
                )
                for row, count in zip(written.tolist(), times.tolist(), strict=True):
                    shown = [lexicon.spellings[s] if not lexicon.ends_phrase[s] else lexicon.stems[s] for s in row]
                    shown[-1] = _POSSESSIVE.sub("", shown[-1])
                    counts[tuple(shown)] += weight * count
        if not counts:
            return " ".join(self.terms(key))
        best = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
        return " ".join(best)


def _name_and_modifier_terms(corpus: Corpus) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which terms are names (capitalised within sentences), and which are modifiers (nearly always before a noun)."""
    lexicon = corpus.lexicon
    num = len(lexicon.label_terms)
    if not corpus.bodies or not num:
        return np.zeros(num, dtype=bool), np.zeros(num, dtype=bool)
    words = np.concatenate([*corpus.bodies, np.array([-1])])
    terms = np.where(words >= 0, lexicon.label_term_ids[words], -1)
    capital = np.array([any(char.isupper() for char in word) for word in lexicon.spellings], dtype=bool)
    inside = np.zeros(len(words), dtype=bool)
    inside[1:] = (terms[1:] >= 0) & (words[:-1] >= 0)
    followed = np.zeros(len(words), dtype=bool)
    followed[:-1] = (terms[:-1] >= 0) & (terms[1:] >= 0)
    within = np.bincount(terms[inside], minlength=num)
    capitalised = np.bincount(terms[inside & capital[words]], minlength=num)
    total = np.bincount(terms[terms >= 0], minlength=num)
    leads = np.bincount(terms[followed], minlength=num)
    is_name = (within >= 3) & (capitalised >= 0.85 * within)
    leading = (total >= 4) & (leads >= 0.7 * total)
    # "Western", "Korean": capitalised, but they only ever qualify something else.
    return is_name & (leads < 0.6 * total), leading


def _phrase_keys(words: IntArray, corpus: Corpus) -> IntArray:
    """The keys of all phrases of one to three terms in a spelling sequence, with repeats."""
    if not len(words):
        return np.empty(0, np.int64)
    lexicon = corpus.lexicon
    terms = np.where(words >= 0, lexicon.label_term_ids[words], -1) + 1
    goes_on = np.where(words >= 0, ~lexicon.ends_phrase[words], False)
    found = [terms[terms > 0]]
    if len(terms) >= 2:
        pair = (terms[:-1] > 0) & (terms[1:] > 0) & goes_on[:-1]
        found.append((terms[:-1][pair] << _TERM_BITS) | terms[1:][pair])
        if len(terms) >= 3:
            triple = pair[:-1] & pair[1:]
            found.append(
                (terms[:-2][triple] << (2 * _TERM_BITS)) | (terms[1:-1][triple] << _TERM_BITS) | terms[2:][triple]
            )
    return np.concatenate(found)
