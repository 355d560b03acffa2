"""Summaries of stored maps."""

from __future__ import annotations

import re
from typing import Final

_ENGLISH: Final = re.compile(r"^(\d+ pages? on .*), read in \d+ minutes?(?:\.$|, most of it (?=\(\d+%\)))", re.DOTALL)
_KOREAN: Final = re.compile(r"^\d+분 동안 (?=.*에 관한 \d+개 페이지를 읽었습니다)", re.DOTALL)


def without_reading_time(summary: str) -> str:
    """`summary` as maps are summarized now: older ones also state a reading time, which contradicts the session's."""
    match = _ENGLISH.match(summary)
    if match:
        rest = summary[match.end() :]
        return f"{match[1]}, most of the reading time {rest}" if rest else f"{match[1]}."
    return _KOREAN.sub("", summary)
