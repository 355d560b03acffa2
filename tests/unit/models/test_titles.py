"""Titles that the extension made up are recognized in both languages; a user's own are not."""

from __future__ import annotations

import pytest

from models.recording.titles import is_automatic_title


@pytest.mark.parametrize(
    "title",
    [
        "Browsing, Nov 28, 12:57 PM",
        "Browsing, Nov 28, 12:57\u202fPM",
        "Open tabs, Jan 3, 9:05 AM",
        "Recent history, Dec 31, 11:59 PM",
        "11월 28일 오후 12:57 브라우징",
        "1월 3일 오전 9:05 열린 탭",
        "12월 31일 오후 11:59 최근 방문 기록",
    ],
)
def test_a_title_made_of_the_time_is_automatic(title: str) -> None:
    assert is_automatic_title(title)


@pytest.mark.parametrize(
    "title",
    ["Browsing", "Browsing, Nov 28", "Browsing, Nov 28, 12:57 PM with Ann", "Git and Django", "11월 28일 브라우징"],
)
def test_a_title_that_a_user_typed_is_not(title: str) -> None:
    assert not is_automatic_title(title)
