"""What one page contributes to the map, small enough to send between processes.

`page_features` reads one page alone, so it may run anywhere and in any order. A page's text becomes a list of its
distinct words and arrays of indices into that list: about 4 kB for a page of 4,000 characters.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.mindmap.pages.interface_text import is_interface_sentence
from cluster.mindmap.pages.page_filter import (
    attention_level,
    exclusion_reason,
    latin_equivalent_length,
    search_query,
    url_folders,
    url_path_words,
)
from cluster.mindmap.pages.places import names_own_site, place_of, platform_path_words
from cluster.mindmap.pages.titles import segment_title
from cluster.mindmap.text.language import detect_language, is_complete_sentence, split_sentences
from cluster.mindmap.text.meaning import LANGUAGES, NO_VECTOR, PageVector, SentenceEncoder, page_vector
from cluster.mindmap.text.stop_words import latin_language
from cluster.mindmap.text.words import split_words
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_invisible, strip_markup
from models.urls import host_of
from models.words import find_words, iter_words

MAX_BODY_CHARS = 4000
MAX_HIGHLIGHT_CHARS = 2000
MAX_PASSAGES = 8
MAX_PASSAGE_CHARS = 240
#: The same for Chinese, Japanese and Korean, in Latin letters (`latin_equivalent_length`): about 150 characters.
_MAX_PASSAGE_LETTERS = 410
#: Characters of a page's text that are read at all; the navigation before the article is rarely longer.
_MAX_CHARS_READ = 24_000
_MAX_TITLE_CHARS = 2000
#: A line that is at least this long, in Latin letters, is prose; shorter ones are headings and menu items.
_MIN_PROSE_LENGTH, _MAX_LINES_OF_PROSE = 40, 40

PHRASE_BREAK = 0
_MAX_WORD_CHARS = 40
_MAX_VOCABULARY = 65_000  # Word indices are unsigned 16-bit numbers.


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim sentence of a page that can serve as evidence. `field` is where it is: "text" or "highlight"."""

    text: str
    field: str


@dataclass(frozen=True, slots=True)
class PageFeatures:
    """One page, ready for `build_outline`.

    `vocabulary[i - 1]` is the word with index `i`. `title_words` (one sequence per title segment), `path_words`,
    `highlight_words` and `body` (one sequence per line of text) hold word indices as the bytes of unsigned 16-bit
    numbers; index 0 (`PHRASE_BREAK`) separates phrases. `line_hashes` holds a 64-bit hash per line of `body` and
    `sentence_hashes` one per sentence, by which text repeated on several pages is recognised. `exclusion_reason` is a
    key of `EXCLUSION_REASONS`, or None for a page that is placed on the map. `meaning` is empty where no sentence
    encoder is used.
    """

    page_id: str
    url: str
    host: str
    folders: tuple[str, ...]
    title: str
    title_segments: tuple[str, ...]
    language: str
    exclusion_reason: str | None
    search_query: str | None
    vocabulary: tuple[str, ...]
    title_words: tuple[bytes, ...]
    path_words: bytes
    highlight_words: bytes
    body: tuple[bytes, ...]
    line_hashes: tuple[int, ...]
    sentence_hashes: tuple[int, ...]
    passages: tuple[Passage, ...]
    dwell_ms: int
    max_scroll_depth: float
    num_highlights: int
    visited_at_ms: tuple[int, ...]
    visit_order: tuple[int, ...]
    meaning: PageVector = NO_VECTOR


class _Vocabulary:
    """The distinct words of one page, numbered from 1 by first appearance."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def encode(self, text: str) -> bytes:
        """`text` as word indices, with `PHRASE_BREAK` wherever words are separated by more than white space."""
        indices = array("H")
        end = 0
        index = self.index
        for match in iter_words(text):
            start = match.start()
            if start > end and not text[end:start].isspace():
                indices.append(PHRASE_BREAK)
            word = match.group()
            end = match.end()
            number = index.get(word)
            if number is None:
                if len(word) > _MAX_WORD_CHARS or len(index) >= _MAX_VOCABULARY:
                    indices.append(PHRASE_BREAK)
                    continue
                number = index[word] = len(index) + 1
            indices.append(number)
        return indices.tobytes()


def page_features(page: CapturedPage, encoder: SentenceEncoder | None = None) -> PageFeatures:
    """Everything `build_outline` needs to know about `page`. Pure: the same page gives the same value anywhere.

    `encoder` computes the vector of what the page is about; without one the page has none.
    """
    title = collapse_whitespace(page.title[:_MAX_TITLE_CHARS])
    clean_title = strip_markup(page.title)
    title_segments = segment_title(page.title[:_MAX_TITLE_CHARS])
    lines = _body_lines(page.text)
    text = "\n".join(lines)
    highlights = [collapse_whitespace(highlight) for highlight in page.highlights if highlight and highlight.strip()]
    sentences = [sentence for line in lines for sentence in split_sentences(line)]
    words = _Vocabulary()
    # The vocabulary numbers words by first appearance: the order of these four calls is part of the result.
    title_words = tuple(words.encode(segment) for segment in title_segments)
    path_words = words.encode(strip_invisible(_path_text(page.url)))
    highlight_words = words.encode("\n".join(highlights)[:MAX_HIGHLIGHT_CHARS])
    body = tuple(words.encode(line) for line in lines)
    # The title counts twice: a short text may be all navigation.
    language = _language(f"{clean_title}\n{clean_title}\n{text}", words.index)
    host = host_of(page.url)
    return PageFeatures(
        page_id=page.page_id,
        url=page.url,
        host=host,
        folders=url_folders(page.url),
        title=clean_title,
        title_segments=title_segments,
        language=language,
        exclusion_reason=exclusion_reason(
            page.url, title, text, dwell_ms=page.dwell_ms, num_highlights=len(highlights)
        ),
        search_query=search_query(page.url, title),
        vocabulary=tuple(words.index),
        title_words=title_words,
        path_words=path_words,
        highlight_words=highlight_words,
        body=body,
        line_hashes=tuple(_line_hash(line) for line in lines),
        sentence_hashes=tuple(sorted({sentence_hash(sentence) for sentence in sentences})),
        passages=_select_passages(highlights, lines, sentences, title_segments),
        dwell_ms=max(0, page.dwell_ms),
        max_scroll_depth=min(1.0, max(0.0, page.max_scroll_depth)),
        num_highlights=len(highlights),
        visited_at_ms=page.visited_at_ms,
        visit_order=page.visit_order,
        meaning=NO_VECTOR if encoder is None else _page_vector(encoder, host, title_segments, lines, language),
    )


def content_digest(page: CapturedPage) -> bytes:
    """What identifies all of a page that `page_features` reads, but for the times and extent of its visits."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (page.page_id, page.url, page.title, page.text, *page.highlights):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def with_visits(features: PageFeatures, page: CapturedPage) -> PageFeatures:
    """`features` of a page with the same `content_digest`, with the visits of `page`: as `page_features(page)`."""
    reason = features.exclusion_reason
    if attention_level(page.dwell_ms) != attention_level(features.dwell_ms):
        title, text = collapse_whitespace(page.title[:_MAX_TITLE_CHARS]), "\n".join(_body_lines(page.text))
        reason = exclusion_reason(page.url, title, text, dwell_ms=page.dwell_ms, num_highlights=features.num_highlights)
    return replace(
        features,
        exclusion_reason=reason,
        dwell_ms=max(0, page.dwell_ms),
        max_scroll_depth=min(1.0, max(0.0, page.max_scroll_depth)),
        visited_at_ms=page.visited_at_ms,
        visit_order=page.visit_order,
    )


def lack_vectors(features: Iterable[PageFeatures]) -> bool:
    """Whether pages that could have a vector have none, because no sentence encoder was available."""
    return any(f.language in LANGUAGES and not f.meaning.model for f in features)


def _page_vector(
    encoder: SentenceEncoder, host: str, title_segments: Sequence[str], lines: Sequence[str], language: str
) -> PageVector:
    """The vector of a page's own title and the beginning of its prose: no menus, and not the name of its site."""
    own = [segment for segment in title_segments if not names_own_site(host, segment)] or list(title_segments)
    prose = [line for line in lines[:_MAX_LINES_OF_PROSE] if latin_equivalent_length(line) >= _MIN_PROSE_LENGTH]
    return page_vector(encoder, ". ".join(own), " ".join(prose), language)


def _path_text(url: str) -> str:
    """What the address of a page says about it."""
    return platform_path_words(url, url_path_words) if place_of(url).is_platform else url_path_words(url)


def _language(text: str, words: Iterable[str]) -> str:
    """The language of a page: of its script, and for Latin letters of its words."""
    language = detect_language(text)
    return latin_language(words) if language == "en" else language


def _body_lines(text: str) -> list[str]:
    """The lines of the head of `text` that count: cleaned, unwrapped, at most `MAX_BODY_CHARS` together."""
    return _truncate_lines(_clean_lines(text), MAX_BODY_CHARS)


def _clean_lines(text: str) -> list[str]:
    head = strip_invisible(text[:_MAX_CHARS_READ])
    return join_wrapped_lines([line for line in (" ".join(raw.split()) for raw in head.split("\n")) if line])


def _line_hash(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.encode("utf-8", "replace"), digest_size=8).digest(), "big")


_NUMBER = re.compile(r"\d+")


def sentence_hash(sentence: str) -> int:
    """A 64-bit hash of a sentence, the same whatever numbers it has ("Updated 3 days ago")."""
    return _line_hash(_NUMBER.sub("0", sentence).casefold())


#: Words that cannot end an English sentence, and Korean ones that cannot end one either.
_CONTINUATION_WORDS = frozenset(
    split_words(
        """
    the a an of to and or in for with by from on at is are as that which than into between such their its your our
    was were be been has have had will can may must should not but if when because while where whose about using via
    및 또는 그리고 하는 위한 대한 따라 통해 등의
    """
    )
)
_SENTENCE_FINAL = re.compile(r"[.!?:;。！？…\])}]$|[다요]$")


def join_wrapped_lines(lines: Sequence[str]) -> list[str]:
    """`lines` with hard-wrapped lines joined: those that were broken inside a sentence to fit a line width."""
    joined: list[str] = []
    for line in lines:
        previous = joined[-1] if joined else ""
        # Shorter lines are headings or menu items; the upper limit bounds the work on text without punctuation.
        may_continue = 40 < len(previous) < 2000 and not _SENTENCE_FINAL.search(previous)
        is_unfinished = may_continue and (previous[-1] in ",(-" or previous.rsplit(" ", 1)[-1] in _CONTINUATION_WORDS)
        if may_continue and (line[0].islower() or is_unfinished) and not line.startswith(("http", "www.")):
            joined[-1] = f"{previous} {line}"
        else:
            joined.append(line)
    return joined


def _truncate_lines(lines: Sequence[str], max_chars: int) -> list[str]:
    """The first lines that hold `max_chars` characters together, the last of them up to the end of a sentence."""
    kept: list[str] = []
    num_left = max_chars
    for line in lines:
        kept.append(line if len(line) <= num_left else _first_sentences(line, num_left))
        num_left -= len(line) + 1
        if num_left <= 0:
            break
    return [line for line in kept if line]


def _first_sentences(line: str, max_chars: int) -> str:
    """The whole sentences at the beginning of a longer line, or its whole words if its first sentence is too long."""
    cut = line[:max_chars]
    last = list(split_sentences(cut))[-1:]
    # The last sentence of the part is whole only if the line goes on with a blank behind its final sign.
    if not last or (is_complete_sentence(cut) and line[max_chars].isspace()):
        return cut
    whole = cut[: cut.rfind(last[0])].rstrip()
    return whole or cut.rpartition(" ")[0] or cut


_INSTRUCTION_START = re.compile(
    r"^(click|choose|press|select|see|go to|note that|copyright|©|http|\[|prev|next)", re.IGNORECASE
)
_MAX_HIGHLIGHT_PASSAGES = 4
_MAX_SENTENCES_SCORED = 60


def _select_passages(
    highlights: Sequence[str], lines: Sequence[str], sentences: Sequence[str], title_segments: Sequence[str]
) -> tuple[Passage, ...]:
    """The most informative sentences of a page: its highlights, then the sentences that share words with its title,
    then the first complete ones; the beginning of the longest line of a page that has none of these."""
    passages = _highlight_passages(highlights, sentences)
    seen = {passage.text for passage in passages}
    for sentence in _ranked_sentences(sentences, title_segments, seen):
        if len(passages) >= MAX_PASSAGES:
            break
        if sentence not in seen and not is_interface_sentence(sentence):
            seen.add(sentence)
            passages.append(Passage(sentence, "text"))
    own_lines = [line for line in lines[:40] if not is_interface_sentence(line)] if not passages else []
    if own_lines:
        longest = max(own_lines, key=lambda line: (min(latin_equivalent_length(line), 200), -lines.index(line)))
        passages.append(Passage(_first_sentence(longest), "text"))
    return tuple(passages)


def _highlight_passages(highlights: Sequence[str], sentences: Sequence[str]) -> list[Passage]:
    """The first highlights as passages; of a long one its first sentence.

    Who marks a part of a sentence remembers what stands around it; a reader of the map does not. Where the page has the
    sentence, it is the passage.
    """
    passages: dict[str, Passage] = {}
    for highlight in highlights[:_MAX_HIGHLIGHT_PASSAGES]:
        text = highlight if _is_quotable(highlight) else _first_sentence(highlight)
        if len(text) < 15:
            continue
        begin = next(iter(split_sentences(text)), text)
        whole = next((sentence for sentence in sentences if begin in sentence), begin)
        is_part = whole != begin and (begin == text or not whole.startswith(begin))
        if is_part and _is_quotable(whole):
            passages.setdefault(whole, Passage(whole, "text"))
        else:
            passages.setdefault(text, Passage(text, "highlight"))
    return list(passages.values())


def _is_quotable(text: str) -> bool:
    """Whether `text` is short enough for a quote."""
    return len(text) <= MAX_PASSAGE_CHARS and latin_equivalent_length(text) <= _MAX_PASSAGE_LETTERS


def _first_sentence(text: str) -> str:
    """The first sentence of `text`, cut to the length of a quote."""
    sentence = next(iter(split_sentences(text)), text)
    if _is_quotable(sentence):
        return sentence
    max_chars = MAX_PASSAGE_CHARS * MAX_PASSAGE_CHARS // max(1, latin_equivalent_length(sentence[:MAX_PASSAGE_CHARS]))
    return shorten(sentence, max_chars).removesuffix("…").strip()


def _ranked_sentences(sentences: Sequence[str], title_segments: Sequence[str], excluded: set[str]) -> list[str]:
    """The sentences that can serve as passages, best first."""
    title_words = _words(" ".join(title_segments), min_chars=2)
    scored: list[tuple[float, int, str]] = []
    for position, sentence in enumerate(sentences[:_MAX_SENTENCES_SCORED], 1):
        length = latin_equivalent_length(sentence)
        if sentence in excluded or len(sentence) > MAX_PASSAGE_CHARS or not 40 <= length <= _MAX_PASSAGE_LETTERS:
            continue
        score = len(title_words & _words(sentence)) / (1 + len(title_words)) + 1.0 / (2 + position)
        score += 0.3 if is_complete_sentence(sentence) else 0.0
        score -= 0.25 if sentence[0].islower() else 0.0  # The second half of a sentence that was cut.
        score -= 0.5 if _INSTRUCTION_START.match(sentence) else 0.0
        scored.append((-score, position, sentence))
    return [sentence for _, _, sentence in sorted(scored)]


#: A sentence on so many pages of a session is a notice of their sites, not what these pages say.
MIN_PAGES_OF_NOTICE = 3


def count_sentences(pages: Iterable[PageFeatures]) -> Counter[int]:
    """The number of pages that have each sentence, by its hash."""
    return Counter(number for page in pages for number in page.sentence_hashes)


def without_notices(page: PageFeatures, num_pages: Mapping[int, int]) -> PageFeatures:
    """`page` without the passages that stand on several pages; `num_pages` is what `count_sentences` returns.

    Highlights stay.
    """
    notices = {number for number in page.sentence_hashes if num_pages.get(number, 0) >= MIN_PAGES_OF_NOTICE}
    if not notices:
        return page
    kept = tuple(p for p in page.passages if p.field == "highlight" or sentence_hash(p.text) not in notices)
    return page if len(kept) == len(page.passages) else replace(page, passages=kept)


class NoticesOfSession:
    """The sentences that stand on several of `pages`, for quotes that were not chosen from `PageFeatures`."""

    def __init__(self, pages: Iterable[CapturedPage]) -> None:
        self._num_pages: Counter[int] = Counter()
        for page in pages:
            self._num_pages.update({sentence_hash(sentence) for sentence in _page_sentences(page)})

    def contain(self, quote: str, page: CapturedPage) -> bool:
        """Whether each sentence of `quote`, which is verbatim from `page`, is one of them or a part of one."""
        notices = [
            sentence
            for sentence in _page_sentences(page)
            if self._num_pages[sentence_hash(sentence)] >= MIN_PAGES_OF_NOTICE
        ]
        return bool(notices) and all(
            any(part in notice for notice in notices) for part in split_sentences(collapse_whitespace(quote))
        )


def _page_sentences(page: CapturedPage) -> list[str]:
    return [sentence for line in _clean_lines(page.text) for sentence in split_sentences(line)]


def _words(text: str, min_chars: int = 1) -> set[str]:
    return {word.lower() for word in find_words(text) if len(word) >= min_chars}


def default_page_label(features: PageFeatures, max_chars: int = 72) -> str:
    """A label for a page from the page alone: its title, else its host and path, else its id."""
    if features.title:
        return shorten(features.title, max_chars)
    path = url_path_words(features.url)
    return shorten(strip_markup(f"{features.host} {path}".strip()) or features.page_id, max_chars)
