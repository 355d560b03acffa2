"""Cleaning of captured text: removes invisible characters and markup that a hostile page can contain."""

from __future__ import annotations

import html
import re
import unicodedata

# Bidirectional overrides, zero-width characters, byte-order marks, soft hyphens, lone surrogates, noncharacters: they
# are invisible in a label, can disguise it, and some are invalid in XML.
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
    """`text` in NFC without invisible and control characters; newlines and tabs are kept."""
    if text.isascii() and not _CONTROL.search(text):
        return text
    return _CONTROL.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))


def collapse_whitespace(text: str) -> str:
    """`text` as one line without invisible characters; each run of white space becomes one space."""
    return _SPACES.sub(" ", strip_invisible(text)).strip()


def normalized(text: str) -> str:
    """The form in which a quote is compared with a page's text: NFC, no invisible characters, single spaces."""
    return collapse_whitespace(text)


def strip_markup(text: str) -> str:
    """`text` as one line for a label: without tags, entities, Markdown and scripts."""
    text = collapse_whitespace(text[:4000])  # First: an invisible character can split markup.
    if not _SUSPECT.search(text):
        return text
    for _ in range(3):  # An entity can contain a tag and vice versa; real titles need three rounds at most.
        before = text
        text = _TAG.sub(" ", _ELEMENT.sub(" ", text))
        if "&" in text:
            text = strip_invisible(html.unescape(text))
        if text == before:
            break
    text = collapse_whitespace(_MARKERS.sub(" ", _MARKDOWN_LINK.sub(r"\1", text)))
    while MARKUP.search(text):  # Removing markup can join its two halves to new markup; each round shortens the text.
        text = collapse_whitespace(MARKUP.sub(" " if "javascript:" not in text.lower() else "", text))
    return text


def shorten(text: str, max_chars: int) -> str:
    """`text` cut at a word boundary to at most `max_chars`, with an ellipsis if it was cut."""
    if len(text) <= max_chars:
        return text
    cut = text[: max_chars - 1]
    space = cut.rfind(" ")
    if space > max_chars * 0.55:
        cut = cut[:space]
    return cut.rstrip(" .,;:-–—·|/(") + "…"
