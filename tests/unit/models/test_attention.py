"""Where visits were opened from, and times away from the pages."""

from __future__ import annotations

import pytest

from models.recording.attention import AwayReason, AwaySpan, VisitOrigin
from models.recording.timeline import Timeline
from tests.unit.models.test_timeline import T0, A, B, dwells, event, timeline_of

SEARCH = "https://search.example/?q=bread"


def origins(timeline: Timeline) -> list[VisitOrigin | None]:
    return [visit.origin for visit in timeline.visits]


def away(timeline: Timeline) -> list[tuple[AwayReason, int, int | None]]:
    return [(a.reason, a.started_ms - T0, a.ended_ms - T0 if a.ended_ms else None) for a in timeline.away]


def test_the_opener_that_the_client_names_is_the_origin() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "a", event_id="x", metadata={"tab_id": 1}),
        event("page_visit", 9_000, B, "b", metadata={"tab_id": 2, "opener_visit_id": "x"}, referrer=SEARCH),
    )
    assert origins(found) == [None, VisitOrigin(visit_key="a")]


def test_a_referrer_is_the_last_visit_of_its_page_or_an_outside_page() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "a", referrer=SEARCH),
        event("page_visit", 5_000, A, "a2"),
        event("page_visit", 9_000, B, "b", referrer=A),
    )
    assert origins(found) == [VisitOrigin(referrer=SEARCH), None, VisitOrigin(visit_key="a2")]


def test_a_route_has_the_page_before_in_its_tab_as_origin() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "a", metadata={"tab_id": 1}, referrer=SEARCH),
        event("page_visit", 4_000, "https://c.example/", "c", metadata={"tab_id": 2}),
        # The document still has the referrer it was loaded with.
        event("page_visit", 9_000, B, "b", metadata={"tab_id": 1, "via": "route"}, referrer=SEARCH),
    )
    assert origins(found) == [VisitOrigin(referrer=SEARCH), None, VisitOrigin(visit_key="a")]


@pytest.mark.parametrize(
    "fields",
    [
        {"referrer": "javascript:alert(1)"},
        {"referrer": 7},
        {"referrer": " "},
        {"referrer": B},
        {"metadata": {"opener_visit_id": "unknown"}},
        {"metadata": {"opener_visit_id": "b"}},
        {"metadata": {"opener_visit_id": ["b"], "via": "route", "tab_id": {"a": 1}}},
    ],
)
def test_no_origin_is_invented(fields: dict[str, object]) -> None:
    found = timeline_of(event("page_visit", 0, A, "a"), event("page_visit", 9_000, B, "b", **fields))
    assert origins(found) == [None, None]


def test_idle_time_is_no_reading_time_of_a_visit_that_was_not_measured() -> None:
    found = timeline_of(
        event("page_visit", 0),
        event("idle", 20_000),
        event("idle", 20_000, B),
        event("active", 50_000),
        event("page_leave", 60_000, duration_ms=60_000),
    )
    assert dwells(found) == [30_000]
    assert away(found) == [(AwayReason.IDLE, 20_000, 50_000)]


def test_a_measured_time_stays() -> None:
    found = timeline_of(
        event("page_visit", 0),
        event("idle", 20_000),
        event("active", 50_000),
        event("page_leave", 60_000, active_ms=58_000),
    )
    assert dwells(found) == [58_000], "for example a film that was watched"


def test_another_program_in_front_is_no_reading_time() -> None:
    found = timeline_of(
        event("page_visit", 0),
        event("window_blur", 10_000),
        event("idle", 15_000),
        event("tab_activated", 40_000, B),
        event("page_visit", 45_000, B),
        event("window_blur", 50_000, B),
        ended=100_000,
    )
    # The second visit was in front for five seconds; no later event shows the user at the page.
    assert dwells(found) == [15_000, 5_000]
    assert away(found) == [(AwayReason.OTHER_WINDOW, 10_000, 40_000), (AwayReason.OTHER_WINDOW, 50_000, None)]


def test_away_time_and_a_later_visit_are_subtracted_once() -> None:
    found = timeline_of(
        event("page_visit", 0, A, tab_id=1),
        event("idle", 10_000),
        event("page_visit", 30_000, B, tab_id=2),
        event("page_leave", 40_000, B, duration_ms=10_000, tab_id=2),
        event("page_leave", 60_000, A, duration_ms=60_000, tab_id=1),
    )
    assert dwells(found) == [30_000, 10_000]


def test_an_imported_visit_does_not_show_that_the_user_is_back() -> None:
    found = timeline_of(
        event("page_visit", 0),
        event("idle", 10_000),
        event("page_visit", 20_000, B, metadata={"via": "history"}),
        event("active", 30_000),
    )
    assert found.away == (AwaySpan(AwayReason.IDLE, T0 + 10_000, T0 + 30_000),)
