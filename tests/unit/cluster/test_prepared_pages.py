"""What was read of pages while a user records is what the map would read after Stop."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from cluster.maps.prepared_pages import PreparedPages
from cluster.mindmap.pages.features import page_features
from models.recording.pages import CapturedPage

SESSION = uuid.uuid4()
TEXT = "Bread rises when the dough is warm. The crust browns in the steam of the oven. " * 8
PAGE = CapturedPage(
    "p_1", "https://bread.example/crust", "How a crust browns", TEXT, 30_000, 0.4, ("The crust browns",), (1_000,), (0,)
)
SHORT = CapturedPage(
    "p_2", "https://bread.example/login", "Sign in", "Welcome back. " * 15, 1_000, 0.1, (), (2_000,), (1,)
)


def prepared(*pages: CapturedPage, max_bytes: int = 10**6) -> PreparedPages:
    kept = PreparedPages(max_bytes)
    kept.add(SESSION, pages, [page_features(page) for page in pages])
    return kept


def test_a_page_that_was_read_before_gives_what_reading_it_now_gives() -> None:
    """Also when it was visited again meanwhile."""
    again = replace(PAGE, dwell_ms=70_000, max_scroll_depth=0.9, visited_at_ms=(1_000, 5_000), visit_order=(0, 3))
    assert prepared(PAGE, SHORT).take(SESSION, [again, SHORT], "") == {
        "p_1": page_features(again),
        "p_2": page_features(SHORT),
    }


@pytest.mark.parametrize(
    "change",
    [{"title": "Another"}, {"text": TEXT + "More."}, {"highlights": ()}, {"url": "https://bread.example/crumb"}],
    ids=lambda change: next(iter(change)),
)
def test_a_page_with_other_content_is_read_again(change: dict[str, Any]) -> None:
    assert prepared(PAGE).take(SESSION, [replace(PAGE, **change)], "") == {}


def test_a_page_that_attention_puts_on_the_map_is_on_it() -> None:
    """A short page with such a title is left out unless it was read for a while."""
    read = replace(SHORT, dwell_ms=60_000)
    assert page_features(SHORT).exclusion_reason != page_features(read).exclusion_reason
    assert prepared(SHORT).take(SESSION, [read], "") == {"p_2": page_features(read)}


def test_a_page_with_a_vector_of_another_model_is_read_again() -> None:
    features = page_features(PAGE)
    kept = PreparedPages()
    kept.add(SESSION, [PAGE], [replace(features, meaning=replace(features.meaning, model="old/1"))])
    assert kept.take(SESSION, [PAGE], "new/2") == {}


def test_pages_are_kept_for_one_map_of_a_session_that_records() -> None:
    kept = prepared(PAGE)
    kept.add(other := uuid.uuid4(), [SHORT], [page_features(SHORT)])
    kept.retain([SESSION])
    assert kept.session_ids == [SESSION]
    assert kept.take(other, [SHORT], "") == {}
    assert kept.take(SESSION, [PAGE], "").keys() == {"p_1"}
    assert (kept.take(SESSION, [PAGE], ""), kept.num_bytes) == ({}, 0)


def test_the_recording_that_was_added_to_longest_ago_makes_room() -> None:
    size = prepared(PAGE).num_bytes
    kept = prepared(PAGE, max_bytes=2 * size + size // 2)
    kept.add(second := uuid.uuid4(), [PAGE], [page_features(PAGE)])
    kept.add(SESSION, [PAGE], [page_features(PAGE)])
    assert (kept.num_bytes, kept.session_ids) == (2 * size, [second, SESSION])
    kept.add(third := uuid.uuid4(), [PAGE], [page_features(PAGE)])
    assert (kept.num_bytes, kept.session_ids) == (2 * size, [SESSION, third])
