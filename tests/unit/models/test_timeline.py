"""The timeline as a pure function of stored events."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recording.ingest import parse_batch
from models.recording.timeline import DAY_MS, SessionSpan, Timeline, TimelineEvent, build_timeline, captured_pages

T0 = 1_760_000_000_000
A, B = "https://example.com/a", "https://example.com/b"


def event(kind: str, at: int, url: str | None = A, key: str | None = None, **fields: Any) -> TimelineEvent:
    payload = {"type": kind, "url": url, **fields} if url else {"type": kind, **fields}
    return TimelineEvent(key or f"{kind}-{at}-{url}", kind, T0 + at, T0 + at + 50, payload)


def timeline_of(*events: TimelineEvent, ended: int | None = 600_000, pauses: Any = ()) -> Timeline:
    ends = T0 + ended if ended is not None else None
    return build_timeline(events, SessionSpan(T0, ends, tuple((T0 + a, b and T0 + b) for a, b in pauses)))


def dwells(timeline: Timeline) -> list[int]:
    return [v.dwell_ms for v in timeline.visits]


def test_page_leave_sets_dwell_and_scroll_depth() -> None:
    found = timeline_of(event("page_visit", 0), event("page_leave", 42_000, duration_ms=42_000, max_scroll_depth=0.8))
    assert dwells(found) == [42_000]
    assert found.visits[0].max_scroll_depth == 0.8


def test_fields_in_a_metadata_object_are_read() -> None:
    leave = event("page_leave", 42_000, metadata={"duration_ms": 30_000, "max_scroll_depth": 0.5})
    found = timeline_of(event("page_visit", 0), leave)
    assert (dwells(found), found.visits[0].max_scroll_depth) == ([30_000], 0.5)


def test_without_page_leave_the_next_visit_pause_or_stop_ends_a_visit() -> None:
    assert dwells(timeline_of(event("page_visit", 0), event("page_visit", 30_000, B))) == [30_000, 570_000]
    assert dwells(timeline_of(event("page_visit", 0), pauses=[(20_000, 90_000)])) == [20_000]
    assert dwells(timeline_of(event("page_visit", 0), ended=15_000)) == [15_000]


def test_an_open_session_ends_the_last_visit_at_the_last_event() -> None:
    assert dwells(timeline_of(event("page_visit", 0), event("scroll", 7_000, scroll_depth=0.2), ended=None)) == [7_000]


def test_parallel_tabs_are_not_counted_twice() -> None:
    found = timeline_of(
        event("page_visit", 0, A),
        event("page_visit", 10_000, B),
        event("page_leave", 30_000, B, duration_ms=20_000),
        event("page_leave", 60_000, A, duration_ms=60_000),
    )
    assert dwells(found) == [40_000, 20_000]
    assert found.dwell_ms == 60_000


def test_measured_active_time_is_the_dwell() -> None:
    leave = event("page_leave", 60_000, A, duration_ms=60_000, active_ms=9_000)
    assert dwells(timeline_of(event("page_visit", 0, A), event("page_visit", 10_000, B), leave))[0] == 9_000


def test_page_leave_is_assigned_to_the_visit_of_its_tab() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "first", tab_id=1),
        event("page_visit", 5_000, A, "second", tab_id=2),
        event("page_leave", 9_000, A, duration_ms=9_000, active_ms=1_000, tab_id=1),
        event("page_leave", 9_500, A, duration_ms=4_500, active_ms=2_000, tab_id=2),
    )
    assert dwells(found) == [1_000, 2_000]
    assert [v.is_revisit for v in found.visits] == [False, True]


def test_highlights_are_assigned_to_their_visit() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "one"),
        event("page_visit", 10_000, B, "two"),
        event("page_visit", 20_000, A, "three"),
        event("highlight", 25_000, A, text="late"),
        event("highlight", 5_000, A, content="early"),
        event("highlight", 26_000, A, text="late"),
        event("highlight", 27_000, "https://example.com/never", text="lost"),
    )
    assert [(h.text, h.visit_key) for h in found.highlights] == [("early", "one"), ("late", "three"), ("lost", None)]
    assert found.num_highlights == 4


def test_scroll_depth_is_the_maximum_clamped_to_0_and_1() -> None:
    scrolls = [event("scroll", i * 1000, scroll_depth=d) for i, d in enumerate([0.1, 0.6, 0.3, 7, -1], start=1)]
    assert timeline_of(event("page_visit", 0), *scrolls).visits[0].max_scroll_depth == 1.0


def test_a_wrong_client_clock_shifts_all_events_by_one_offset() -> None:
    off = 10 * 365 * DAY_MS
    times = [0, 60_000, 120_000]
    events = [TimelineEvent(str(t), "page_visit", T0 - off + t, T0 + t, {"url": f"{A}{t}"}) for t in times]
    found = build_timeline(events, SessionSpan(T0, T0 + 180_000))
    assert [v.started_ms - T0 for v in found.visits] == times
    assert dwells(found) == [60_000] * 3
    assert found.clock_skew_ms == off


def test_an_out_of_range_timestamp_is_clamped_without_affecting_others() -> None:
    out_of_range = TimelineEvent("out-of-range", "page_visit", T0 + 4_000 * DAY_MS, T0 + 70_000, {"url": B})
    found = timeline_of(event("page_visit", 0), event("page_visit", 60_000, A), out_of_range)
    assert [v.started_ms - T0 for v in found.visits][:2] == [0, 60_000]
    assert abs(found.visits[2].started_ms - T0 - 600_000) <= DAY_MS
    assert [v.dwell_ms for v in found.visits] == [60_000, 540_000, 0], "an event without a reliable time has no dwell"


def test_an_out_of_range_timestamp_in_the_past_has_no_dwell() -> None:
    out_of_range = TimelineEvent("out-of-range", "page_visit", 1, T0 + 70_000, {"url": B})
    found = timeline_of(event("page_visit", 0), event("page_visit", 60_000, A), out_of_range)
    assert sorted(v.dwell_ms for v in found.visits) == [0, 60_000, 540_000]


def test_a_captured_page_aggregates_its_visits() -> None:
    events = [
        event("page_visit", 0, A, title="Old"),
        event("page_visit", 10_000, A + "?utm_source=x", title="New"),
        event("page_visit", 20_000, A + "#part", title=""),
    ]
    (page,) = captured_pages(timeline_of(*events, ended=30_000), {})
    assert (page.url, page.title, page.dwell_ms, page.visit_order) == (A, "New", 30_000, (0, 1, 2))


@pytest.mark.parametrize("via", ["history", "open_tab", "bookmark", "import", "takeout"])
def test_an_imported_visit_has_no_dwell(via: str) -> None:
    visits = [event("page_visit", at, f"{A}{at}", metadata={"via": via}) for at in (0, 240_000, 11_000_000)]
    assert dwells(timeline_of(*visits, ended=12_000_000)) == [0, 0, 0]
    read = event("page_leave", 300_000, f"{A}0", active_ms=9_000)
    assert dwells(timeline_of(*visits, read))[0] == 9_000, "what was measured counts"


def test_silence_is_not_reading() -> None:
    found = timeline_of(event("page_visit", 0), event("page_visit", 11_000_000, B), ended=30_000_000)
    assert dwells(found) == [30 * 60_000, 30 * 60_000]


@pytest.mark.parametrize("off", [-7_200_000, 7_200_000, -90_000, 90_000, 0])
@pytest.mark.parametrize("paused", [False, True])
def test_a_client_clock_that_is_off_does_not_change_dwell(off: int, paused: bool) -> None:
    """Without leave events, visits end by the server's pauses and stop, which have another clock."""
    times = [0, 600_000, 1_200_000]
    events = [TimelineEvent(str(t), "page_visit", T0 + off + t, T0 + t + 80, {"url": f"{A}{t}"}) for t in times]
    pauses = ((T0 + 1_500_000, None),) if paused else ()
    found = build_timeline(events, SessionSpan(T0 - 1000, T0 + 1_800_000, pauses))
    assert [round(dwell, -3) for dwell in dwells(found)] == [600_000, 600_000, 300_000 if paused else 600_000]
    assert [v.started_ms - T0 - off for v in found.visits] == times, "events keep the times of the client"


def test_events_that_were_queued_for_hours_keep_their_dwell() -> None:
    """All events of a recording without network arrive at its end."""
    times = [0, 600_000, 1_200_000]
    events = [TimelineEvent(str(t), "page_visit", T0 + t, T0 + 9_000_000, {"url": f"{A}{t}"}) for t in times]
    assert dwells(build_timeline(events, SessionSpan(T0, T0 + 9_000_500)))[:2] == [600_000, 600_000]


def test_a_leave_event_belongs_to_the_visit_it_names() -> None:
    """Two visits of one page in one tab: without the id, the later leave would be given to the later visit."""
    found = timeline_of(
        event("page_visit", 0, A, "k1", event_id="one", metadata={"tab_id": 1}),
        event("page_visit", 5_000, A, "k2", event_id="two", metadata={"tab_id": 1}),
        event("page_leave", 8_000, A, metadata={"visit_id": "two", "tab_id": 1, "active_ms": 2_000}),
        event("page_leave", 9_000, A, metadata={"visit_id": "one", "tab_id": 1, "active_ms": 7_000}),
        event("scroll", 7_000, A, scroll_depth=0.9, metadata={"visit_id": "one"}),
        event("highlight", 7_500, A, text="marked", metadata={"visit_id": "one"}),
    )
    assert dwells(found) == [7_000, 2_000]
    assert [v.max_scroll_depth for v in found.visits] == [0.9, 0.0]
    assert found.highlights[0].visit_key == "k1"


def test_events_that_name_a_visit_need_not_have_its_address() -> None:
    found = timeline_of(
        event("page_visit", 0, A, "k1", event_id="one"),
        event("page_leave", 8_000, A + "?page=3", visit_id="one", active_ms=2_000),
        event("highlight", 7_500, A + "?page=2", text="marked", visit_id="one"),
    )
    assert dwells(found) == [2_000]
    assert (found.highlights[0].visit_key, found.highlights[0].page_id) == ("k1", found.visits[0].page_id)


events_strategy = st.lists(
    st.tuples(
        st.sampled_from(["page_visit", "page_leave", "scroll", "highlight", "tab_hidden", "x"]),
        st.integers(0, 500_000),
        st.sampled_from([A, B, A + "#frag", None]),
        st.fixed_dictionaries(
            {},
            optional={
                "duration_ms": st.one_of(st.integers(-10, 10**12), st.text(max_size=3), st.none(), st.booleans()),
                "active_ms": st.integers(0, 400_000),
                "scroll_depth": st.floats(allow_nan=True, allow_infinity=True),
                "tab_id": st.integers(1, 3),
                "text": st.text(max_size=8),
                "title": st.one_of(st.text(max_size=5), st.integers()),
                "metadata": st.one_of(st.none(), st.text(max_size=3), st.dictionaries(st.text(max_size=3), st.none())),
            },
        ),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(events_strategy, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(raw: list[Any], rng: random.Random) -> None:
    events = [event(kind, at, url, key=f"{i:03}", **fields) for i, (kind, at, url, fields) in enumerate(raw)]
    shuffled = events[:]
    rng.shuffle(shuffled)
    assert timeline_of(*events) == timeline_of(*shuffled)


@settings(max_examples=150, deadline=None)
@given(events_strategy)
def test_any_events_give_a_consistent_timeline(raw: list[Any]) -> None:
    events = [event(kind, at, url, key=f"{i:03}", **fields) for i, (kind, at, url, fields) in enumerate(raw)]
    found = timeline_of(*events)
    assert found.num_events == len(events)
    assert all(0 <= v.dwell_ms <= DAY_MS and 0 <= v.max_scroll_depth <= 1 for v in found.visits)
    assert all(v.ended_ms >= v.started_ms for v in found.visits)
    assert [v.ordinal for v in found.visits] == list(range(len(found.visits)))
    keys = {v.key for v in found.visits}
    assert all(h.visit_key is None or h.visit_key in keys for h in found.highlights)
    pages = captured_pages(found, {})
    assert sum(p.dwell_ms for p in pages) == found.dwell_ms


def test_a_correction_replaces_title_and_text_of_its_visit() -> None:
    def visit(at: int, visit_id: str, key: str) -> TimelineEvent:
        first = event("page_visit", at, key=key, event_id=visit_id, title="Loading", metadata={"via": "load"})
        return replace(first, content_key=f"content-{visit_id}")

    late = event("page_update", 9_000, title="Late article", metadata={"visit_id": "v1", "text_method": "visible"})
    only_title = event("page_update", 20_000, title="Second", metadata={"visit_id": "v2"})
    unknown = event("page_update", 21_000, title="Nobody", metadata={"visit_id": "v9"})
    events = [
        visit(0, "v1", "k1"),
        replace(late, content_key="content-late"),
        visit(10_000, "v2", "k2"),
        only_title,
        unknown,
    ]
    found = timeline_of(*reversed(events))
    assert [(v.title, v.content_key) for v in found.visits] == [
        ("Late article", "content-late"),
        ("Second", "content-v2"),
    ]
    assert found.num_page_visits == 2


def test_the_text_of_a_correction_is_stored_like_that_of_a_visit() -> None:
    update = {"event_id": "u1", "type": "page_update", "timestamp": T0, "url": A, "content": "The late text."}
    body = json.dumps({"events": [{**update, "metadata": {"visit_id": "v1"}}]}).encode()
    batch = parse_batch(body, user_id=uuid.uuid4(), session_id=uuid.uuid4())
    (row,) = batch.rows
    assert row.content_key is not None
    assert batch.contents[row.content_key] == "The late text."
    assert "content" not in json.loads(row.payload)


@pytest.mark.parametrize(
    ("url", "title", "expected"),
    [
        ("https://a.example/papers/Attention%20is%20all.pdf?download=1", None, "Attention is all.pdf"),
        ("https://a.example/%EB%AC%B8%EC%84%9C.pdf#page=3", None, "문서.pdf"),
        ("https://a.example/paper.pdf", "A title of its own", "A title of its own"),
        ("https://a.example/paper", None, None),
        ("https://a.example/.pdf", None, None),
    ],
)
def test_a_document_without_a_title_is_called_by_its_file_name(
    url: str, title: str | None, expected: str | None
) -> None:
    fields = {"url": url} | ({"title": title} if title else {})
    event = TimelineEvent("k", "page_visit", 1_000, 1_000, fields)
    (visit,) = build_timeline([event], SessionSpan(0, 60_000)).visits
    assert visit.title == expected
