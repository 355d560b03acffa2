"""Per-page work: everything the map needs from one page, small enough to send between processes.

`page_features` sees one page alone, so it may run anywhere and in any order. A page's text travels as a list of its
distinct words and arrays of indices into it: about 4 kB for a page of 4,000 characters.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass

from cluster.mindmap.pages import page_filter as kinds
from cluster.mindmap.pages.titles import segment_title
from cluster.mindmap.text.language import detect_language, split_sentences
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_invisible, strip_markup
from models.urls import host_of

MAX_BODY_CHARS = 4000
MAX_HIGHLIGHT_CHARS = 2000
MAX_PASSAGES = 8
MAX_PASSAGE_CHARS = 240
_MAX_CHARS_READ = 24_000  # What is looked at of a page of any size; navigation rarely fills more.

WORD_PATTERN = re.compile(
    r"[A-Za-zÀ-ɏ][A-Za-z0-9À-ɏ]*(?:[._'’#-][A-Za-z0-9À-ɏ]+)*(?:\+\+|#)?"
    r"|[가-힣]+"
    r"|[\u3040-\u30ffー]+|[\u4e00-\u9fff々]+"
    r"|[^\W\d_A-Za-zÀ-ɏ가-힣\u3040-\u30ff\u4e00-\u9fff]+"
)
PHRASE_BREAK = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim sentence of a page that could stand as evidence. `field` says where it was found."""

    text: str
    field: str


@dataclass(frozen=True, slots=True)
class PageFeatures:
    """One page, ready for `build_outline`.

    `vocabulary[i - 1]` is the word that index `i` stands for in the sequences, which are little arrays of unsigned
    16-bit numbers as bytes; index 0 breaks a phrase. `body` is one sequence per line of text, `line_keys` the lines'
    64-bit keys (equal lines have equal keys), by which text repeated across pages is recognised.
    """

    page_id: str
    url: str
    host: str
    folders: tuple[str, ...]
    title: str
    title_segments: tuple[str, ...]
    language: str
    num_chars: int
    exclusion_reason: str | None
    search_query: str | None
    vocabulary: tuple[str, ...]
    title_words: tuple[bytes, ...]
    path_words: bytes
    highlight_words: bytes
    body: tuple[bytes, ...]
    line_hashes: tuple[int, ...]
    passages: tuple[Passage, ...]
    dwell_ms: int
    max_scroll_depth: float
    num_highlights: int
    visited_at_ms: tuple[int, ...]
    visit_order: tuple[int, ...]


#: Words after which an English sentence cannot end.
_CONTINUATION_WORDS = frozenset(
    ("the", "a", "an", "of", "to", "and", "or", "in", "for", "with", "by", "from", "on", "at", "is", "are")
)
_SENTENCE_FINAL = re.compile(r"[.!?:;。！？…\])}]$|[다요]$")


class _Vocabulary:
    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def encode(self, text: str) -> bytes:
        """`text` as indices, phrases parted by `BREAK` wherever anything but white space lies between words."""
        found = array("H")
        end = 0
        index = self.index
        for match in WORD_PATTERN.finditer(text):
            start = match.start()
            if start > end and not text[end:start].isspace():
                found.append(PHRASE_BREAK)
            word = match.group()
            end = match.end()
            number = index.get(word)
            if number is None:
                if len(word) > 40 or len(index) >= 65_000:
                    found.append(PHRASE_BREAK)
                    continue
                number = index[word] = len(index) + 1
            found.append(number)
        return found.tobytes()


def page_features(page: CapturedPage) -> PageFeatures:
    """Everything `build_outline` needs to know about `page`. Pure: the same page gives the same value anywhere."""
    title = collapse_whitespace(page.title[:2000])
    shown_title = strip_markup(page.title)
    head = strip_invisible(page.text[:_MAX_CHARS_READ])
    lines = join_wrapped_lines([line for line in (collapse_whitespace(raw) for raw in head.split("\n")) if line])
    body_lines = _truncate_lines(lines, MAX_BODY_CHARS)
    highlights = [collapse_whitespace(text) for text in page.highlights if text and text.strip()]

    words = _Vocabulary()
    parts = segment_title(page.title[:2000])
    title_words = tuple(words.encode(part) for part in parts)
    path = words.encode(strip_invisible(kinds.url_path_words(page.url)))
    highlighted = words.encode("\n".join(highlights)[:MAX_HIGHLIGHT_CHARS])
    body = tuple(words.encode(line) for line in body_lines)
    keys = tuple(
        int.from_bytes(hashlib.blake2b(line.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        for line in body_lines
    )
    text = "\n".join(body_lines)
    return PageFeatures(
        page_id=page.page_id,
        url=page.url,
        host=host_of(page.url),
        folders=kinds.url_folders(page.url),
        title=shown_title,
        title_segments=parts,
        language=detect_language(f"{shown_title}\n{shown_title}\n{text}"),
        num_chars=len(page.text),
        exclusion_reason=kinds.exclusion_reason(page.url, title, text),
        search_query=kinds.search_query(page.url, title),
        vocabulary=tuple(words.index),
        title_words=title_words,
        path_words=path,
        highlight_words=highlighted,
        body=body,
        line_hashes=keys,
        passages=_select_passages(highlights, body_lines, parts),
        dwell_ms=max(0, page.dwell_ms),
        max_scroll_depth=min(1.0, max(0.0, page.max_scroll_depth)),
        num_highlights=len(highlights),
        visited_at_ms=page.visited_at_ms,
        visit_order=page.visit_order,
    )


def join_wrapped_lines(lines: list[str]) -> list[str]:
    """`lines` with those joined that were broken in mid-sentence to fit a screen."""
    joined: list[str] = []
    for line in lines:
        goes_on = (
            bool(joined) and len(joined[-1]) > 40 and len(joined[-1]) < 2000 and not _SENTENCE_FINAL.search(joined[-1])
        )
        unfinished = goes_on and (joined[-1][-1] in ",(-" or joined[-1].rsplit(" ", 1)[-1] in _CONTINUATION_WORDS)
        if goes_on and (line[0].islower() or unfinished) and not line.startswith(("http", "www.")):
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
    return joined


def _truncate_lines(lines: list[str], max_chars: int) -> list[str]:
    """The first lines that together hold `max_chars`; the last one is cut."""
    kept: list[str] = []
    left = max_chars
    for line in lines:
        kept.append(line if len(line) <= left else line[:left])
        left -= len(line) + 1
        if left <= 0:
            break
    return kept


_INSTRUCTION_START = re.compile(
    r"^(click|choose|press|select|see|go to|note that|copyright|©|http|\[|prev|next)", re.IGNORECASE
)


def _select_passages(highlights: list[str], lines: list[str], parts: tuple[str, ...]) -> tuple[Passage, ...]:
    """The sentences of the page that say most about it: what was highlighted, then those naming what the title names,
    then the first whole ones."""
    found: list[Passage] = []
    seen: set[str] = set()
    for text in highlights[:4]:
        quote = next(iter(split_sentences(text)), text) if len(text) > MAX_PASSAGE_CHARS else text
        quote = quote[:MAX_PASSAGE_CHARS]
        if len(quote) >= 15 and quote not in seen:
            seen.add(quote)
            found.append(Passage(quote, "highlight"))
    title_words = {word.lower() for part in parts for word in WORD_PATTERN.findall(part) if len(word) > 1}
    scored: list[tuple[float, int, str]] = []
    position = 0
    for line in lines:
        for sentence in split_sentences(line):
            position += 1
            size = kinds.latin_equivalent_length(sentence)
            if size < 40 or len(sentence) > MAX_PASSAGE_CHARS or sentence in seen or position > 60:
                continue
            words = {word.lower() for word in WORD_PATTERN.findall(sentence)}
            score = len(title_words & words) / (1 + len(title_words)) + 1.0 / (2 + position)
            score += 0.3 if sentence[-1] in ".。!?" else 0.0
            score -= 0.25 if sentence[0].islower() else 0.0  # The tail of a sentence whose head is elsewhere.
            score -= 0.5 if _INSTRUCTION_START.match(sentence) else 0.0
            scored.append((-score, position, sentence))
    for _, _, sentence in sorted(scored)[: MAX_PASSAGES - len(found)]:
        if sentence in seen:
            continue
        seen.add(sentence)
        found.append(Passage(sentence, "text"))
    if not found and lines:
        longest = max(lines[:40], key=lambda line: (min(kinds.latin_equivalent_length(line), 200), -lines.index(line)))
        found.append(Passage(longest[:MAX_PASSAGE_CHARS].strip(), "text"))
    return tuple(found)


def default_page_label(features: PageFeatures, max_chars: int = 72) -> str:
    """A page's own name when nothing is known about its neighbours: its title, else the end of its address."""
    if features.title:
        return shorten(features.title, max_chars)
    path = kinds.url_path_words(features.url)
    return shorten(strip_markup(f"{features.host} {path}".strip()) or features.page_id, max_chars)
