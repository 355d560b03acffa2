"""Prose for the pages of the local sites."""

from __future__ import annotations

_TEXT = (
    "The shape of a coral reef is the record of ten thousand small decisions. Each polyp builds where the light is "
    "good and the water moves, and leaves its house to the next one when it dies. Divers who come back after years "
    "say that a reef remembers storms the way a tree remembers dry summers."
)
_WORDS = _TEXT.split()


def paragraph(seed: int, num_words: int = 70) -> str:
    """Prose that differs from page to page and stays the same from run to run."""
    return " ".join(_WORDS[(seed * 7 + i * (seed % 5 + 1)) % len(_WORDS)] for i in range(num_words)) + "."
