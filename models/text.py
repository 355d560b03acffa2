"""Cleaning captured text: what people would read, without what a hostile page can hide in it."""

from __future__ import annotations

import html
import re
import unicodedata

# Bidirectional overrides, zero-width characters, byte-order marks, soft hyphens, lone surrogates, noncharacters:
# invisible in a label, able to disguise one, and partly not allowed in XML.
_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ELEMENT = re.compile(r"<(script|style)\b[^>]*>.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,400}>")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\[]{0,200})\]\([^)\s]{0,400}\)")
_SUSPECT = re.compile(r"[<>&*`\[~]|\]\(|javascript:", re.IGNORECASE)
_MARKERS = re.compile(r"`+|\*{2,}|[<>]|~~")
_SPACES = re.compile(r"\s+")
MARKUP = re.compile(r"<\s*/?\s*[a-zA-Z!]|[<>`]|\*\*|\]\(|&(?:[a-zA-Z]{2,8}|#\d{1,6});|javascript:", re.IGNORECASE)


def strip_invisible(text: str) -> str:
    """`text` in NFC without invisible or control characters; newlines and tabs stay."""
    if text.isascii() and not _CONTROL.search(text):
        return text
    return _CONTROL.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))


def collapse_whitespace(text: str) -> str:
    """One line: plain text with every run of white space made one space."""
    return _SPACES.sub(" ", strip_invisible(text)).strip()


def normalized(text: str) -> str:
    """The form in which a quote is looked for in a page: NFC, nothing invisible, white space squeezed."""
    return collapse_whitespace(text)


def strip_markup(text: str) -> str:
    """One line of `text` fit for a label: no tags, entities, markdown or script."""
    text = collapse_whitespace(text[:4000])  # First: a character nobody sees may part what would be recognised.
    if not _SUSPECT.search(text):
        return text
    for _ in range(3):  # An entity can hide a tag, which can hide an entity: three rounds settle every real title.
        before = text
        text = _TAG.sub(" ", _ELEMENT.sub(" ", text))
        if "&" in text:
            text = strip_invisible(html.unescape(text))
        if text == before:
            break
    text = collapse_whitespace(_MARKERS.sub(" ", _MARKDOWN_LINK.sub(r"\1", text)))
    while MARKUP.search(text):  # Taking something out may bring its halves together; each round makes it shorter.
        text = collapse_whitespace(MARKUP.sub(" " if "javascript:" not in text.lower() else "", text))
    return text


def shorten(text: str, max_chars: int) -> str:
    """`text` cut at a word boundary, with an ellipsis when something is missing; at most `max_chars` long."""
    if len(text) <= max_chars:
        return text
    cut = text[: max_chars - 1]
    space = cut.rfind(" ")
    if space > max_chars * 0.55:
        cut = cut[:space]
    return cut.rstrip(" .,;:-–—·|/(") + "…"
