"""Sentence splitting, and language detection by script. Text cleaning is in `models.text`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import regex

_CLOSING = "\"'”’»)\\]）」』】》〉］"
#: A full stop needs a blank behind it ("3.5", "node.js"); the signs of other scripts (。！？ ؟ । ። ။ ។ ։ …) do not.
#: After a closing quotation mark they need one too, because 「はい。」と言った is one sentence.
_SENTENCE_END = regex.compile(
    rf"[.!?][{_CLOSING}]*+(?:\s+|$)"
    rf"|(?V1:[\p{{Sentence_Break=STerm}}།--[!?]])++(?:(?![{_CLOSING}])\s*|[{_CLOSING}]++(?:\s+|$))"
    r"|．(?=\D)"
)
_FINAL_SIGN = regex.compile(rf"[\p{{Sentence_Break=STerm}}\p{{Sentence_Break=ATerm}}།][{_CLOSING}]*$")
#: Thai and Lao have no full stop: a blank separates their sentences, and sometimes clauses.
_BLANK_ENDS = regex.compile(r"(?<=[\p{Thai}\p{Lao}]) +(?=[\p{Thai}\p{Lao}])")
_MAX_UNDIVIDED_CHARS, _MIN_CLAUSE_CHARS = 120, 40
#: A full stop after these words ends no sentence: before a name, before a number, before a lower-case word.
_BEFORE_NAMES = frozenset("dr mr mrs ms prof st sr sra srta mme mlle hr fr dott sig проф св".split())  # noqa: SIM905
_BEFORE_NUMBERS = frozenset(
    "fig figs eq eqs no nos nr art abb kap tab vol ch sec pp p cap n núm nº рис табл см стр ст гл".split()  # noqa: SIM905
)
_BEFORE_LOWER_CASE = frozenset(
    "etc vs cf ca approx bzw usw vgl ggf evtl incl inkl resp al ed eds tel max min т д п".split()  # noqa: SIM905
)
_MAX_ABBREVIATION_CHARS = 8


def split_sentences(line: str) -> Iterator[str]:
    """The sentences of one line, each a verbatim slice of it without surrounding white space."""
    start = 0
    for end in _sentence_ends(line):
        sentence = line[start:end].strip()
        if len(sentence) > _MAX_UNDIVIDED_CHARS and not sentence.isascii():
            yield from _split_clauses(sentence)
        elif sentence:
            yield sentence
        start = end


def is_complete_sentence(sentence: str) -> bool:
    """Whether `sentence` ends with the full stop, question or exclamation mark of some script."""
    return bool(_FINAL_SIGN.search(sentence[-6:]))


def _sentence_ends(line: str) -> Iterator[int]:
    for match in _SENTENCE_END.finditer(line):
        if line[match.start()] != "." or not _is_abbreviation(line, match.start(), match.end()):
            yield match.end()
    yield len(line)


def _is_abbreviation(line: str, stop: int, end: int) -> bool:
    """Whether the full stop at `stop` belongs to an abbreviation; the next word begins at `end`."""
    first = line.rfind(" ", max(0, stop - _MAX_ABBREVIATION_CHARS), stop) + 1
    if end >= len(line) or (not first and stop > _MAX_ABBREVIATION_CHARS):
        return False
    word = line[first:stop].lstrip("([\"'„“«").casefold()
    if word in _BEFORE_NAMES:
        return True
    if line[end].isdigit():
        return word in _BEFORE_NUMBERS
    # "e.g.", "z.B.", "т.е.", "U.S." are letters with full stops.
    letters = word.split(".") if "." in word else ()
    return line[end].islower() and (word in _BEFORE_LOWER_CASE or (bool(letters) and all(len(x) < 3 for x in letters)))


def _split_clauses(sentence: str) -> Iterator[str]:
    start = 0
    for blank in _BLANK_ENDS.finditer(sentence):
        if blank.start() - start >= _MIN_CLAUSE_CHARS and len(sentence) - blank.end() >= _MIN_CLAUSE_CHARS:
            yield sentence[start : blank.start()]
            start = blank.end()
    yield sentence[start:]


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of `text`, in 0..1; 0 when it has no letters."""
    if text.isascii():
        return 0.0
    num_hangul = sum(1 for c in text if _is_hangul(c))
    num_letters = num_hangul + sum(1 for c in text if c.isalpha() and not _is_hangul(c))
    return num_hangul / num_letters if num_letters else 0.0


def _is_hangul(char: str) -> bool:
    return "가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ"


#: A pattern for the letters of each script, and the language that it is a sign of.
_SCRIPTS = tuple(
    (language, regex.compile(rf"[{letters}]"))
    for language, letters in (
        ("en", r"\p{Latin}"),
        ("ko", r"\p{Hangul}"),
        ("ja", r"\p{Hiragana}\p{Katakana}"),
        ("zh", r"\p{Han}"),
        ("ru", r"\p{Cyrillic}"),
        ("ar", r"\p{Arabic}"),
        ("he", r"\p{Hebrew}"),
        ("el", r"\p{Greek}"),
        ("th", r"\p{Thai}"),
        ("hi", r"\p{Devanagari}"),
        ("bn", r"\p{Bengali}"),
        ("pa", r"\p{Gurmukhi}"),
        ("gu", r"\p{Gujarati}"),
        ("or", r"\p{Oriya}"),
        ("ta", r"\p{Tamil}"),
        ("te", r"\p{Telugu}"),
        ("kn", r"\p{Kannada}"),
        ("ml", r"\p{Malayalam}"),
        ("si", r"\p{Sinhala}"),
        ("lo", r"\p{Lao}"),
        ("km", r"\p{Khmer}"),
        ("my", r"\p{Myanmar}"),
        ("bo", r"\p{Tibetan}"),
        ("ka", r"\p{Georgian}"),
        ("hy", r"\p{Armenian}"),
        ("am", r"\p{Ethiopic}"),
    )
)
#: One Hangul syllable carries about as much text as 2.5 Latin letters.
_LATIN_LETTERS_PER_SYLLABLE = 2.5
_MAX_CHARS_DETECTED = 2000
_LATIN_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@lru_cache(maxsize=4096)
def _language_of_letter(char: str) -> str | None:
    return next((language for language, letters in _SCRIPTS if letters.match(char)), None)


def detect_language(text: str) -> str:
    """The language code of the most frequent script in the first 2,000 characters of `text`.

    All Latin text is `en`, Cyrillic `ru`, Arabic `ar`, Devanagari `hi`: languages that share a script are
    not distinguished. Text without letters is `en`.
    """
    counts = dict.fromkeys((language for language, _ in _SCRIPTS), 0)
    for char, count in Counter(text[:_MAX_CHARS_DETECTED]).items():
        if char in _LATIN_LETTERS:
            counts["en"] += count
        elif not char.isascii():
            language = _language_of_letter(char)
            if language is not None:
                counts[language] += count
    counts["ko"] = int(counts["ko"] * _LATIN_LETTERS_PER_SYLLABLE)
    # Japanese mixes kana with Chinese characters.
    if counts["ja"] and counts["ja"] + counts["zh"] > counts["en"]:
        return "ja"
    most_frequent = max(counts, key=lambda language: counts[language])
    return most_frequent if counts[most_frequent] else "en"
