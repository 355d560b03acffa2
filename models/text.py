"""Cleaning of captured text. Text is text: signs such as `<` and `*` are kept, and every output escapes them.

Removed are characters that are invisible and carry no meaning, and HTML that a site left in a title by mistake.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import Final

import regex

# Bidirectional overrides, zero-width characters, byte-order marks, soft hyphens, lone surrogates, noncharacters, tags:
# they are invisible in a label, can disguise it, and some are invalid in XML. U+200C and U+200D are treated apart.
_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"
    r"\ud800-\udfff\U000e0001]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Tag characters spell the flags of regions (England, Scotland …) after a black flag; elsewhere they hide text.
_TAG_CHARACTERS = re.compile(r"(\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f)|[\U000e0020-\U000e007f]+")
_JOINERS = re.compile("[\u200c\u200d]")
_JOINED_LETTER: Final = (
    r"[[\p{L}\p{M}]&&[\p{Arab}\p{Syrc}\p{Mong}\p{Nko}\p{Mand}\p{Adlm}\p{Rohg}\p{Deva}\p{Beng}\p{Guru}\p{Gujr}\p{Orya}"
    r"\p{Taml}\p{Telu}\p{Knda}\p{Mlym}\p{Sinh}\p{Khmr}\p{Mymr}\p{Tibt}\p{Java}\p{Bali}\p{Inherited}]]"
)
#: Joiners with a meaning: after a virama, between letters of a script that joins them, after such a letter (ZWJ), and
#: between the parts of an emoji. Between other characters a joiner is invisible and only divides a word.
_MEANINGFUL_JOINER = regex.compile(
    rf"(?V1)(?<=\p{{ccc=9}})[\u200c\u200d]|(?<={_JOINED_LETTER})\u200c(?={_JOINED_LETTER})|(?<={_JOINED_LETTER})\u200d"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})"
)
#: Normalisation sorts a run of combining marks in quadratic time. Unicode's stream-safe text has 30 in a row at most
#: (https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format); no written language needs more.
_EXCESSIVE_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")
_MAX_JOINER_ROUNDS = 4


def normalize_unicode(text: str, form: str = "NFC") -> str:
    """`text` in a normal form ("NFC", "NFKC"), in time linear in its length.

    Text in another form loses combining marks beyond 30 in a row.
    """
    if unicodedata.is_normalized(form, text):  # type: ignore[arg-type]
        return text
    return unicodedata.normalize(form, _EXCESSIVE_MARKS.sub(r"\1", text))  # type: ignore[arg-type]


def strip_invisible(text: str) -> str:
    """`text` in NFC without control characters and meaningless invisible ones; newlines and tabs are kept.

    Joiners of Persian, Indic and emoji sequences are kept.
    """
    if text.isascii():
        return _CONTROL.sub(" ", text) if _CONTROL.search(text) else text
    text = _CONTROL.sub(" ", _TAG_CHARACTERS.sub(lambda match: match[1] or "", _INVISIBLE.sub("", text)))
    # Normalised last: what was on both sides of a removed character can combine.
    text = normalize_unicode(text)
    return _without_idle_joiners(text) if _JOINERS.search(text) else text


def _without_idle_joiners(text: str) -> str:
    """`text` with the joiners of `_MEANINGFUL_JOINER` only; without any if removing some makes others idle again."""
    for _ in range(_MAX_JOINER_ROUNDS):
        before = text
        text = normalize_unicode(_JOINERS.sub(partial(_joiner_if_meaningful, before), before))
        if text == before:
            return text
    return normalize_unicode(_JOINERS.sub("", text))


def _joiner_if_meaningful(text: str, joiner: re.Match[str]) -> str:
    return joiner[0] if _MEANINGFUL_JOINER.match(text, joiner.start()) else ""


def collapse_whitespace(text: str) -> str:
    """`text` as one line without invisible characters; each run of white space becomes one space."""
    return " ".join(strip_invisible(text).split())


def normalized(text: str) -> str:
    """The form in which a quote is compared with a page's text: NFC, no invisible characters, single spaces."""
    return collapse_whitespace(text)


_MAX_CLEANED_CHARS = 4000
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
#: HTML that sites leave in titles. Other names in angle brackets are text: `vector<int>`, `<stdio.h>`, `<dialog>`.
_TAG = re.compile(
    r"<(/?)(a|abbr|b|big|center|code|div|em|font|h[1-6]|i|iframe|img|li|mark|ol|p|s|script|small|span|strong|style|sub|"
    r"sup|svg|u|ul)(\s[^<>]{0,400})?\s*/?>",
    re.IGNORECASE,
)
_BLOCKS = frozenset(
    ("center", "div", "h1", "h2", "h3", "h4", "h5", "h6", "iframe", "img", "li", "ol", "p", "svg", "ul")
)
_ATTRIBUTE = re.compile(r"\s[a-zA-Z-]+\s*=\s*[\"'\w(/.#]")
_INNER_BREAK = re.compile(r"(?<=\S)<br\s*/?>(?=\S)", re.IGNORECASE)


def strip_markup(text: str) -> str:
    """`text` as one line for a label, without the HTML that a site left in it by mistake.

    HTML is recognised by what text about HTML does not have: an opening tag with its closing one
    (`<em>new</em>`), a tag with attributes (`<img src=…>`), a comment, a `<br>` between two words. The result is text,
    not HTML: outputs must escape it.
    """
    text = collapse_whitespace(text[:_MAX_CLEANED_CHARS])  # First: an invisible character can split markup.
    if "<" not in text:
        return text
    return collapse_whitespace(_without_elements(_INNER_BREAK.sub(" ", _COMMENT.sub(" ", text))))


def _without_elements(text: str) -> str:
    """`text` without tags that are paired or have attributes, and without the content of scripts and styles."""
    removed: list[tuple[int, int, str]] = []  # Start, end, replacement.
    open_tags: dict[str, list[re.Match[str]]] = {}
    for tag in _TAG.finditer(text):
        name = tag[2].lower()
        opened = open_tags.setdefault(name, [])
        if not tag[1]:
            opened.append(tag)
            if tag[3] and _ATTRIBUTE.match(tag[3]):
                removed.append((*tag.span(), " "))
        elif opened:
            start = opened.pop()
            if name in ("script", "style"):
                removed.append((start.start(), tag.end(), " "))
            else:
                replacement = " " if name in _BLOCKS else ""
                removed += [(*start.span(), replacement), (*tag.span(), replacement)]
    kept, position = [], 0
    for start_at, end_at, replacement in sorted(removed):
        if start_at >= position:
            kept += [text[position:start_at], replacement]
        position = max(position, end_at)
    return "".join([*kept, text[position:]])


_EMPHASIS = re.compile(r"#{1,6} (.+)|(\*{1,3}|__|`{1,3})(?![*_`])(.+?)(?<![*_`])\2", re.DOTALL)


def strip_emphasis(text: str) -> str:
    """A model's answer without the Markdown around it as a whole: `**Bread**` and `# Bread` become `Bread`."""
    match = _EMPHASIS.fullmatch(text)
    return (match[1] or match[3]) if match else text


_CHARACTER = regex.compile(r"\X")
_MAX_CLUSTER_CHARS = 64


def shorten(text: str, max_chars: int) -> str:
    """`text` cut at a word boundary to at most `max_chars`, with an ellipsis if it was cut.

    A letter is never divided from its combining marks, nor an emoji into its parts.
    """
    if len(text) <= max_chars:
        return text
    end = _character_boundary(text, max_chars - 1)
    cut = text[:end]
    space = cut.rfind(" ")
    if space > max_chars * 0.55:
        cut = cut[:space]
    return cut.rstrip(" .,;:-–—·|/(\u200c\u200d") + "…"


def _character_boundary(text: str, end: int) -> int:
    """The last position up to `end` that is not inside a user-perceived character (a grapheme cluster)."""
    if text[end].isascii():
        return end
    start = end
    while start > 0 and end - start < _MAX_CLUSTER_CHARS and not text[start].isascii():
        start -= 1
    for character in _CHARACTER.finditer(text, start):
        if character.end() > end:
            return int(character.start())
    return end


_INNER_QUOTES = str.maketrans({"“": "‘", "„": "‘", "‟": "‘", "”": "’"})
_OPENING_QUOTE = re.compile(r"(^|[\s(\[{‘])\"")


def quoted(text: str) -> str:
    """`text` in quotation marks; those inside become single ones, as in print: “About ‘this’”."""
    inside = _OPENING_QUOTE.sub(r"\1‘", text.translate(_INNER_QUOTES)).replace('"', "’")
    return f"“{inside}”"
