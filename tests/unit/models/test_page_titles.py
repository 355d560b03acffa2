"""Titles without counters and spinners, and the title that came with the text. All texts are invented."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recording.page_titles import clean_title, file_name, is_interim_title, title_of_page


@pytest.mark.parametrize(
    ("title", "cleaned"),
    [
        ("(3) Restoring a canoe", "Restoring a canoe"),
        ("⠂ (12) Varnish or oil", "Varnish or oil"),
        ("● [99+] Paddling trips", "Paddling trips"),
        ("* Draft of the plan", "Draft of the plan"),
        ("• Draft of the plan", "Draft of the plan"),
        ("* New message! | Trips in June", "Trips in June"),
        ("(1) new notification - Trips in June", "Trips in June"),
        ("New messages (2) | Trips", "New messages (2) | Trips"),
        ("3 unread messages · Trips in June", "Trips in June"),
        ("새 메시지 3개 | 여름 카누 여행", "여름 카누 여행"),
        ("(1,204) Trips in June", "Trips in June"),
        ("(1.2K) Trips in June", "Trips in June"),
        ("🔴 Live from the reef", "Live from the reef"),
        ("🔔 (4) Trips", "Trips"),
        ("♫ Trips", "Trips"),
        ("⚫ Trips", "Trips"),
        ("▶ Suffix arrays in linear time", "Suffix arrays in linear time"),
        ("⏸️ Suffix arrays", "Suffix arrays"),
        ("⠋ Building", "Building"),
        ("✳ Refactor the parser", "Refactor the parser"),
        ("◐ Deploying", "Deploying"),
        ("【12】海の地図", "海の地図"),
        ("(2024) Annual report", "(2024) Annual report"),
        ("[1998] A letter", "[1998] A letter"),
        ("[1/3] Part one", "[1/3] Part one"),
        ("[SOLVED] The pump leaks", "[SOLVED] The pump leaks"),
        ("(How) to read a chart", "(How) to read a chart"),
        ("3 ways to tie a bowline", "3 ways to tie a bowline"),
        ("*args and **kwargs", "*args and **kwargs"),
        ("C* algebras", "C* algebras"),
        ("New messages for a new era", "New messages for a new era"),
        ("{2} Trips", "Trips"),
        ("<2> Trips", "Trips"),
        ("‹3› Trips", "Trips"),
        ("「3」旅", "旅"),
        ("(+3) Trips", "Trips"),
        ("(3): Trips", "Trips"),
        ("(3) - Trips", "Trips"),
        ("(３) 旅行", "旅行"),
        ("(٣) رحلات", "رحلات"),
        ("(3 neue Nachrichten) Reisen", "Reisen"),
        ("(3 nouveaux messages) Voyages", "Voyages"),
        ("(3 непрочитанных) Поездки", "Поездки"),
        ("Nouveau message | Voyages", "Voyages"),
        ("Новое сообщение — Поездки", "Поездки"),
        ("新着メッセージ | 旅", "旅"),
        ("【您有新消息】旅行", "旅行"),
        ("◜ Building", "Building"),
        ("{2025} report", "{2025} report"),
        ("<2024> yearbook", "<2024> yearbook"),
        ("{0} placeholders", "{0} placeholders"),
        ("{x} in set notation", "{x} in set notation"),
        ("<T> generics", "<T> generics"),
        ("<3 the reef", "<3 the reef"),
        ("(12 photos) The reef", "(12 photos) The reef"),
        ("Neue Nachrichten aus der Lagune", "Neue Nachrichten aus der Lagune"),
        ("新消息时代的珊瑚", "新消息时代的珊瑚"),
        ("(12)", "(12)"),
        ("●", "●"),
        ("", ""),
    ],
)
def test_clean_title(title: str, cleaned: str) -> None:
    assert clean_title(title) == cleaned


@given(st.text(max_size=60))
def test_cleaning_is_stable(title: str) -> None:
    assert clean_title(clean_title(title)) == clean_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Just a moment...", "Just a moment… | Review", "Attention Required! | Shield", "Checking your browser",
        "Loading…", "Loading | App", "Please wait", "Redirecting...", "Nur einen Moment…", "Un instant…",
        "잠시만 기다리십시오…",
        "请稍候…", "しばらくお待ちください...", "404 Not Found", "502 Bad Gateway", "Error 503", "reef.example/a/b",
        "https://reef.example/a", "Untitled", "Access denied", "Making sure you're not a bot!", "···",
        "One moment, please...", "Validating your browser", "Atlas | Loading…", "Atlas - Page not found",
        "Something went wrong.",
        "Error 404 (Not Found)!!1", "Problem loading page", "새 탭", "新しいタブ", "正在跳转...", "Connecting…",
        "React App", "301 Moved Permanently", "Please enable JavaScript", "We’ll be right back", "localhost:3000",
    ],
)  # fmt: skip
def test_titles_of_pages_that_are_not_there_yet(title: str) -> None:
    assert is_interim_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Just a moment in the history of the lagoon", "Loading docks of the old harbour", "The museum that sank",
        "404 ways to cook rice", "500 Days of Summer", "Document - Web APIs", "Connecting two harbours by ferry",
        "Something went wrong in the lagoon",
        "Oops, a reef", "Peugeot | 404", "Ships | Loading of bulk carriers", "React App Router explained",
    ],
)  # fmt: skip
def test_titles_of_articles(title: str) -> None:
    assert not is_interim_title(title)


@dataclass
class Visit:
    title: str | None


def chosen(*visits: tuple[str | None, str]) -> str:
    return title_of_page([Visit(title) for title, _ in visits], [text for _, text in visits])


TEXT = "The museum that sank stood on oak piles. Engineers measured four millimetres a year." * 4


def test_the_title_that_came_with_the_text_wins() -> None:
    assert (
        chosen(("The museum that sank", TEXT), ("Just a moment...", "Verifying you are human."))
        == "The museum that sank"
    )
    assert chosen(("Just a moment...", "Verifying."), ("The museum that sank", TEXT)) == "The museum that sank"
    assert chosen(("The museum that sank", TEXT), ("Sign in", "Enter your name")) == "The museum that sank"
    assert chosen(("The museum that sank", TEXT), ("502 Bad Gateway", "")) == "The museum that sank"


def test_of_visits_with_the_same_text_the_title_that_it_bears_out_wins() -> None:
    assert chosen(("Home", TEXT), ("The museum that sank", TEXT), ("Home", TEXT)) == "The museum that sank"


def test_without_text_the_last_title_wins_that_is_one() -> None:
    assert chosen(("Old", ""), ("New", "")) == "New"
    assert chosen(("Old", ""), ("Just a moment...", "")) == "Old"
    assert chosen(("Just a moment...", ""), (None, "")) == "Just a moment..."
    assert chosen((None, TEXT)) == ""


def test_a_substantial_text_whose_title_never_came_has_its_heading() -> None:
    assert chosen(("Loading…", "The sea gate\n" + TEXT * 3)) == "The sea gate"
    assert chosen(("Loading…", "The sea gate\n" + TEXT * 3), (None, "")) == "The sea gate"
    assert chosen(("Loading…", TEXT * 3)) == "Loading…", "a whole paragraph is no heading"
    assert chosen(("Just a moment...", "Review\nVerifying you are human.")) == "Just a moment..."


def test_a_number_at_the_end_that_changes_is_a_counter() -> None:
    assert chosen(("Trips (3)", TEXT), ("Trips (5)", TEXT)) == "Trips"
    assert chosen(("Chapter (3)", TEXT)) == "Chapter (3)"


@pytest.mark.parametrize(
    "url", ["http://[", "http://[::1/a.pdf", "//[x]/b.pdf", "http://a]b/c.pdf", "http://\u2100/d.pdf"]
)
def test_an_address_that_cannot_be_parsed_names_no_document(url: str) -> None:
    assert file_name(url) is None
