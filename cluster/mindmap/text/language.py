"""Reading captured text: sentences and languages. Cleaning is `models.text`, whose names are passed on here."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]?\s+")


def split_sentences(line: str) -> Iterator[str]:
    """The sentences of one line, each a verbatim slice of it."""
    for part in _SENTENCE_END.split(line):
        if part and part.strip():
            yield part.strip()


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of `text`, 0 when it has none."""
    hangul = sum(1 for c in text if "가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ")
    letters = hangul + sum(1 for c in text if c.isalpha() and not ("가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ"))
    return hangul / letters if letters else 0.0


def detect_language(text: str) -> str:
    """`ko`, `en`, or another script's code (`ja`, `zh`, `ru`, `ar`, `he`, `el`, `th`, `hi`), by script alone."""
    counts = {"ko": 0, "en": 0, "ja": 0, "zh": 0, "ru": 0, "ar": 0, "he": 0, "el": 0, "th": 0, "hi": 0}
    for char in text[:2000]:
        if "a" <= char <= "z" or "A" <= char <= "Z":
            counts["en"] += 1
            continue
        code = ord(char)
        for script, low, high in _SCRIPT_RANGES:
            if low <= code <= high:
                counts[script] += 1
                break
    # One Hangul syllable carries about as much as two and a half Latin letters.
    counts["ko"] = int(counts["ko"] * 2.5)
    if counts["ja"] and counts["ja"] + counts["zh"] > counts["en"]:
        return "ja"
    best = max(counts, key=lambda script: counts[script])
    return best if counts[best] else "en"


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
