"""Sentence splitting, and language detection by script. Text cleaning is in `models.text`."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]?\s+")


def split_sentences(line: str) -> Iterator[str]:
    """The sentences of one line, each a verbatim slice of it without surrounding white space."""
    for part in _SENTENCE_END.split(line):
        if part and part.strip():
            yield part.strip()


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of `text`, in 0..1; 0 when it has no letters."""
    num_hangul = sum(1 for c in text if _is_hangul(c))
    num_letters = num_hangul + sum(1 for c in text if c.isalpha() and not _is_hangul(c))
    return num_hangul / num_letters if num_letters else 0.0


def _is_hangul(char: str) -> bool:
    return "가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ"


#: (language code, first and last code point) of each script.
_SCRIPT_RANGES = (
    ("ko", 0xAC00, 0xD7A3),
    ("ko", 0x3131, 0x318E),
    ("ja", 0x3040, 0x30FF),
    ("zh", 0x4E00, 0x9FFF),
    ("ru", 0x0400, 0x04FF),
    ("ar", 0x0600, 0x06FF),
    ("he", 0x0590, 0x05FF),
    ("el", 0x0370, 0x03FF),
    ("th", 0x0E00, 0x0E7F),
    ("hi", 0x0900, 0x097F),
)
_LANGUAGES = ("ko", "en", "ja", "zh", "ru", "ar", "he", "el", "th", "hi")
#: One Hangul syllable carries about as much text as 2.5 Latin letters.
_LATIN_LETTERS_PER_SYLLABLE = 2.5
_MAX_CHARS_DETECTED = 2000


def detect_language(text: str) -> str:
    """The language code of the most frequent script in the first 2,000 characters of `text`.

    One of `ko`, `en`, `ja`, `zh`, `ru`, `ar`, `he`, `el`, `th`, `hi`. All Latin text is `en`, and so is text without
    letters: languages that share a script are not distinguished.
    """
    counts = dict.fromkeys(_LANGUAGES, 0)
    for char in text[:_MAX_CHARS_DETECTED]:
        if "a" <= char <= "z" or "A" <= char <= "Z":
            counts["en"] += 1
            continue
        code_point = ord(char)
        for language, first, last in _SCRIPT_RANGES:
            if first <= code_point <= last:
                counts[language] += 1
                break
    counts["ko"] = int(counts["ko"] * _LATIN_LETTERS_PER_SYLLABLE)
    # Japanese mixes kana with Chinese characters.
    if counts["ja"] and counts["ja"] + counts["zh"] > counts["en"]:
        return "ja"
    most_frequent = max(counts, key=lambda language: counts[language])
    return most_frequent if counts[most_frequent] else "en"
