"""A session's pages brought together: which words are terms, what is boilerplate, which page has which term."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cluster.mindmap.pages.features import PHRASE_BREAK, PageFeatures
from cluster.mindmap.text import korean
from cluster.mindmap.text.words import KOREAN_STOP_WORDS, SHORT_TERMS, STOP_WORDS, stem

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TITLE_WEIGHT, SITE_NAME_WEIGHT, PATH_WEIGHT, HIGHLIGHT_WEIGHT, BODY_WEIGHT = 3.0, 1.0, 1.0, 3.0, 1.0
_CAMEL_CASE_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_INNER_PUNCTUATION = re.compile(r"[._'’#-]+")
_HANGUL = re.compile(r"^[가-힣]+$")
_HAN = re.compile(r"^[\u4e00-\u9fff々]+$")


@dataclass(slots=True)
class Lexicon:
    """All spellings of the session and what they stand for.

    `label_term[s]` is the term a spelling `s` puts into a label, or -1 for words that never stand in one (also for
    `s` = -1, a break); `ends[s]` is
    true when a particle was cut off, so that a phrase cannot go on. `terms` names label terms. The clustering terms of
    `s` are `part_ids[part_start[s]:part_start[s + 1]]`.
    """

    spellings: list[str]
    spelling_index: dict[str, int]
    label_term_ids: IntArray
    ends_phrase: NDArray[np.bool_]
    label_terms: list[str]
    label_term_index: dict[str, int]
    is_noun: NDArray[np.bool_]
    is_verbal_noun: NDArray[np.bool_]
    stems: list[str]
    cluster_term_offsets: IntArray
    cluster_term_ids: IntArray
    cluster_term_index: dict[str, int]
    num_cluster_terms: int


@dataclass(slots=True)
class Corpus:
    """The placed pages in reading order, with their word sequences as numbers of `lexicon`.

    `titles[i]`, `bodies[i]`: spelling numbers, -1 between phrases (boilerplate lines are gone from `bodies`).
    `rows/cols/tf`: the weighted term counts for clustering, in coordinate form.
    """

    pages: list[PageFeatures]
    lexicon: Lexicon
    core_titles: list[str]
    site_names: list[tuple[str, ...]]
    titles: list[IntArray]
    bodies: list[IntArray]
    rows: IntArray
    cols: IntArray
    tf: FloatArray
    num_cluster_terms: int
    boilerplate: frozenset[int] = field(default_factory=frozenset)


def reading_order(features: Sequence[PageFeatures]) -> list[PageFeatures]:
    """Pages by first visit, then by id: the same list whatever order they arrive in."""

    def key(page: PageFeatures) -> tuple[int, int, str]:
        return (
            page.visited_at_ms[0] if page.visited_at_ms else 1 << 62,
            page.visit_order[0] if page.visit_order else 1 << 62,
            page.page_id,
        )

    return sorted(features, key=key)


def build_corpus(pages: Sequence[PageFeatures]) -> Corpus:
    """Read the words of `pages` (already in reading order, none of them left out) against each other."""
    sites = site_name_segments(pages)
    boilerplate = boilerplate_lines(pages)
    lexicon = _build_lexicon(pages)
    number = lexicon.spelling_index
    titles: list[IntArray] = []
    bodies: list[IntArray] = []
    core_titles: list[str] = []
    site_names: list[tuple[str, ...]] = []
    rows, cols, weights = [], [], []
    for row, page in enumerate(pages):
        to_global = np.empty(len(page.vocabulary) + 1, dtype=np.int64)
        to_global[PHRASE_BREAK] = -1
        to_global[1:] = [number[word] for word in page.vocabulary]
        core, names = split_title_segments(page, sites)
        core_titles.append(" ".join(page.title_segments[i] for i in core))
        site_names.append(tuple(page.title_segments[i] for i in names))
        title = _concat_with_breaks([to_global[_decode(page.title_words[i])] for i in core])
        site = _concat_with_breaks([to_global[_decode(page.title_words[i])] for i in names])
        kept = [
            to_global[_decode(line)]
            for line, key in zip(page.body, page.line_hashes, strict=True)
            if key not in boilerplate
        ]
        titles.append(title)
        bodies.append(_concat_with_breaks(kept))
        # Furniture names nothing, so labels must not see it; but it tells sites apart, so topics may.
        whole_body = _concat_with_breaks([to_global[_decode(line)] for line in page.body])
        sources = (
            (title, TITLE_WEIGHT),
            (site, SITE_NAME_WEIGHT),
            (to_global[_decode(page.path_words)], PATH_WEIGHT),
            (to_global[_decode(page.highlight_words)], HIGHLIGHT_WEIGHT),
            (whole_body, BODY_WEIGHT),
        )
        terms, tf = _term_counts(sources, lexicon)
        rows.append(np.full(len(terms), row, dtype=np.int64))
        cols.append(terms)
        weights.append(tf)
    return Corpus(
        pages=list(pages),
        lexicon=lexicon,
        core_titles=core_titles,
        site_names=site_names,
        titles=titles,
        bodies=bodies,
        rows=np.concatenate(rows) if rows else np.empty(0, np.int64),
        cols=np.concatenate(cols) if cols else np.empty(0, np.int64),
        tf=np.concatenate(weights) if weights else np.empty(0, np.float64),
        num_cluster_terms=lexicon.num_cluster_terms,
        boilerplate=boilerplate,
    )


def site_name_segments(pages: Sequence[PageFeatures]) -> frozenset[str]:
    """Title segments that name a site rather than a page: seen on several pages, beside something else."""
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update({segment.casefold() for segment in page.title_segments})
    needed = 3 if len(pages) >= 8 else 2
    found = {segment for segment, count in counts.items() if count >= needed}
    # A name that stands alone as often as beside a page's title is a page's title itself.
    alone: Counter[str] = Counter(p.title_segments[0].casefold() for p in pages if len(p.title_segments) == 1)
    return frozenset(s for s in found if alone[s] * 2 <= counts[s])


def boilerplate_lines(pages: Sequence[PageFeatures]) -> frozenset[int]:
    """Keys of short lines that are furniture: on many pages of the session, or on most pages of one host."""
    everywhere: Counter[int] = Counter()
    on_host: dict[str, Counter[int]] = {}
    host_size: Counter[str] = Counter(page.host for page in pages)
    for page in pages:
        keys = {key for key, line in zip(page.line_hashes, page.body, strict=True) if len(line) <= 48}
        everywhere.update(keys)
        on_host.setdefault(page.host, Counter()).update(keys)
    limit = max(3, 0.08 * len(pages))
    found = {key for key, count in everywhere.items() if count > limit}
    for host, counts in on_host.items():
        if host_size[host] >= 4:
            found.update(key for key, count in counts.items() if count >= 3 and count >= 0.5 * host_size[host])
    return frozenset(found)


def split_title_segments(page: PageFeatures, sites: frozenset[str]) -> tuple[list[int], list[int]]:
    """Which segments of the page's title are its own, and which name its site."""
    names = [i for i, segment in enumerate(page.title_segments) if segment.casefold() in sites]
    core = [i for i in range(len(page.title_segments)) if i not in names]
    if not core and names:
        core, names = names[:1], names[1:]
    return core, names


def _decode(encoded: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(encoded, dtype=np.uint16)


def _concat_with_breaks(parts: list[IntArray]) -> IntArray:
    if not parts:
        return np.empty(0, dtype=np.int64)
    out: list[IntArray] = []
    gap = np.array([-1], dtype=np.int64)
    for part in parts:
        out.append(part)
        out.append(gap)
    return np.concatenate(out)


def _term_counts(sources: Sequence[tuple[IntArray, float]], lexicon: Lexicon) -> tuple[IntArray, FloatArray]:
    """Sorted clustering terms of one page and their weighted counts."""
    spellings, weights = [], []
    for sequence, weight in sources:
        known = sequence[sequence >= 0]
        spellings.append(known)
        weights.append(np.full(len(known), weight))
    words: IntArray = np.concatenate(spellings)
    weight_of = np.concatenate(weights)
    first = lexicon.cluster_term_offsets[words]
    num = lexicon.cluster_term_offsets[words + 1] - first
    total = int(num.sum())
    if not total:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    offsets = np.arange(total) - np.repeat(np.cumsum(num) - num, num)
    terms = lexicon.cluster_term_ids[np.repeat(first, num) + offsets]
    unique, inverse = np.unique(terms, return_inverse=True)
    counts: FloatArray = np.bincount(inverse, np.repeat(weight_of, num), len(unique)).astype(np.float64)
    return unique, counts


def _build_lexicon(pages: Sequence[PageFeatures]) -> Lexicon:
    spellings = sorted({word for page in pages for word in page.vocabulary})
    readings = korean.learn_stems(word for word in spellings if _HANGUL.match(word))
    part_number: dict[str, int] = {}
    term_number: dict[str, int] = {}
    # One place more than there are spellings: a phrase break is -1, which then reads the last, "no term".
    label_term = np.full(len(spellings) + 1, -1, dtype=np.int64)
    ends = np.zeros(len(spellings) + 1, dtype=bool)
    noun: list[bool] = []
    action: list[bool] = []
    stems: list[str] = []
    part_start = np.zeros(len(spellings) + 1, dtype=np.int64)
    part_ids: list[int] = []
    for i, word in enumerate(spellings):
        reading = readings.get(word)
        shown = word
        if reading is not None:
            shown = reading.stem
            parts = [] if reading.is_stop_word else [reading.stem]
            ends[i] = reading.has_suffix
            label, is_noun = (None if reading.is_stop_word else reading.stem), reading.is_noun
        else:
            parts, label = analyze_word(word)
            is_noun = True
        if label is not None:
            known = term_number.setdefault(label, len(term_number))
            if known == len(noun):
                noun.append(is_noun)
                action.append(reading is not None and reading.is_verbal_noun)
            label_term[i] = known
        stems.append(shown)
        part_ids.extend(part_number.setdefault(part, len(part_number)) for part in parts)
        part_start[i + 1] = len(part_ids)
    return Lexicon(
        spellings=spellings,
        spelling_index={spelling: i for i, spelling in enumerate(spellings)},
        label_term_ids=label_term,
        ends_phrase=ends,
        label_terms=list(term_number),
        label_term_index=term_number,
        is_noun=np.array(noun, dtype=bool),
        is_verbal_noun=np.array(action, dtype=bool),
        stems=stems,
        cluster_term_offsets=part_start,
        cluster_term_ids=np.array(part_ids, dtype=np.int64),
        cluster_term_index=part_number,
        num_cluster_terms=len(part_number),
    )


def analyze_word(word: str) -> tuple[list[str], str | None]:
    """The clustering terms of a word that is not Korean, and its term in a label (None: never in one)."""
    lower = word.lower()
    if _HAN.match(word):
        pairs = [word[i : i + 2] for i in range(len(word) - 1)] or [word]
        return pairs, word if len(word) >= 2 else None
    if not word.isascii() and not word[0].isascii():
        return ([lower], lower) if len(word) >= 2 else ([], None)
    pieces = [piece for piece in _INNER_PUNCTUATION.split(word) if piece]
    if len(pieces) == 1:
        pieces = _CAMEL_CASE_PARTS.findall(word) if not (word.islower() or word.isupper() or word.istitle()) else pieces
    whole = _english_term(lower)
    parts = [whole] if whole else []
    if len(pieces) > 1:
        parts += [part for part in (_english_term(piece.lower()) for piece in pieces) if part and part != whole]
    return parts, whole


def _english_term(lower: str) -> str | None:
    if lower in SHORT_TERMS:
        return lower
    base = lower[:-2] if lower.endswith(("'s", "’s")) else lower
    if len(base) < 3 or base in STOP_WORDS or base in KOREAN_STOP_WORDS or "'" in base or "’" in base:
        return None
    stemmed = stem(base)
    return None if stemmed in STOP_WORDS else stemmed
