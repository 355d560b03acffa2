"""Names for topics: the phrase that is common inside, rare outside, and stands in titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.mindmap.clustering.corpus import Ints
from cluster.mindmap.outline.phrases import Candidate, PhraseIndex
from cluster.mindmap.text.display import MARKUP, hangul_share, shorten, strip_markup
from cluster.mindmap.text.words import GENERIC, PLATFORMS, SITE_WORDS, STOP_WORDS

MAX_WORDS, MAX_CHARS = 4, 36


COMMON_NAME = 0.4
COMMON = 0.55  # A phrase on fewer of the pages than this is helped by a second one.
SURE = 0.9  # A single common word below this score too.
HOST_SCORE = 0.45  # Enough when the pages have little else in common; a telling word of their own goes before.


_WORDS = re.compile(r"\w+")
_VERSION = re.compile(r"\bv?\d+(\.\d+)*(\.x)?\b")


@dataclass(frozen=True, slots=True)
class _Option:
    """A candidate as it would be written.

    `stands_alone`: it is good enough to be the second half of a label; `is_name`: of a product, a place, a work.
    """

    score: float
    text: str
    coverage: float
    stands_alone: bool
    is_name: bool


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
            options.append(
                _Option(
                    score=candidate.score,
                    text=text,
                    coverage=candidate.coverage,
                    stands_alone=self._index.stands_alone(candidate.key),
                    is_name=self._index.is_a_name(candidate.key),
                )
            )
        if not parent:
            options += [
                _Option(score, name, share, True, True) for name, score, share in self._site_labels(pages, rivals)
            ]
            options += self._host_labels(pages, rivals, texts)
        options.sort(key=lambda option: (-option.score, option.text))
        label = self._compose(options, is_part=bool(parent))
        if parent and len(pages) == 2 and options and options[0].score < SURE / 2:
            # Two pages with little in common are best told by what each is called.
            label = self._both_titles(pages) or label
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

    def _compose(self, options: Sequence[_Option], *, is_part: bool) -> str:
        usable = [replace(option, text=_shape(option.text)) for option in options]
        usable = [option for option in usable if option.text and self._free(option.text)]
        if not usable:
            return ""
        best = usable[0]
        if best.is_name and best.coverage >= COMMON_NAME:
            return best.text
        if not best.is_name and not is_part:
            # "Image" says little of pages about GIMP: with a name that many of them use, a common word is specific.
            for name in usable[1:8]:
                if name.is_name and name.coverage >= COMMON_NAME and name.score >= 0.2 * best.score:
                    leads = name.score >= 0.5 * best.score
                    if joined := self._joined(name, best) if leads else self._joined(best, name):
                        return joined
        if best.coverage < COMMON or (best.score < SURE and " " not in best.text):
            for other in usable[1:6]:
                good = other.stands_alone and other.score >= 0.45 * best.score
                if good and (joined := self._joined(best, other)):
                    return joined
        return best.text

    def _joined(self, one: _Option, other: _Option) -> str:
        """Both in one label, if they say different things in one language and the label is short enough."""
        first, second = (set(_WORDS.findall(option.text.casefold())) for option in (one, other))
        tongues = {hangul_share(option.text) > 0.5 for option in (one, other) if not option.is_name}
        joined = f"{one.text} · {other.text}"
        return joined if not first & second and len(tongues) < 2 and _fits(joined) and self._free(joined) else ""

    def _both_titles(self, pages: Ints) -> str:
        """The titles of two pages as one label, when they are short enough; otherwise nothing."""
        titles = [shape_title(self._corpus.core_titles[int(i)]) for i in pages]
        joined = " · ".join(titles)
        whole = all(
            title == strip_markup(self._corpus.core_titles[int(i)]) for title, i in zip(titles, pages, strict=True)
        )
        return joined if whole and all(titles) and _fits(joined) and self._free(joined) else ""

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
            if number is None or word in GENERIC or word in SITE_WORDS or word in PLATFORMS:
                continue
            used = sum(1 for i in pages if number in self._index.terms_of(int(i))) / len(pages)
            inside = sum(1 for i in pages if word in self._corpus.pages[i].host) / len(pages)
            elsewhere = sum(1 for i in others if word in self._corpus.pages[i].host) / max(1, len(others))
            if used >= 0.25 and elsewhere <= 0.15:
                text = self._index.spelling(number + 1, texts)
                found.append(_Option(round(HOST_SCORE * (inside - elsewhere), 9), text, used, True, True))
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
            shown = strip_markup(self._index.spelling(candidate.key, texts))
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
    words = _VERSION.sub(" ", strip_markup(name)).split()
    if any(word.lower() in PLATFORMS for word in words):
        return ""
    kept = [word for word in words if word.lower().strip("()[],.") not in SITE_WORDS]
    cleaned = " ".join(kept[:MAX_WORDS]).strip(" -·|,.:")
    return cleaned if any(c.isalpha() for c in cleaned) and len(cleaned) >= 2 else ""


def shape_title(title: str) -> str:
    """The head of a page title as a label: at most four words."""
    words = strip_markup(title).split()
    text = " ".join(words[:MAX_WORDS])
    while (
        text
        and words
        and text.split()[-1].lower() in {"of", "and", "the", "a", "to", "in", "for", "with", "on", "및", "와"}
    ):
        text = " ".join(text.split()[:-1])
    return shorten(text, MAX_CHARS)


def _shape(text: str) -> str:
    text = strip_markup(text)
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
