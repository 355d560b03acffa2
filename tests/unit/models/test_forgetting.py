"""Which events are about what a user wants forgotten, and what other events may not mention any more."""

from __future__ import annotations

import uuid
from typing import Any

from models.recording.forgetting import ForgetPlan, ForgetTarget, is_on_site, plan_forgetting
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline
from models.urls import page_id

START = 1_760_000_000_000
SECRET, OTHER = "https://clinic.test/appointment", "https://docs.test/actors"


def event(kind: str, at_s: float, **fields: Any) -> TimelineEvent:
    at_ms = START + int(at_s * 1000)
    return TimelineEvent(str(uuid.uuid4()), kind, at_ms, at_ms, {"type": kind, **fields})


def plan(events: list[TimelineEvent], target: ForgetTarget) -> ForgetPlan:
    return plan_forgetting(events, build_timeline(events, SessionSpan(START, START + 3_600_000)), target)


def session() -> dict[str, TimelineEvent]:
    return {
        "other": event("page_visit", 0, url=OTHER, title="Actors in Ray", event_id="a"),
        "secret": event("page_visit", 60, url=SECRET, title="My appointment", event_id="b"),
        "scroll": event("scroll", 70, visit_id="b", scroll_depth=0.5),
        "mark": event("highlight", 80, url=SECRET, text="at nine"),
        "next": event(
            "page_visit",
            120,
            url="https://docs.test/queues",
            title="Queues in Ray",
            previous_title="My appointment",
            event_id="c",
            metadata={"referrer": f"{SECRET}#top", "tab_id": 1, "openers": [SECRET, OTHER]},
        ),
        "leave": event("page_leave", 200, url="https://docs.test/queues", active_ms=60_000),
    }


def test_a_page_is_forgotten_with_its_events_and_every_mention() -> None:
    events = session()
    found = plan(list(events.values()), ForgetTarget(page_id=page_id(SECRET)))
    assert found.deleted == {events[name].key for name in ("secret", "scroll", "mark")}
    assert found.rewritten == {
        events["next"].key: {
            "type": "page_visit",
            "url": "https://docs.test/queues",
            "title": "Queues in Ray",
            "event_id": "c",
            "metadata": {"tab_id": 1, "openers": [OTHER]},
        }
    }


def test_a_site_covers_its_subdomains_and_no_other_site() -> None:
    events = session()
    events["sub"] = event("page_visit", 300, url="https://www.clinic.test/", title="Start")
    events["like"] = event("page_visit", 310, url="https://notclinic.test/", title="Like it")
    found = plan(list(events.values()), ForgetTarget(domain="clinic.test"))
    assert found.deleted == {events[name].key for name in ("secret", "scroll", "mark", "sub")}
    assert is_on_site("https://CLINIC.test./x", "clinic.test")
    assert not is_on_site("https://clinic.test.evil.test/", "clinic.test")


def test_a_time_is_forgotten_with_every_visit_that_reaches_into_it() -> None:
    events = session()
    target = ForgetTarget(since_ms=START + 65_000, until_ms=START + 75_000)
    found = plan(list(events.values()), target)
    # The visit of the secret page lasts from 60 s to 120 s.
    assert found.deleted == {events[name].key for name in ("secret", "scroll", "mark")}
    assert found.num_visits == 1


def test_a_page_that_was_also_read_at_another_time_keeps_its_name_elsewhere() -> None:
    events = session()
    events["again"] = event("page_visit", 600, url=SECRET, title="My appointment")
    found = plan(list(events.values()), ForgetTarget(since_ms=START + 60_000, until_ms=START + 119_000))
    assert found.rewritten == {}
    assert events["again"].key not in found.deleted


def test_nothing_is_changed_by_what_was_never_recorded() -> None:
    for target in (ForgetTarget(page_id="p_0"), ForgetTarget(domain="x.test"), ForgetTarget(since_ms=0, until_ms=1)):
        found = plan(list(session().values()), target)
        assert (found.deleted, found.rewritten, found.num_visits) == (frozenset(), {}, 0)
