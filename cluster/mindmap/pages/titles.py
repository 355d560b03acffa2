"""Page titles split into segments (page name, site name), without chapter numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import regex

from models.text import strip_markup

#: Separators between a page's name and its site's name. A hyphen, colon or middle dot separates only next to white
#: space, a comparison sign between words of letters, and next to a Chinese or Japanese site's name `_` and `-` too.
_SEPARATOR = regex.compile(
    r"\s+[-–—|·•»«:]+\s+|\s*[|｜»«›‹•]\s*|\s*—\s*|\s*–\s+|\s+::\s+|(?<=[^\s\d]):\s+|(?<=\p{L}{2}.?)\s+[<>]+\s+(?=\p{L}{2})"
    r"|[-_－＿](?=[\p{Han}\p{Katakana}])(?<=[\p{Han}\p{Hiragana}\p{Katakana}ー）】」』！？][-_－＿])|_(?=\p{Han})"
)
_CHAPTER_NUMBER = re.compile(
    r"^\s*(?:(?:chapter|section|part|appendix|lesson|episode)\s+[\dIVXLC]{1,6}[.:)]?\s+|"
    r"[A-Z]\.(?:\d{1,3}\.?)+\s+|(?:\d{1,3}\.)+\d{0,3}\.?\s+|\d{1,3}(?:\.\d{1,3})+\s+|\d{1,3}[.)]\s+|"
    r"제?\s?\d{1,3}\s?[장절편화강회]\s*[.:]?\s+|\(\d{1,4}\)\s+)",
    re.IGNORECASE,
)
_UNREAD_COUNT = re.compile(r"^\s*\(\d+\+?\)\s*")


def segment_title(title: str) -> tuple[str, ...]:
    """The parts of `title` between separators, in order, without markup, chapter numbers and unread counts."""
    clean_title = _UNREAD_COUNT.sub("", strip_markup(title))
    parts = [strip_chapter_number(part) for part in _SEPARATOR.split(clean_title)]
    segments = tuple(part for part in parts if part and any(c.isalnum() for c in part))
    return segments or ((clean_title,) if clean_title else ())


def joined_segments(title: str, segments: Sequence[str], kept: Sequence[int]) -> str:
    """The segments at the positions `kept` (ascending), with the separators that `title` has between them."""
    spans, position = [], 0
    for segment in segments:
        start = title.find(segment, position)
        if start < 0:
            return " ".join(segments[i] for i in kept)
        position = start + len(segment)
        spans.append((start, position))
    parts: list[str] = []
    for i in kept:
        if i - 1 in kept:
            parts.append(title[spans[i - 1][1] : spans[i][0]])
        elif parts:
            parts.append(" ")
        parts.append(segments[i])
    return "".join(parts)


def strip_chapter_number(text: str) -> str:
    """`text` without a leading "38.16.", "Chapter 9." or "2장."; unchanged when no letter would remain."""
    stripped = _CHAPTER_NUMBER.sub("", text, count=1).strip()
    return stripped if any(c.isalpha() for c in stripped) else text.strip()
