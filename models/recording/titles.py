"""Titles that a program made up: the user typed none, so a better one may replace them."""

from __future__ import annotations

import re
from typing import Final

#: The titles that earlier versions of the extension sent with every start, in English and Korean.
_AUTOMATIC_TITLE: Final = re.compile(
    r"^((Browsing|Open tabs|Recent history), [A-Z][a-z]{2} \d{1,2}, \d{1,2}:\d{2}\s?[AP]M"
    r"|\d{1,2}월 \d{1,2}일 (오전|오후) \d{1,2}:\d{2} (브라우징|열린 탭|최근 방문 기록))$"
)


def is_automatic_title(title: str) -> bool:
    """Whether the extension made up `title` from the current time."""
    return _AUTOMATIC_TITLE.match(title) is not None
