"""Names for topics: the phrase that is common inside, rare outside, and stands in titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.mindmap.corpus import Corpus, Ints
from cluster.mindmap.text import MARKUP, hangul_share, shorten, without_markup
from cluster.mindmap.words import GENERIC, SITE_WORDS, STOP_WORDS, WEAK_VERBS, looks_like_no_noun, stem

MAX_WORDS, MAX_CHARS = 4, 36
HOST_BONUS = 1.5  # A word of the address that the pages themselves use is what the site is about.
HOST_SCORE = 0.45  # Enough when the pages have little else in common; a telling word of their own goes before.
NAME_BONUS = 1.4  # Products and places name a topic better than any common noun does.
_SHIFT = 21
_POSSESSIVE = re.compile(r"['’]s$")
_HOST_PART = re.compile(r"[a-z0-9]+")
_VERSION = re.compile(r"\bv?\d+(\.\d+)*(\.x)?\b")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A phrase that may name a group of pages: its terms' key, its score, and the share of the pages that have it."""

    key: int
    score: float
    coverage: float


@dataclass(frozen=True, slots=True)
class _Option:
    """A candidate as it would be written; `stands_alone`: it is good enough to be the second half of a label."""

    score: float
    text: str
    coverage: float
    stands_alone: bool


class PhraseIndex:
    """Which phrases of one to three terms stand on which page, and on which in the title.

    A phrase is a key of three 21-bit term numbers (plus one; zero is none). Built once per session, vectorised.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        title_keys = [np.unique(_phrases(words, corpus)) for words in corpus.titles]
        body_keys, body_counts = [], []
        for title, body in zip(corpus.titles, corpus.bodies, strict=True):
            keys, counts = np.unique(
                np.concatenate([_phrases(title, corpus), _phrases(body, corpus)]), return_counts=True
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
        self._is_name, self._is_modifier = _habits(corpus)

    def words(self, key: int) -> tuple[str, ...]:
        """The normal forms of the phrase's terms."""
        mask = (1 << _SHIFT) - 1
        numbers = [(key >> (2 * _SHIFT)) & mask, (key >> _SHIFT) & mask, key & mask]
        return tuple(self.corpus.lexicon.terms[n - 1] for n in numbers if n)

    def candidates(
        self, pages: Ints, *, rivals: Ints, korean: bool, avoid: frozenset[str], limit: int = 40
    ) -> list[Candidate]:
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
            value = float(score[place]) * self.weakness(key)
            words = self.words(key)
            if korean and all(word.isascii() for word in words):
                value *= 0.8
            elif not avoid and p_in[place] >= 0.5 and self._is_a_name(key):
                value *= NAME_BONUS
            # What is on nearly every page names the topic, even if another noun mostly follows ("git commit").
            if len(words) == 1 and p_in[place] < 0.8 and self._is_modifier[key - 1]:
                value *= 0.65
            if not avoid and len(words) == 1 and words[0] in host_words:
                value *= HOST_BONUS
            if avoid and any(word in avoid for word in words):
                value *= 0.55
            judged.append(Candidate(key, round(value, 9), float(p_in[place])))
        judged.sort(key=lambda c: (-c.score, c.key))
        return judged[:limit]

    def terms_of(self, page: int) -> set[int]:
        """The label terms that occur on a page."""
        if page not in self._terms_of:
            words = np.concatenate([self.corpus.titles[page], self.corpus.bodies[page]])
            self._terms_of[page] = set(np.unique(self.corpus.lexicon.label_term[words]).tolist())
        return self._terms_of[page]

    def host_words(self, pages: Ints) -> set[str]:
        """Words of the addresses at which at least half of `pages` live: what "docs.djangoproject.com" is named for."""
        counts: Counter[str] = Counter()
        for i in pages:
            parts = _HOST_PART.findall(self.corpus.pages[i].host)
            counts.update({stem(part) for part in parts[:-1]})
        return {word for word, count in counts.items() if len(word) >= 3 and count * 2 >= len(pages)}

    def _is_a_name(self, key: int) -> bool:
        mask = (1 << _SHIFT) - 1
        numbers = [n for n in ((key >> (2 * _SHIFT)) & mask, (key >> _SHIFT) & mask, key & mask) if n]
        return all(self._is_name[n - 1] for n in numbers)

    def stands_alone(self, key: int) -> bool:
        """Whether the phrase is a noun of its own, neither generic nor a mere modifier."""
        is_modifier = key < (1 << _SHIFT) and bool(self._is_modifier[key - 1])
        return self.weakness(key) >= 0.6 and not is_modifier

    def weakness(self, key: int) -> float:
        if key in self._weak_cache:
            return self._weak_cache[key]
        words = self.words(key)
        nouns = self.corpus.lexicon.is_noun
        mask = (1 << _SHIFT) - 1
        numbers = [n for n in ((key >> (2 * _SHIFT)) & mask, (key >> _SHIFT) & mask, key & mask) if n]
        value = (1.0, 1.22, 1.15)[len(words) - 1]
        if all(word in GENERIC for word in words):
            value *= 0.35
        elif any(word in GENERIC for word in words):
            value *= 0.9
        if looks_like_no_noun(words[-1]) or words[-1] in WEAK_VERBS:
            value *= 0.45
        elif words[0] in WEAK_VERBS:
            value *= 0.6
        if len(words) == 1 and len(words[0]) <= (1 if not words[0].isascii() else 3):
            value *= 0.55 if len(words[0]) == 1 else 0.7
        if not all(nouns[n - 1] for n in numbers):
            value *= 0.4
        if len(set(words)) < len(words):
            value *= 0.2
        self._weak_cache[key] = value
        return value

    def texts(self, pages: Ints) -> list[tuple[Ints, Ints, int]]:
        """The words of `pages` end to end, as (spellings, label terms, weight): titles count three times."""
        found = []
        for sequences, weight in ((self.corpus.titles, 3), (self.corpus.bodies, 1)):
            words = np.concatenate([*(sequences[i] for i in pages), np.array([-1])])
            terms = np.where(words >= 0, self.corpus.lexicon.label_term[words], -1)
            found.append((words, terms, weight))
        return found

    def spelling(self, key: int, texts: Sequence[tuple[Ints, Ints, int]]) -> str:
        """How the phrase is most often written in `texts`."""
        counts: Counter[tuple[str, ...]] = Counter()
        lexicon = self.corpus.lexicon
        mask = (1 << _SHIFT) - 1
        numbers = [n - 1 for n in ((key >> (2 * _SHIFT)) & mask, (key >> _SHIFT) & mask, key & mask) if n]
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
                    shown = [lexicon.spellings[s] if not lexicon.ends[s] else lexicon.stems[s] for s in row]
                    shown[-1] = _POSSESSIVE.sub("", shown[-1])
                    counts[tuple(shown)] += weight * count
        if not counts:
            return " ".join(self.words(key))
        best = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
        return " ".join(best)


def _habits(corpus: Corpus) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which terms are names (capitalised within sentences), and which are modifiers (nearly always before a noun)."""
    lexicon = corpus.lexicon
    num = len(lexicon.terms)
    if not corpus.bodies or not num:
        return np.zeros(num, dtype=bool), np.zeros(num, dtype=bool)
    words = np.concatenate([*corpus.bodies, np.array([-1])])
    terms = np.where(words >= 0, lexicon.label_term[words], -1)
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


def _phrases(words: Ints, corpus: Corpus) -> Ints:
    """The keys of all phrases of one to three terms in a spelling sequence, with repeats."""
    if not len(words):
        return np.empty(0, np.int64)
    lexicon = corpus.lexicon
    terms = np.where(words >= 0, lexicon.label_term[words], -1) + 1
    goes_on = np.where(words >= 0, ~lexicon.ends[words], False)
    found = [terms[terms > 0]]
    if len(terms) >= 2:
        pair = (terms[:-1] > 0) & (terms[1:] > 0) & goes_on[:-1]
        found.append((terms[:-1][pair] << _SHIFT) | terms[1:][pair])
        if len(terms) >= 3:
            triple = pair[:-1] & pair[1:]
            found.append((terms[:-2][triple] << (2 * _SHIFT)) | (terms[1:-1][triple] << _SHIFT) | terms[2:][triple])
    return np.concatenate(found)


class Namer:
    """Gives every group of a session a label no other group has."""

    def __init__(self, index: PhraseIndex) -> None:
        self._index = index
        self._corpus = index.corpus
        self._taken: set[str] = set()

    def name(self, pages: Ints, *, rivals: Ints, parent: str = "") -> tuple[str, tuple[str, ...]]:
        """A label for the group `pages`, told apart from `rivals`, and up to six keywords."""
        corpus = self._corpus
        titles = " ".join(corpus.core_titles[i] for i in pages)
        bodies = [corpus.pages[i].language for i in pages]
        korean = sum(1 for language in bodies if language == "ko") * 2 > len(pages) or hangul_share(titles) > 0.5
        avoid = frozenset(word.lower() for word in parent.split()) | frozenset(self._normal(parent))
        found = self._index.candidates(pages, rivals=rivals, korean=korean, avoid=avoid)
        texts = self._index.texts(pages)
        keywords = self._keywords(found, texts)
        options: list[_Option] = []
        for candidate in self._preferred(found):
            text = self._index.spelling(candidate.key, texts)
            options.append(_Option(candidate.score, text, candidate.coverage, self._index.stands_alone(candidate.key)))
        if not parent:
            options += [_Option(score, name, share, True) for name, score, share in self._site_labels(pages, rivals)]
            options += self._host_labels(pages, rivals, texts)
        options.sort(key=lambda option: (-option.score, option.text))
        label = self._compose(options)
        if not label or not self._free(label) or len(pages) == 1:
            label = self._fallback(label, options, pages)
        self._taken.add(_fold(label))
        return label, keywords

    def _normal(self, text: str) -> list[str]:
        lexicon = self._corpus.lexicon
        numbers = [lexicon.number[word] for word in text.split() if word in lexicon.number]
        return [lexicon.terms[lexicon.label_term[n]] for n in numbers if lexicon.label_term[n] >= 0]

    def _preferred(self, found: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, each replaced by a longer phrase that contains it and scores nearly as well."""
        result, seen = [], set()
        for candidate in found[:12]:
            words = self._index.words(candidate.key)
            chosen = candidate
            for longer in found:
                inner = self._index.words(longer.key)
                if len(inner) > len(words) and longer.score >= 0.62 * candidate.score and _contains(inner, words):
                    chosen = Candidate(longer.key, candidate.score, longer.coverage)
                    break
            if chosen.key not in seen:
                seen.add(chosen.key)
                result.append(chosen)
        return result

    def _compose(self, options: Sequence[_Option]) -> str:
        usable = [replace(option, text=_shape(option.text)) for option in options]
        usable = [option for option in usable if option.text and self._free(option.text)]
        if not usable:
            return ""
        best = usable[0]
        if best.coverage < 0.55:
            for other in usable[1:6]:
                joined = f"{best.text} · {other.text}"
                distinct = not (set(_fold(other.text).split()) & set(_fold(best.text).split()))
                good = other.stands_alone and other.score >= 0.45 * best.score
                if good and distinct and _fits(joined) and self._free(joined):
                    return joined
        return best.text

    def _fallback(self, label: str, options: Sequence[_Option], pages: Ints) -> str:
        """For one page its own short title; else the next free phrase, a short title, or a number."""
        titles = sorted(
            (shape_title(self._corpus.core_titles[int(i)]) for i in pages), key=lambda t: (len(t) > 30, len(t) < 3)
        )
        if len(pages) == 1:
            first = [titles[0]] if titles[0] else []
            choices = first + [_shape(option.text) for option in options]
        else:
            choices = [_shape(option.text) for option in options] + titles
        hosts = [self._corpus.pages[i].host for i in pages if self._corpus.pages[i].host]
        choice: str
        for choice in [*choices, *hosts]:
            if choice and self._free(choice):
                return choice
        base: str = label or (titles[0] if titles and titles[0] else "Pages")
        number = 2
        while not self._free(f"{base} ({number})"):
            number += 1
        return f"{base} ({number})"

    def _site_labels(self, pages: Ints, rivals: Ints) -> list[tuple[str, float, float]]:
        """Site names (cleaned of versions and "documentation") that most of the group shares and few others do."""
        inside: Counter[str] = Counter()
        spelling: dict[str, Counter[str]] = {}
        for i in pages:
            for name in {clean_site_name(n) for n in self._corpus.site_names[i]} - {""}:
                inside[_fold(name)] += 1
                spelling.setdefault(_fold(name), Counter())[name] += 1
        outside: Counter[str] = Counter()
        others = set(rivals.tolist()) - set(pages.tolist())
        for i in others:
            outside.update({_fold(clean_site_name(n)) for n in self._corpus.site_names[i]})
        found = []
        for name, count in sorted(inside.items()):
            share, elsewhere = count / len(pages), outside[name] / max(1, len(others))
            if share >= 0.3 and elsewhere <= 0.15:
                shown = min(spelling[name].items(), key=lambda item: (-item[1], item[0]))[0]
                found.append((shown, round(2.1 * (share - elsewhere), 9), share))
        return found

    def _host_labels(self, pages: Ints, rivals: Ints, texts: Sequence[tuple[Ints, Ints, int]]) -> list[_Option]:
        """What the site of most of the group is named for, if its pages use the word too ("postgresql.org")."""
        lexicon = self._corpus.lexicon
        others = np.setdiff1d(rivals, pages)
        found = []
        for word in sorted(self._index.host_words(pages)):
            number = lexicon.term_number.get(word)
            if number is None or word in GENERIC or word in SITE_WORDS:
                continue
            used = sum(1 for i in pages if number in self._index.terms_of(int(i))) / len(pages)
            inside = sum(1 for i in pages if word in self._corpus.pages[i].host) / len(pages)
            elsewhere = sum(1 for i in others if word in self._corpus.pages[i].host) / max(1, len(others))
            if used >= 0.25 and elsewhere <= 0.15:
                text = self._index.spelling(number + 1, texts)
                found.append(_Option(round(HOST_SCORE * (inside - elsewhere), 9), text, used, True))
        return found

    def _keywords(self, found: Sequence[Candidate], texts: Sequence[tuple[Ints, Ints, int]]) -> tuple[str, ...]:
        keywords: list[str] = []
        used: list[tuple[str, ...]] = []
        for candidate in found:
            words = self._index.words(candidate.key)
            if any(_contains(words, other) or _contains(other, words) for other in used):
                continue
            if self._index.weakness(candidate.key) < 0.5 and len(keywords) >= 2:
                continue
            shown = without_markup(self._index.spelling(candidate.key, texts))
            if shown and len(shown) <= MAX_CHARS and not MARKUP.search(shown):
                keywords.append(shown)
                used.append(words)
            if len(keywords) == 6:
                break
        return tuple(keywords)

    def _free(self, label: str) -> bool:
        return _fold(label) not in self._taken


def clean_site_name(name: str) -> str:
    """A site's name without version numbers and words like "documentation"; empty when nothing telling is left."""
    words = _VERSION.sub(" ", without_markup(name)).split()
    kept = [word for word in words if word.lower().strip("()[],.") not in SITE_WORDS]
    cleaned = " ".join(kept[:MAX_WORDS]).strip(" -·|,.:")
    return cleaned if any(c.isalpha() for c in cleaned) and len(cleaned) >= 2 else ""


def shape_title(title: str) -> str:
    """The head of a page title as a label: at most four words."""
    words = without_markup(title).split()
    text = " ".join(words[:MAX_WORDS])
    while (
        text
        and words
        and text.split()[-1].lower() in {"of", "and", "the", "a", "to", "in", "for", "with", "on", "및", "와"}
    ):
        text = " ".join(text.split()[:-1])
    return shorten(text, MAX_CHARS)


def _shape(text: str) -> str:
    text = without_markup(text)
    if not text or not _fits(text):
        return ""
    # A plain lower-case word gets a capital; a name keeps its own spelling.
    return text[0].upper() + text[1:] if text[0].isascii() and text.split()[0].islower() and _plain(text) else text


def _plain(text: str) -> bool:
    first = text.split()[0]
    return first.isalpha() and first not in STOP_WORDS


def _fits(text: str) -> bool:
    return len(text) <= MAX_CHARS and len(text.split()) <= MAX_WORDS and not MARKUP.search(text)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _contains(longer: Sequence[str], shorter: Sequence[str]) -> bool:
    size = len(shorter)
    return any(tuple(longer[i : i + size]) == tuple(shorter) for i in range(len(longer) - size + 1))
