"""Words of text in any script, by Unicode properties; scripts without blanks are divided by ICU's dictionaries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import regex

#: Scripts that are written without blanks between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
#: The content of a character class of `regex`.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ーｰ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"

# `re` is more than twice as fast as `regex`, and most lines have no other letters than these.
_COMMON_TEXT = re.compile(
    r"[\x00-\u02af가-힣\u2000-\u200a\u2010-\u206f\u20a0-\u20bf\u2190-\u22ff\u3000-\u3003\u3008-\u301f\uff01-\uff0f]*"
)
_COMMON_WORD = re.compile(
    r"[A-Za-zÀ-ɏ][A-Za-z0-9À-ɏ]*(?:[._'’#-][A-Za-z0-9À-ɏ]+)*(?:\+\+|#)?"  # "node.js", "don't", "C++"
    r"|[가-힣]+"
)
_OTHER_LETTER = r"[[\p{L}\p{M}\p{Nl}\u200c\u200d]--\p{Latin}--[가-힣]]"
_WORD = regex.compile(
    r"(?V1)\p{Latin}[\p{Latin}\p{M}0-9]*+(?:[._'’ʻʼ#-][\p{Latin}\p{M}0-9]++)*+(?:\+\+|#)?"
    r"|[가-힣]+"
    rf"|([{UNSPACED}][{UNSPACED}\p{{M}}]*+)"
    rf"|[[\p{{L}}\p{{Nl}}]--\p{{Latin}}--[가-힣]]{_OTHER_LETTER}*+(?:['’ʼ״׳]{_OTHER_LETTER}++)*+"
)
_LETTER = regex.compile(r"[\p{L}\p{Nl}]")
#: Chinese characters that are words of grammar; other single characters next to each other are an unknown word.
_HAN_FUNCTION_WORDS = frozenset(
    "的了是在和與与及或不也都就而但把被让讓给給对對从從向往到由以于於为為因所之其此这這那哪每各某个個们們我你他她它您"
    "很更最太又再还還已将將会會能可要应應该該得着著过過吗嗎呢吧啊上下中里裡内內外前后後时時有没沒无無一二三四五六七八九十两兩"
    "几幾多少些种種次只隻条條张張位名年月日号號第等如若比用做作当當使令叫说說去来來起"
)


class WordMatch(Protocol):
    """A word and its place in the text; matches of `re` and `regex` are of this form."""

    def group(self) -> str: ...
    def start(self) -> int: ...
    def end(self) -> int: ...


class _Segment:
    """A word that a dictionary found in `text`."""

    __slots__ = ("_end", "_start", "_text")

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text, self._start, self._end = text, start, end

    def group(self) -> str:
        return self._text[self._start : self._end]

    def start(self) -> int:
        return self._start

    def end(self) -> int:
        return self._end


def iter_words(text: str) -> Iterator[WordMatch]:
    """Each word of `text`, in order: letters with their marks, joiners and apostrophes. Numbers are no words.

    Takes time linear in the length of `text`.
    """
    return _COMMON_WORD.finditer(text) if _COMMON_TEXT.fullmatch(text) else _iter_words_of_any_script(text)


def _iter_words_of_any_script(text: str) -> Iterator[WordMatch]:
    for match in _WORD.finditer(text):
        if match[1]:
            yield from (_Segment(text, start, end) for start, end in _divide(match[1], match.start()))
        else:
            yield match


def find_words(text: str) -> list[str]:
    """The words of `text`, in order."""
    return _COMMON_WORD.findall(text) if _COMMON_TEXT.fullmatch(text) else [w.group() for w in iter_words(text)]


def _divide(run: str, offset: int) -> Iterator[tuple[int, int]]:
    """The start and end of each word in a run of an unspaced script; `offset` is the position of the run."""
    pending = -1  # Start of single Chinese characters that the dictionary does not know together.
    end = 0
    for start, end in _segments(run):
        is_unknown = end - start == 1 and "\u3400" <= run[start] <= "\u9fff" and run[start] not in _HAN_FUNCTION_WORDS
        if is_unknown:
            pending = start if pending < 0 else pending
            continue
        if pending >= 0:
            yield offset + pending, offset + start
            pending = -1
        if _LETTER.search(run, start, end):
            yield offset + start, offset + end
    if pending >= 0:
        yield offset + pending, offset + end


def _segments(run: str) -> Iterator[tuple[int, int]]:
    if len(run) == 1:
        yield 0, 1
        return
    from icu4py.breakers import WordBreaker

    # Its own `segments` count in UTF-16, in which rare Chinese characters are two.
    end = 0
    for segment in WordBreaker(run, "root"):
        start, end = end, end + len(segment)
        yield start, end


_UNSPACED_CHARACTER = regex.compile(rf"[{UNSPACED}]")


def unspaced_length(text: str) -> int:
    """The number of letters of `text` that belong to scripts without blanks."""
    return 0 if text.isascii() else len(_UNSPACED_CHARACTER.findall(text))


_UNSPACED_END = regex.compile(rf"[{UNSPACED}][\p{{M}}]*$")
_UNSPACED_START = regex.compile(rf"[{UNSPACED}]")


def join_words(words: Sequence[str]) -> str:
    """`words` as a phrase: with a blank between two words, unless both are of scripts without blanks."""
    phrase = ""
    for word in words:
        is_unspaced = phrase and not phrase[-1].isascii() and not word[0].isascii() and _is_unspaced(phrase, word)
        phrase += word if is_unspaced or not phrase else f" {word}"
    return phrase


def _is_unspaced(left: str, right: str) -> bool:
    return bool(_UNSPACED_START.match(right) and _UNSPACED_END.search(left[-8:]))
