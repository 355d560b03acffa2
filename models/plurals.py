"""English counts."""

from __future__ import annotations

_PLURALS = {"address": "addresses", "process": "processes"}


def counted(count: int, noun: str) -> str:
    """A count with its English noun: “1 page”, “1,200 pages”."""
    return f"{count:,} {noun if count == 1 else _PLURALS.get(noun, f'{noun}s')}"
