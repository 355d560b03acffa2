"""Names for topics: the phrase that is common inside, rare outside, and stands in titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.mindmap.clustering.corpus import IntArray
from cluster.mindmap.outline.phrases import PhraseCandidate, PhraseIndex
from cluster.mindmap.text.language import hangul_share
from cluster.mindmap.text.words import GENERIC_WORDS, PLATFORM_NAMES, SITE_NAME_STOP_WORDS, STOP_WORDS
from models.text import MARKUP, shorten, strip_markup

MAX_TOPIC_WORDS, MAX_TOPIC_CHARS = 4, 36


MIN_NAME_COVERAGE = 0.4
MIN_SINGLE_COVERAGE = 0.55  # A phrase on fewer of the pages than this is helped by a second one.
CONFIDENT_SCORE = 0.9  # A single common word below this score too.
HOST_NAME_SCORE = 0.45  # Enough when the pages have little else in common; a telling word of their own goes before.


_WORDS = re.compile(r"\w+")
_VERSION = re.compile(r"\bv?\d+(\.\d+)*(\.x)?\b")


@dataclass(frozen=True, slots=True)
class _LabelOption:
    """A candidate as it would be written.

    `stands_alone`: it is good enough to be the second half of a label; `is_name`: of a product, a place, a work.
    """

    score: float
    text: str
    coverage: float
    is_standalone: bool
    is_proper_name: bool


class TopicLabeler:
    """Gives every group of a session a label no other group has."""

    def __init__(self, index: PhraseIndex) -> None:
        self._index = index
        self._corpus = index.corpus
        self._used_labels: set[str] = set()

    def label(self, pages: IntArray, *, rivals: IntArray, parent: str = "") -> tuple[str, tuple[str, ...]]:
        """A label for the group `pages`, told apart from `rivals`, and up to six keywords."""
        corpus = self._corpus
        titles = " ".join(corpus.core_titles[i] for i in pages)
        bodies = [corpus.pages[i].language for i in pages]
        korean = sum(1 for language in bodies if language == "ko") * 2 > len(pages) or hangul_share(titles) > 0.5
        avoid = frozenset(word.lower() for word in parent.split()) | frozenset(self._label_terms(parent))
        found = self._index.candidates(pages, rivals=rivals, korean=korean, avoid=avoid)
        texts = self._index.word_sequences(pages)
        keywords = self._keywords(found, texts)
        options: list[_LabelOption] = []
        for candidate in self._with_longer_phrases(found):
            text = self._index.most_common_spelling(candidate.key, texts)
            options.append(
                _LabelOption(
                    score=candidate.score,
                    text=text,
                    coverage=candidate.coverage,
                    is_standalone=self._index.is_standalone_noun(candidate.key),
                    is_proper_name=self._index.is_proper_name(candidate.key),
                )
            )
        if not parent:
            options += [
                _LabelOption(score, name, share, True, True)
                for name, score, share in self._site_name_options(pages, rivals)
            ]
            options += self._host_name_options(pages, rivals, texts)
        options.sort(key=lambda option: (-option.score, option.text))
        label = self._choose_label(options, is_part=bool(parent))
        if parent and len(pages) == 2 and options and options[0].score < CONFIDENT_SCORE / 2:
            # Two pages with little in common are best told by what each is called.
            label = self._joined_titles(pages) or label
        if not label or not self._is_unused(label) or len(pages) == 1:
            label = self._fallback_label(label, options, pages)
        self._used_labels.add(_normalize(label))
        return label, keywords

    def _label_terms(self, text: str) -> list[str]:
        lexicon = self._corpus.lexicon
        numbers = [lexicon.spelling_index[word] for word in text.split() if word in lexicon.spelling_index]
        return [lexicon.label_terms[lexicon.label_term_ids[n]] for n in numbers if lexicon.label_term_ids[n] >= 0]

    def _with_longer_phrases(self, found: Sequence[PhraseCandidate]) -> list[PhraseCandidate]:
        """The candidates, each replaced by a longer phrase that contains it and scores nearly as well."""
        result, seen = [], set()
        for candidate in found[:12]:
            words = self._index.terms(candidate.key)
            chosen = candidate
            for longer in found:
                inner = self._index.terms(longer.key)
                if (
                    len(inner) > len(words)
                    and longer.score >= 0.62 * candidate.score
                    and _contains_sequence(inner, words)
                ):
                    chosen = PhraseCandidate(longer.key, candidate.score, longer.coverage)
                    break
            if chosen.key not in seen:
                seen.add(chosen.key)
                result.append(chosen)
        return result

    def _choose_label(self, options: Sequence[_LabelOption], *, is_part: bool) -> str:
        usable = [replace(option, text=_format_label(option.text)) for option in options]
        usable = [option for option in usable if option.text and self._is_unused(option.text)]
        if not usable:
            return ""
        best = usable[0]
        if best.is_proper_name and best.coverage >= MIN_NAME_COVERAGE:
            return best.text
        if not best.is_proper_name and not is_part:
            # "Image" says little of pages about GIMP: with a name that many of them use, a common word is specific.
            for name in usable[1:8]:
                if name.is_proper_name and name.coverage >= MIN_NAME_COVERAGE and name.score >= 0.2 * best.score:
                    leads = name.score >= 0.5 * best.score
                    if joined := self._join_options(name, best) if leads else self._join_options(best, name):
                        return joined
        if best.coverage < MIN_SINGLE_COVERAGE or (best.score < CONFIDENT_SCORE and " " not in best.text):
            for other in usable[1:6]:
                good = other.is_standalone and other.score >= 0.45 * best.score
                if good and (joined := self._join_options(best, other)):
                    return joined
        return best.text

    def _join_options(self, one: _LabelOption, other: _LabelOption) -> str:
        """Both in one label, if they say different things in one language and the label is short enough."""
        first, second = (set(_WORDS.findall(option.text.casefold())) for option in (one, other))
        tongues = {hangul_share(option.text) > 0.5 for option in (one, other) if not option.is_proper_name}
        joined = f"{one.text} · {other.text}"
        return (
            joined
            if not first & second and len(tongues) < 2 and _is_short_enough(joined) and self._is_unused(joined)
            else ""
        )

    def _joined_titles(self, pages: IntArray) -> str:
        """The titles of two pages as one label, when they are short enough; otherwise nothing."""
        titles = [title_label(self._corpus.core_titles[int(i)]) for i in pages]
        joined = " · ".join(titles)
        whole = all(
            title == strip_markup(self._corpus.core_titles[int(i)]) for title, i in zip(titles, pages, strict=True)
        )
        return joined if whole and all(titles) and _is_short_enough(joined) and self._is_unused(joined) else ""

    def _fallback_label(self, label: str, options: Sequence[_LabelOption], pages: IntArray) -> str:
        """For one page its own short title; else the next free phrase, a short title, or a number."""
        titles = sorted(
            (title_label(self._corpus.core_titles[int(i)]) for i in pages), key=lambda t: (len(t) > 30, len(t) < 3)
        )
        if len(pages) == 1:
            first = [titles[0]] if titles[0] else []
            choices = first + [_format_label(option.text) for option in options]
        else:
            choices = [_format_label(option.text) for option in options] + titles
        hosts = [self._corpus.pages[i].host for i in pages if self._corpus.pages[i].host]
        choice: str
        for choice in [*choices, *hosts]:
            if choice and self._is_unused(choice):
                return choice
        base: str = label or (titles[0] if titles and titles[0] else "Pages")
        number = 2
        while not self._is_unused(f"{base} ({number})"):
            number += 1
        return f"{base} ({number})"

    def _site_name_options(self, pages: IntArray, rivals: IntArray) -> list[tuple[str, float, float]]:
        """Site names (cleaned of versions and "documentation") that most of the group shares and few others do."""
        inside: Counter[str] = Counter()
        spelling: dict[str, Counter[str]] = {}
        for i in pages:
            for name in {clean_site_name(n) for n in self._corpus.site_names[i]} - {""}:
                inside[_normalize(name)] += 1
                spelling.setdefault(_normalize(name), Counter())[name] += 1
        outside: Counter[str] = Counter()
        others = set(rivals.tolist()) - set(pages.tolist())
        for i in others:
            outside.update({_normalize(clean_site_name(n)) for n in self._corpus.site_names[i]})
        found = []
        for name, count in sorted(inside.items()):
            share, elsewhere = count / len(pages), outside[name] / max(1, len(others))
            if share >= 0.3 and elsewhere <= 0.15:
                shown = min(spelling[name].items(), key=lambda item: (-item[1], item[0]))[0]
                found.append((shown, round(2.1 * (share - elsewhere), 9), share))
        return found

    def _host_name_options(
        self, pages: IntArray, rivals: IntArray, texts: Sequence[tuple[IntArray, IntArray, int]]
    ) -> list[_LabelOption]:
        """What the site of most of the group is named for, if its pages use the word too ("postgresql.org")."""
        lexicon = self._corpus.lexicon
        others = np.setdiff1d(rivals, pages)
        found = []
        for word in sorted(self._index.host_words(pages)):
            number = lexicon.label_term_index.get(word)
            if number is None or word in GENERIC_WORDS or word in SITE_NAME_STOP_WORDS or word in PLATFORM_NAMES:
                continue
            used = sum(1 for i in pages if number in self._index.label_terms_on_page(int(i))) / len(pages)
            inside = sum(1 for i in pages if word in self._corpus.pages[i].host) / len(pages)
            elsewhere = sum(1 for i in others if word in self._corpus.pages[i].host) / max(1, len(others))
            if used >= 0.25 and elsewhere <= 0.15:
                text = self._index.most_common_spelling(number + 1, texts)
                found.append(_LabelOption(round(HOST_NAME_SCORE * (inside - elsewhere), 9), text, used, True, True))
        return found

    def _keywords(
        self, found: Sequence[PhraseCandidate], texts: Sequence[tuple[IntArray, IntArray, int]]
    ) -> tuple[str, ...]:
        keywords: list[str] = []
        used: list[tuple[str, ...]] = []
        for candidate in found:
            words = self._index.terms(candidate.key)
            if any(_contains_sequence(words, other) or _contains_sequence(other, words) for other in used):
                continue
            if self._index.quality_factor(candidate.key) < 0.5 and len(keywords) >= 2:
                continue
            shown = strip_markup(self._index.most_common_spelling(candidate.key, texts))
            if shown and len(shown) <= MAX_TOPIC_CHARS and not MARKUP.search(shown):
                keywords.append(shown)
                used.append(words)
            if len(keywords) == 6:
                break
        return tuple(keywords)

    def _is_unused(self, label: str) -> bool:
        return _normalize(label) not in self._used_labels


def clean_site_name(name: str) -> str:
    """A site's name without version numbers and words like "documentation"; empty when nothing telling is left."""
    words = _VERSION.sub(" ", strip_markup(name)).split()
    if any(word.lower() in PLATFORM_NAMES for word in words):
        return ""
    kept = [word for word in words if word.lower().strip("()[],.") not in SITE_NAME_STOP_WORDS]
    cleaned = " ".join(kept[:MAX_TOPIC_WORDS]).strip(" -·|,.:")
    return cleaned if any(c.isalpha() for c in cleaned) and len(cleaned) >= 2 else ""


def title_label(title: str) -> str:
    """The head of a page title as a label: at most four words."""
    words = strip_markup(title).split()
    text = " ".join(words[:MAX_TOPIC_WORDS])
    while (
        text
        and words
        and text.split()[-1].lower() in {"of", "and", "the", "a", "to", "in", "for", "with", "on", "및", "와"}
    ):
        text = " ".join(text.split()[:-1])
    return shorten(text, MAX_TOPIC_CHARS)


def _format_label(text: str) -> str:
    text = strip_markup(text)
    if not text or not _is_short_enough(text):
        return ""
    # A plain lower-case word gets a capital; a name keeps its own spelling.
    return (
        text[0].upper() + text[1:] if text[0].isascii() and text.split()[0].islower() and _is_plain_word(text) else text
    )


def _is_plain_word(text: str) -> bool:
    first = text.split(maxsplit=1)[0]
    return first.isalpha() and first not in STOP_WORDS


def _is_short_enough(text: str) -> bool:
    return len(text) <= MAX_TOPIC_CHARS and len(text.split()) <= MAX_TOPIC_WORDS and not MARKUP.search(text)


def _normalize(text: str) -> str:
    return " ".join(text.casefold().split())


def _contains_sequence(longer: Sequence[str], shorter: Sequence[str]) -> bool:
    size = len(shorter)
    return any(tuple(longer[i : i + size]) == tuple(shorter) for i in range(len(longer) - size + 1))
