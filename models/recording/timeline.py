"""What a person did, from what the browser said: visits, dwell, scroll depth, highlights.

A pure function of the events and the session's pauses. The order in which events arrive changes nothing. Times are
UTC epoch milliseconds.

Dwell. A visit that is left with a measured active time (`active_ms`, from our extension) has that time. One that is
left with a wall time (`duration_ms`) has it less the time in which a page opened later was in front, so that tabs
side by side are not counted twice. One that is never left lasts until the next visit, pause or stop.

Clocks. Event times are the client's. When a whole recording lies more than 24 h from when we received it, it is moved
as one block, so that order and dwell stay; what still lies more than 24 h outside the session is clamped to that edge.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import median_low
from typing import Any

from models.recording.pages import CapturedPage
from models.urls import page_id, page_url, url_hash

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One stored event. `key` is its id as text; `fields` its payload with `metadata` still nested."""

    key: str
    type: str
    occurred_ms: int
    received_ms: int
    fields: Mapping[str, Any]
    seq: int | None = None
    content_key: str | None = None

    def get(self, *names: str) -> Any:
        """The first of `names` present, on the event itself or in its `metadata` object."""
        metadata = self.fields.get("metadata")
        for name in names:
            if (value := self.fields.get(name)) is not None:
                return value
            if isinstance(metadata, Mapping) and (value := metadata.get(name)) is not None:
                return value
        return None


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """When the session ran, by the server's clock. `pauses` are (paused, resumed or None) pairs."""

    started_ms: int
    ended_ms: int | None = None
    pauses: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """One stay on one page."""

    key: str
    ordinal: int
    page_id: str
    url: str
    title: str | None
    started_ms: int
    ended_ms: int
    dwell_ms: int
    max_scroll_depth: float
    is_revisit: bool
    content_key: str | None
    tab_id: int | str | None = None


@dataclass(frozen=True, slots=True)
class HighlightRecord:
    """One marked passage; `visit_key` is None when its page was never visited in the session."""

    key: str
    page_id: str | None
    visit_key: str | None
    url: str | None
    text: str
    occurred_ms: int
    selector: str | None = None
    color: str = "#FFFF00"
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Visits and highlights in time order, and the clients' four counts."""

    visits: tuple[VisitRecord, ...]
    highlights: tuple[HighlightRecord, ...]
    num_events: int
    num_page_visits: int
    num_highlights: int
    num_unique_urls: int
    dwell_ms: int
    clock_skew_ms: int = 0


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _text(value: Any, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value.strip() else None


def clock_skew_ms(events: Sequence[TimelineEvent]) -> int:
    """Milliseconds to add to every event time: 0 unless the recording lies more than a day from its receipt."""
    if not events:
        return 0
    offset = median_low(e.received_ms - e.occurred_ms for e in events)
    return offset if abs(offset) > DAY_MS else 0


def build_timeline(events: Iterable[TimelineEvent], span: SessionSpan) -> Timeline:
    """The timeline of one session."""
    given = list(events)
    shift = clock_skew_ms(given)
    last_received = max((e.received_ms for e in given), default=span.started_ms)
    low, high = span.started_ms - DAY_MS, max(last_received, span.ended_ms or 0) + DAY_MS
    if shift:
        # Lay the block so that its last event is received when it happens.
        shift = min(e.received_ms - e.occurred_ms for e in given if abs(e.received_ms - e.occurred_ms - shift) < DAY_MS)
    moved = sorted(
        (replace(e, occurred_ms=min(max(e.occurred_ms + shift, low), high)) for e in given),
        key=lambda e: (e.occurred_ms, -1 if e.seq is None else e.seq, e.type, e.key),
    )
    # What was clamped happened, but nobody knows when: it neither lasts nor ends what others began.
    mad = frozenset(e.key for e in given if not low <= e.occurred_ms + shift <= high)
    live_until = max((e.occurred_ms for e in moved if e.key not in mad), default=span.started_ms)
    visits = _visits(moved, span, live_until, mad)
    highlights = _highlights(moved, visits)
    page_visits = [e for e in moved if e.type == "page_visit"]
    return Timeline(
        visits=tuple(visits),
        highlights=tuple(highlights),
        num_events=len(moved),
        num_page_visits=len(page_visits),
        num_highlights=sum(e.type == "highlight" for e in moved),
        num_unique_urls=len({url_hash(u) for e in page_visits if (u := _text(e.fields.get("url"), 8192))}),
        dwell_ms=sum(v.dwell_ms for v in visits),
        clock_skew_ms=shift,
    )


def _visits(
    events: Sequence[TimelineEvent], span: SessionSpan, live_until: int, mad: frozenset[str]
) -> list[VisitRecord]:
    visits: list[VisitRecord] = []
    by_page: dict[str, list[int]] = {}
    for event in events:
        url = _text(event.fields.get("url"), 8192)
        if event.type != "page_visit" or url is None:
            continue
        page = page_id(url)
        places = by_page.setdefault(page, [])
        visits.append(
            VisitRecord(
                key=event.key,
                ordinal=len(visits),
                page_id=page,
                url=url,
                title=_text(event.fields.get("title"), 2000),
                started_ms=event.occurred_ms,
                ended_ms=event.occurred_ms,
                dwell_ms=0,
                max_scroll_depth=0.0,
                is_revisit=bool(places),
                content_key=event.content_key,
                tab_id=event.get("tab_id", "tabId"),
            )
        )
        places.append(len(visits) - 1)

    left: dict[int, TimelineEvent] = {}
    depth: dict[int, float] = {}
    for event in events:
        url = _text(event.fields.get("url"), 8192)
        if url is None or event.type == "page_visit":
            continue
        at = _visit_at(event, by_page.get(page_id(url), []), visits, taken=left if event.type == "page_leave" else {})
        if at is None:
            continue
        reached = _number(event.get("max_scroll_depth", "scroll_depth"))
        if reached is not None:
            depth[at] = max(depth.get(at, 0.0), min(max(reached, 0.0), 1.0))
        if event.type == "page_leave":
            left[at] = event

    ends = [_end(i, visits, left.get(i), span, live_until, mad) for i in range(len(visits))]
    intervals = [(v.started_ms, end) for v, (end, _) in zip(visits, ends, strict=True)]
    done = []
    for i, (visit, (end, active)) in enumerate(zip(visits, ends, strict=True)):
        dwell = active if active is not None else (end - visit.started_ms) - _covered(intervals, i)
        done.append(
            replace(
                visit,
                ended_ms=end,
                dwell_ms=min(max(dwell, 0), DAY_MS),
                max_scroll_depth=round(depth.get(i, 0.0), 4),
            )
        )
    return done


def _visit_at(
    event: TimelineEvent, places: Sequence[int], visits: Sequence[VisitRecord], taken: Mapping[int, Any]
) -> int | None:
    """The visit `event` belongs to: the last one of its page (and tab) begun by then that is not `taken`."""
    tab = event.get("tab_id", "tabId")
    candidates = [i for i in places if i not in taken]
    if tab is not None:
        same_tab = [i for i in candidates if visits[i].tab_id in (None, tab)]
        candidates = same_tab or candidates
    if not candidates:
        return None
    begun = [i for i in candidates if visits[i].started_ms <= event.occurred_ms]
    return begun[-1] if begun else candidates[0]


def _end(
    i: int,
    visits: Sequence[VisitRecord],
    leave: TimelineEvent | None,
    span: SessionSpan,
    live_until: int,
    mad: frozenset[str],
) -> tuple[int, int | None]:
    """When visit `i` ended, and its active time if that was measured."""
    visit = visits[i]
    if leave is not None:
        active = _number(leave.get("active_ms"))
        wall = _number(leave.get("duration_ms"))
        if active is not None:
            return max(leave.occurred_ms, visit.started_ms), int(max(active, 0))
        if wall is not None:
            return visit.started_ms + int(min(max(wall, 0), DAY_MS)), None
        return max(leave.occurred_ms, visit.started_ms), None
    if visit.key in mad:
        return visit.started_ms, None
    until = [next((v.started_ms for v in islice(visits, i + 1, None) if v.key not in mad), span.ended_ms or live_until)]
    until += [p for p, _ in span.pauses if p >= visit.started_ms]
    until.append(span.ended_ms if span.ended_ms is not None else live_until)
    return max(min(until), visit.started_ms), None


def _covered(intervals: Sequence[tuple[int, int]], i: int) -> int:
    """Milliseconds of interval `i` in which one that began later was in front."""
    start, end = intervals[i]
    covered, reach = 0, start
    stop = bisect.bisect_left(intervals, (end, 0), lo=i + 1)
    for begun, ended in intervals[i + 1 : stop]:
        begun, ended = max(begun, reach), min(ended, end)
        if ended > begun:
            covered += ended - begun
            reach = ended
    return covered


def _highlights(events: Sequence[TimelineEvent], visits: Sequence[VisitRecord]) -> list[HighlightRecord]:
    by_page: dict[str, list[int]] = {}
    for i, visit in enumerate(visits):
        by_page.setdefault(visit.page_id, []).append(i)
    seen: set[tuple[str | None, str]] = set()
    found = []
    for event in events:
        if event.type != "highlight":
            continue
        text = _text(event.get("text", "content"), 10_000)
        if text is None:
            continue
        url = _text(event.fields.get("url"), 8192)
        page = page_id(url) if url else None
        if (page, text.strip()) in seen:
            continue
        seen.add((page, text.strip()))
        at = _visit_at(event, by_page.get(page, []), visits, taken={}) if page else None
        found.append(
            HighlightRecord(
                key=event.key,
                page_id=page,
                visit_key=visits[at].key if at is not None else None,
                url=url,
                text=text.strip(),
                occurred_ms=event.occurred_ms,
                selector=_text(event.get("selector"), 2000),
                color=_text(event.get("color"), 32) or "#FFFF00",
                note=_text(event.get("note"), 10_000),
            )
        )
    return found


def captured_pages(timeline: Timeline, contents: Mapping[str, str]) -> list[CapturedPage]:
    """The pages of a timeline in order of first visit; `contents` maps content keys to page texts."""
    order: dict[str, list[VisitRecord]] = {}
    for visit in timeline.visits:
        order.setdefault(visit.page_id, []).append(visit)
    marked: dict[str, list[str]] = {}
    for highlight in timeline.highlights:
        if highlight.page_id is not None:
            marked.setdefault(highlight.page_id, []).append(highlight.text)
    pages = []
    for page, visits in order.items():
        texts = [contents[v.content_key] for v in visits if v.content_key in contents and v.content_key is not None]
        pages.append(
            CapturedPage(
                page_id=page,
                url=page_url(visits[0].url),
                title=next((v.title for v in reversed(visits) if v.title), ""),
                text=max(texts, key=len, default=""),
                dwell_ms=sum(v.dwell_ms for v in visits),
                max_scroll_depth=max(v.max_scroll_depth for v in visits),
                highlights=tuple(marked.get(page, ())),
                visited_at_ms=tuple(v.started_ms for v in visits),
                visit_order=tuple(v.ordinal for v in visits),
            )
        )
    return pages
