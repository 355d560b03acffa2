"""The lines of a label in the flat layouts, by the rules of the dashboard (`clients/dashboard/src/map/scene.ts`)."""

from __future__ import annotations

import unicodedata

from models.words import iter_words

#: From this code point on, a character is about as wide as two Latin letters.
_FIRST_WIDE_CHARACTER = "\u2e80"


def wrap_label(label: str, max_chars: int) -> list[str]:
    """Lines of at most `max_chars` characters, of which a full-width one counts twice and a mark on a letter nothing.

    They are divided at blanks where possible, else between words of a script without blanks, else between characters.
    """
    lines: list[str] = []
    line = ""
    for word in label.split():
        if line and _weight(line) + 1 + _weight(word) > max_chars:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while _weight(line) > max_chars:
            end = _line_end(line, max_chars)
            lines.append(line[:end].rstrip())
            line = line[end:].lstrip()
    return [*lines, line] if line or not lines else lines


def _weight(text: str) -> int:
    return sum(map(_char_weight, text))


def _char_weight(char: str) -> int:
    if unicodedata.category(char).startswith("M"):
        return 0
    return 2 if char >= _FIRST_WIDE_CHARACTER else 1


def _line_end(text: str, max_chars: int) -> int:
    """Where a text that is too wide is divided: before the last word that begins in the line, else inside the first."""
    weight, fitting = 0, len(text)
    for i, char in enumerate(text):
        weight += _char_weight(char)
        if weight > max_chars:
            fitting = max(1, i)
            break
    starts = [word.start() for word in iter_words(text) if 0 < word.start() <= fitting]
    return starts[-1] if starts else fitting
