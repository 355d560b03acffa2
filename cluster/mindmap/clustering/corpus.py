"""The words of a session's pages as numbers: terms, boilerplate, and weighted term counts per page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray

from cluster.mindmap.pages.features import PHRASE_BREAK, PageFeatures
from cluster.mindmap.pages.places import names_own_site, place_of
from cluster.mindmap.pages.titles import joined_segments
from cluster.mindmap.text.korean import KoreanWord, learn_stems
from cluster.mindmap.text.stop_words import latin_stop_words, other_script_stop_words
from cluster.mindmap.text.words import KOREAN_STOP_WORDS, SHORT_TERMS, STOP_WORDS, stem

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Weight of one occurrence of a word, by the part of the page in which it occurs.
TITLE_WEIGHT, SITE_NAME_WEIGHT, PATH_WEIGHT, HIGHLIGHT_WEIGHT, BODY_WEIGHT = 3.0, 1.0, 1.0, 3.0, 1.0
_CAMEL_CASE_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
#: The least length of a word in Latin letters. Vietnamese writes every syllable as a word: "xe đạp" is a bicycle.
MIN_WORD_CHARS, MIN_VIETNAMESE_CHARS = 3, 2
_INNER_PUNCTUATION = re.compile(r"[._'’#-]+")
_HANGUL = re.compile(r"^[가-힣]+$")
_HAN = regex.compile(r"[\p{Han}]+")
_HIRAGANA = regex.compile(r"[\p{Hiragana}ー]+")
#: A Japanese word that ends in hiragana is a verb or an adjective.
_JAPANESE_VERB = regex.compile(r"[\p{Han}々]\p{Hiragana}+")
#: Hiragana words of fewer letters are particles and endings.
_MIN_HIRAGANA = 3
_MAX_BOILERPLATE_CHARS = 48


@dataclass(slots=True)
class Lexicon:
    """All spellings of a session and the terms they stand for.

    A spelling stands for one label term (shown to the user) and for any number of clustering terms ("PostgreSQL-dump"
    also counts as its parts). For spelling number `s`:

    - `label_term_ids[s]` is its label term, or -1 for a word that is never part of a label. The array has one more
      entry, so that `s` = -1 (a phrase break) reads -1 as well;
    - `ends_phrase[s]` is true when a particle was cut off, so that a phrase cannot continue after it;
    - `stems[s]` is the spelling as shown, without the particle;
    - `cluster_term_ids[cluster_term_offsets[s]:cluster_term_offsets[s + 1]]` are its clustering terms.

    `label_terms[t]`, `is_noun[t]` and `is_verbal_noun[t]` describe label term `t`.
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
    """The placed pages in reading order, with their words as spelling numbers of `lexicon`.

    `titles[i]` and `bodies[i]` hold the spelling numbers of page `i`, with -1 between phrases; `bodies` has no
    boilerplate lines. `core_titles[i]` is the title without site names, which are in `site_names[i]`. `rows`, `cols`
    and `tf` are the weighted counts of clustering terms as a sparse matrix in coordinate form (pages x terms).
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
    boilerplate: frozenset[int]


def build_corpus(pages: Sequence[PageFeatures]) -> Corpus:
    """The corpus of `pages`, which must be in reading order and free of excluded pages."""
    site_names = site_name_segments(pages)
    boilerplate = boilerplate_lines(pages)
    lexicon = _build_lexicon(pages)
    corpus = Corpus(
        pages=list(pages),
        lexicon=lexicon,
        core_titles=[],
        site_names=[],
        titles=[],
        bodies=[],
        rows=np.empty(0, np.int64),
        cols=np.empty(0, np.int64),
        tf=np.empty(0, np.float64),
        num_cluster_terms=lexicon.num_cluster_terms,
        boilerplate=boilerplate,
    )
    rows, cols, counts = [], [], []
    for row, page in enumerate(pages):
        terms, tf = _add_page(corpus, page, site_names)
        rows.append(np.full(len(terms), row, dtype=np.int64))
        cols.append(terms)
        counts.append(tf)
    if rows:
        corpus.rows, corpus.cols, corpus.tf = np.concatenate(rows), np.concatenate(cols), np.concatenate(counts)
    return corpus


def _add_page(corpus: Corpus, page: PageFeatures, site_names: frozenset[str]) -> tuple[IntArray, FloatArray]:
    """Append the title and body of `page` to `corpus`; return its clustering terms and their weighted counts."""
    index = corpus.lexicon.spelling_index
    to_spelling = np.empty(len(page.vocabulary) + 1, dtype=np.int64)
    to_spelling[PHRASE_BREAK] = -1
    to_spelling[1:] = [index[word] for word in page.vocabulary]
    core, names = split_title_segments(page, site_names)
    corpus.core_titles.append(joined_segments(page.title, page.title_segments, core))
    # The name of a platform says nothing about what its pages are about.
    is_platform = place_of(page.url).is_platform
    corpus.site_names.append(() if is_platform else tuple(page.title_segments[i] for i in names))
    title = _concat_with_breaks([to_spelling[_decode(page.title_words[i])] for i in core])
    corpus.titles.append(title)
    lines = [to_spelling[_decode(line)] for line in page.body]
    content = [line for line, key in zip(lines, page.line_hashes, strict=True) if key not in corpus.boilerplate]
    corpus.bodies.append(_concat_with_breaks(content))
    sources = (
        (title, TITLE_WEIGHT),
        (
            _concat_with_breaks([to_spelling[_decode(page.title_words[i])] for i in names if not is_platform]),
            SITE_NAME_WEIGHT,
        ),
        (to_spelling[_decode(page.path_words)], PATH_WEIGHT),
        (to_spelling[_decode(page.highlight_words)], HIGHLIGHT_WEIGHT),
        # Boilerplate must not enter labels, but it identifies sites, which helps clustering, except on platforms.
        (_concat_with_breaks(content if is_platform else lines), BODY_WEIGHT),
    )
    return _term_counts(sources, corpus.lexicon)


def site_name_segments(pages: Sequence[PageFeatures]) -> frozenset[str]:
    """Title segments (case-folded) that name a site: on several pages, beside other segments."""
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update({segment.casefold() for segment in page.title_segments})
    min_pages = 3 if len(pages) >= 8 else 2
    counts.update(_names_of_hosts(pages, min_pages))
    # A segment that is often the whole title is the name of a page.
    whole_titles: Counter[str] = Counter(p.title_segments[0].casefold() for p in pages if len(p.title_segments) == 1)
    return frozenset(
        segment for segment, count in counts.items() if count >= min_pages and whole_titles[segment] * 2 <= count
    )


def _names_of_hosts(pages: Sequence[PageFeatures], times: int) -> Counter[str]:
    """The last or first segments that all pages of one host have, two pages at least, each counted `times` times."""
    pages_of_host: dict[str, list[PageFeatures]] = {}
    for page in pages:
        if page.host and len(page.title_segments) > 1:
            pages_of_host.setdefault(page.host, []).append(page)
    names: Counter[str] = Counter()
    for members in pages_of_host.values():
        if len(members) < 2:
            continue
        for position in (0, -1):
            at_position = {page.title_segments[position].casefold() for page in members}
            if len(at_position) == 1:
                names.update(dict.fromkeys(at_position, times))
    return names


def boilerplate_lines(pages: Sequence[PageFeatures]) -> frozenset[int]:
    """Hashes of short lines that are navigation: on many pages of the session, or on most pages of one host."""
    session_counts: Counter[int] = Counter()
    host_counts: dict[str, Counter[int]] = {}
    pages_of_host: Counter[str] = Counter(page.host for page in pages)
    for page in pages:
        hashes = {
            key for key, line in zip(page.line_hashes, page.body, strict=True) if len(line) <= _MAX_BOILERPLATE_CHARS
        }
        session_counts.update(hashes)
        host_counts.setdefault(page.host, Counter()).update(hashes)
    is_platform_host = {page.host: place_of(page.url).is_platform for page in pages}
    limit = max(3, 0.08 * len(pages))
    boilerplate = {key for key, count in session_counts.items() if count > limit}
    for host, counts in host_counts.items():
        num_pages = pages_of_host[host]
        if is_platform_host[host]:
            # The interface of a platform is about nothing, and a sentence of an author stands on one page.
            boilerplate.update(key for key, count in counts.items() if count >= 2)
        elif num_pages >= 4:
            boilerplate.update(key for key, count in counts.items() if count >= 3 and count >= 0.5 * num_pages)
    return frozenset(boilerplate)


def split_title_segments(page: PageFeatures, site_names: frozenset[str]) -> tuple[list[int], list[int]]:
    """The positions of the page's own title segments, and of those that name its site."""
    names = [
        i
        for i, segment in enumerate(page.title_segments)
        if segment.casefold() in site_names or names_own_site(page.host, segment)
    ]
    core = [i for i in range(len(page.title_segments)) if i not in names]
    if not core and names:
        core, names = names[:1], names[1:]
    return core, names


def _decode(encoded: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(encoded, dtype=np.uint16)


def _concat_with_breaks(sequences: Sequence[IntArray]) -> IntArray:
    """`sequences` in one array, each followed by a phrase break (-1)."""
    if not sequences:
        return np.empty(0, dtype=np.int64)
    phrase_break = np.array([-1], dtype=np.int64)
    return np.concatenate([part for sequence in sequences for part in (sequence, phrase_break)])


def _term_counts(sources: Sequence[tuple[IntArray, float]], lexicon: Lexicon) -> tuple[IntArray, FloatArray]:
    """The clustering terms of one page, sorted, and their weighted counts. A source is (spelling numbers, weight)."""
    spellings, spelling_weights = [], []
    for sequence, weight in sources:
        known = sequence[sequence >= 0]
        spellings.append(known)
        spelling_weights.append(np.full(len(known), weight))
    words: IntArray = np.concatenate(spellings)
    weights = np.concatenate(spelling_weights)
    first = lexicon.cluster_term_offsets[words]
    num_terms = lexicon.cluster_term_offsets[words + 1] - first
    total = int(num_terms.sum())
    if not total:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    # The terms of all words end to end, without a Python loop: position within the word plus the word's offset.
    positions = np.arange(total) - np.repeat(np.cumsum(num_terms) - num_terms, num_terms)
    terms = lexicon.cluster_term_ids[np.repeat(first, num_terms) + positions]
    unique, inverse = np.unique(terms, return_inverse=True)
    counts: FloatArray = np.bincount(inverse, np.repeat(weights, num_terms), len(unique)).astype(np.float64)
    return unique, counts


def _build_lexicon(pages: Sequence[PageFeatures]) -> Lexicon:
    spellings = sorted({word for page in pages for word in page.vocabulary})
    languages = {page.language for page in pages}
    stop_words = latin_stop_words(languages)
    min_chars = MIN_VIETNAMESE_CHARS if "vi" in languages else MIN_WORD_CHARS
    korean_words = learn_stems(word for word in spellings if _HANGUL.match(word))
    cluster_term_index: dict[str, int] = {}
    label_term_index: dict[str, int] = {}
    # One entry more than spellings: a phrase break is -1 and reads the last entry, "no term".
    label_term_ids = np.full(len(spellings) + 1, -1, dtype=np.int64)
    ends_phrase = np.zeros(len(spellings) + 1, dtype=bool)
    is_noun: list[bool] = []
    is_verbal_noun: list[bool] = []
    cluster_term_offsets = np.zeros(len(spellings) + 1, dtype=np.int64)
    cluster_term_ids: list[int] = []
    for i, word in enumerate(spellings):
        korean = korean_words.get(word)
        cluster_terms, label_term = (
            analyze_word(word, stop_words, min_chars) if korean is None else _korean_terms(korean)
        )
        if label_term is not None:
            term_id = label_term_index.setdefault(label_term, len(label_term_index))
            if term_id == len(is_noun):
                is_noun.append(not _JAPANESE_VERB.fullmatch(word) if korean is None else korean.is_noun)
                is_verbal_noun.append(korean is not None and korean.is_verbal_noun)
            label_term_ids[i] = term_id
        ends_phrase[i] = korean is not None and korean.has_suffix
        cluster_term_ids.extend(cluster_term_index.setdefault(term, len(cluster_term_index)) for term in cluster_terms)
        cluster_term_offsets[i + 1] = len(cluster_term_ids)
    return Lexicon(
        spellings=spellings,
        spelling_index={spelling: i for i, spelling in enumerate(spellings)},
        label_term_ids=label_term_ids,
        ends_phrase=ends_phrase,
        label_terms=list(label_term_index),
        label_term_index=label_term_index,
        is_noun=np.array(is_noun, dtype=bool),
        is_verbal_noun=np.array(is_verbal_noun, dtype=bool),
        stems=[korean_words[word].stem if word in korean_words else word for word in spellings],
        cluster_term_offsets=cluster_term_offsets,
        cluster_term_ids=np.array(cluster_term_ids, dtype=np.int64),
        cluster_term_index=cluster_term_index,
        num_cluster_terms=len(cluster_term_index),
    )


def _korean_terms(word: KoreanWord) -> tuple[list[str], str | None]:
    return ([], None) if word.is_stop_word else ([word.stem], word.stem)


def analyze_word(
    word: str, stop_words: frozenset[str] = frozenset(), min_chars: int = MIN_WORD_CHARS
) -> tuple[list[str], str | None]:
    """The clustering terms of a word that is not Korean, and its label term (None: never part of a label).

    Long Chinese words count as pairs of characters too, and compounds ("PageRank", "git-commit") as their parts.
    `stop_words` are those of the Latin-script languages of the session; `min_chars` is the least length of a word.
    """
    lower = word.lower()
    if not word[0].isascii():
        return _other_script_terms(lower, stop_words)
    pieces = [piece for piece in _INNER_PUNCTUATION.split(word) if piece]
    if len(pieces) == 1 and not (word.islower() or word.isupper() or word.istitle()):
        pieces = _CAMEL_CASE_PARTS.findall(word)
    whole = None if lower in stop_words else _english_term(lower, min_chars)
    terms = [whole] if whole else []
    if len(pieces) > 1:
        piece_terms = (_english_term(piece.lower(), min_chars) for piece in pieces)
        terms += [term for term in piece_terms if term and term != whole]
    return terms, whole


def _other_script_terms(lower: str, stop_words: frozenset[str]) -> tuple[list[str], str | None]:
    """The terms of a lower-case word that does not begin with an ASCII letter."""
    if lower in stop_words or lower in other_script_stop_words():
        return [], None
    if _HAN.fullmatch(lower):
        # Parts of a long word match other divisions of the same characters.
        parts = [lower[i : i + 2] for i in range(len(lower) - 1)] if len(lower) > 2 else []
        return [lower, *parts], lower
    if len(lower) < (_MIN_HIRAGANA if _HIRAGANA.fullmatch(lower) else 2):
        return [], None
    return [lower], lower


def _english_term(lower: str, min_chars: int) -> str | None:
    """The stem of a lower-case word; None for a stop word or a word too short to carry meaning.

    A letter with a mark makes a short word unambiguous: "té".
    """
    if lower in SHORT_TERMS:
        return lower
    base = lower[:-2] if lower.endswith(("'s", "’s")) else lower
    if len(base) < (min_chars if base.isascii() else min(2, min_chars)) or "'" in base or "’" in base:
        return None
    if base in STOP_WORDS or base in KOREAN_STOP_WORDS:
        return None
    stemmed = stem(base)
    return None if stemmed in STOP_WORDS else stemmed
