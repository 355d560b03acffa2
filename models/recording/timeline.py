"""Derives visits, dwell, scroll depth and highlights from the stored events of a session.

A pure function of the events and the session's pauses; the order in which events arrive does not matter. Times are
UTC epoch milliseconds.

Dwell. A visit with a `page_leave` that has a measured active time (`active_ms`, from our extension) has that time as
dwell. With a wall time (`duration_ms`), the dwell is that time minus the periods in which a visit that began later was
in front, so that parallel tabs are not counted twice, and minus the periods without input or with another program in
front (`models.recording.attention`). A visit without `page_leave` ends at the next visit, pause or stop, at the latest
after 30 minutes. A visit that was imported (from a history, from bookmarks, from open tabs) was not watched: it has no
dwell.

Clocks. Event times come from the client's clock. When they lie more than 24 h from the times of receipt, all events are
shifted by one offset, which keeps order and dwell. An event that still lies more than 24 h outside the session is
clamped to that limit. For smaller differences the events keep their times, and pauses and stop, which have the server's
times, are moved to the client's clock.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any
from urllib.parse import urljoin

from models.recording.attention import AwaySpan, VisitOrigin, away_spans, visit_origins
from models.recording.corrections import apply_corrections
from models.recording.page_titles import clean_title, file_name, is_interim_title, title_of_page
from models.recording.pages import MAX_PAGE_CHARS, CapturedPage
from models.urls import former_page_id, page_id, page_url, split_url, url_hash

DAY_MS = 86_400_000
#: Without a `page_leave` it is unknown how long a page was read: 30 minutes end a visit, as in web analytics.
MAX_UNWATCHED_MS = 30 * 60_000
#: Events that are received this much later were queued, or the client's clock is slow.
_MAX_DELAY_MS = 60_000
#: Values of `via` on visits that no client watched.
_IMPORTED = frozenset({"history", "open_tab", "import", "imported", "bookmark", "bookmarks", "takeout", "sync"})


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One stored event. `key` is its key as text, `fields` its payload, with `metadata` as a nested object."""

    key: str
    type: str
    occurred_ms: int
    received_ms: int
    fields: Mapping[str, Any]
    seq: int | None = None
    content_key: str | None = None

    def get(self, *names: str) -> Any:
        """The first of `names` present, on the event itself or in its `metadata` object."""
        fields = self.fields
        metadata = fields.get("metadata")
        # `Mapping` is an abstract class: asking for it takes longer than all the rest.
        is_nested = type(metadata) is dict or (metadata is not None and isinstance(metadata, Mapping))
        nested: Mapping[str, Any] | None = metadata if is_nested else None
        for name in names:
            if (value := fields.get(name)) is not None:
                return value
            if nested is not None and (value := nested.get(name)) is not None:
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
    tab_id: int | float | str | None = None
    #: How the visit began, as the client says: `load`, `route`, `history` …
    via: str | None = None
    #: The address that the page names as its own.
    canonical: str | None = None
    #: The visit it was opened from, or the address of the page outside the session.
    origin: VisitOrigin | None = None
    #: The status with which the server answered an error page (400 to 599).
    http_status: int | None = None
    #: Why the client could not read the text, as it says: `pdf_unreadable`. None where there is a text.
    text_missing: str | None = None


@dataclass(frozen=True, slots=True)
class HighlightRecord:
    """One marked passage. `visit_key` is None when the session has no visit of its page."""

    key: str
    page_id: str | None
    visit_key: str | None
    url: str | None
    text: str
    occurred_ms: int
    selector: str | None = None
    color: str = "#FFFF00"
    note: str | None = None
    #: The text of the page directly before and after the passage, as the client recorded it.
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Visits and highlights in time order, and the four counts that clients show.

    `clock_skew_ms` was added to every event time. `num_unreadable` stored events could not be decoded and are not
    part of the timeline.
    """

    visits: tuple[VisitRecord, ...]
    highlights: tuple[HighlightRecord, ...]
    num_events: int
    num_page_visits: int
    num_highlights: int
    num_unique_urls: int
    dwell_ms: int
    clock_skew_ms: int = 0
    num_unreadable: int = 0
    #: The times away from the pages.
    away: tuple[AwaySpan, ...] = ()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON has integers of any size
        return None
    return number if math.isfinite(number) else None


def _text(value: Any, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value.strip() else None


def clock_skew_ms(events: Sequence[TimelineEvent]) -> int:
    """Milliseconds to add to every event time: 0 unless the median event lies more than 24 h from its receipt."""
    if not events:
        return 0
    offset = median_low(event.received_ms - event.occurred_ms for event in events)
    return offset if abs(offset) > DAY_MS else 0


def build_timeline(events: Iterable[TimelineEvent], span: SessionSpan) -> Timeline:
    """The timeline of one session."""
    received = list(events)
    skew_ms = clock_skew_ms(received)
    if skew_ms:
        # The smallest offset of the block, so that no event of it happens after its receipt.
        offsets = (event.received_ms - event.occurred_ms for event in received)
        skew_ms = min(offset for offset in offsets if abs(offset - skew_ms) < DAY_MS)
    last_received_ms = max((event.received_ms for event in received), default=span.started_ms)
    earliest_ms = span.started_ms - DAY_MS
    latest_ms = max(last_received_ms, span.ended_ms or 0) + DAY_MS
    ordered = sorted(
        (_at(event, min(max(event.occurred_ms + skew_ms, earliest_ms), latest_ms)) for event in received),
        key=lambda event: (event.occurred_ms, -1 if event.seq is None else event.seq, event.type, event.key),
    )
    ordered = apply_corrections(ordered)
    # Clamped events have no reliable time: they get no dwell and end no other visit.
    out_of_range = frozenset(
        event.key for event in received if not earliest_ms <= event.occurred_ms + skew_ms <= latest_ms
    )
    last_event_ms = max(
        (event.occurred_ms for event in ordered if event.key not in out_of_range), default=span.started_ms
    )
    imported = frozenset(event.key for event in ordered if event.get("via") in _IMPORTED)
    away = away_spans((event for event in ordered if event.key not in out_of_range), imported)
    visits = _visits(ordered, _in_client_time(received, span, skew_ms), last_event_ms, out_of_range, away)
    urls = [_url(event) for event in ordered if event.type == "page_visit"]
    return Timeline(
        visits=tuple(visits),
        highlights=tuple(_highlights(ordered, visits)),
        num_events=len(ordered),
        num_page_visits=len(urls),
        num_highlights=sum(event.type == "highlight" for event in ordered),
        num_unique_urls=len({url_hash(url) for url in urls if url}),
        dwell_ms=sum(visit.dwell_ms for visit in visits),
        clock_skew_ms=skew_ms,
        away=tuple(away),
    )


def _at(event: TimelineEvent, occurred_ms: int) -> TimelineEvent:
    """`event` with another time; most events keep theirs."""
    return event if event.occurred_ms == occurred_ms else replace(event, occurred_ms=occurred_ms)


def _in_client_time(events: Sequence[TimelineEvent], span: SessionSpan, skew_ms: int) -> SessionSpan:
    """`span` by the client's clock, as far as it differs from the server's: no event is received before it happens."""
    if skew_ms or not events:
        return span
    ahead_ms = min(event.received_ms - event.occurred_ms for event in events)
    if 0 <= ahead_ms <= _MAX_DELAY_MS or abs(ahead_ms) > DAY_MS:
        return span
    return SessionSpan(
        span.started_ms - ahead_ms,
        span.ended_ms - ahead_ms if span.ended_ms is not None else None,
        tuple((paused - ahead_ms, resumed - ahead_ms if resumed else None) for paused, resumed in span.pauses),
    )


def _url(event: TimelineEvent) -> str | None:
    return _text(event.fields.get("url"), 8192)


def _visits(
    events: Sequence[TimelineEvent],
    span: SessionSpan,
    last_event_ms: int,
    out_of_range: frozenset[str],
    away: Sequence[AwaySpan],
) -> list[VisitRecord]:
    visits = _begun_visits(events)
    by_event_id = _visits_by_event_id(events, visits)
    origins = visit_origins(events, visits, by_event_id)
    leave_events, scroll_depths = _assign_to_visits(events, visits, by_event_id)
    next_starts = _next_starts(visits, out_of_range)
    pauses = sorted(paused_ms for paused_ms, _ in span.pauses)
    ends = [
        _visit_end(visit, leave_events.get(i), next_starts[i], pauses, span, last_event_ms, out_of_range)
        for i, visit in enumerate(visits)
    ]
    # In a time away a visit was not in front, as if a later visit had covered it.
    last_ms = max(last_event_ms, span.ended_ms or 0)
    intervals = [(visit.started_ms, ends[i][0], i) for i, visit in enumerate(visits)]
    intervals += [(a.started_ms, a.ended_ms if a.ended_ms is not None else last_ms, len(visits)) for a in away]
    intervals.sort(key=lambda interval: (interval[0], interval[2]))
    covered_ms = dict(
        zip((i for _, _, i in intervals), _covered_ms([(start, end) for start, end, _ in intervals]), strict=True)
    )
    finished = []
    for i, (visit, (ended_ms, active_ms)) in enumerate(zip(visits, ends, strict=True)):
        dwell_ms = ended_ms - visit.started_ms - covered_ms[i] if active_ms is None else active_ms
        finished.append(
            replace(
                visit,
                ended_ms=ended_ms,
                dwell_ms=min(max(dwell_ms, 0), DAY_MS),
                max_scroll_depth=round(scroll_depths.get(i, 0.0), 4),
                origin=origins.get(visit.key),
            )
        )
    return finished


def _begun_visits(events: Sequence[TimelineEvent]) -> list[VisitRecord]:
    """A visit for each `page_visit` event, without end, dwell and scroll depth."""
    visits: list[VisitRecord] = []
    visited_pages: set[str] = set()
    for event in events:
        url = _url(event)
        if event.type != "page_visit" or url is None:
            continue
        page = page_id(url)
        visits.append(
            VisitRecord(
                key=event.key,
                ordinal=len(visits),
                page_id=page,
                url=url,
                title=_title(event),
                started_ms=event.occurred_ms,
                ended_ms=event.occurred_ms,
                dwell_ms=0,
                max_scroll_depth=0.0,
                is_revisit=page in visited_pages,
                content_key=event.content_key,
                tab_id=_tab_key(event.get("tab_id", "tabId")),
                via=_text(event.get("via"), 32),
                canonical=_canonical(event, url),
                http_status=_error_status(event),
                text_missing=_text(event.get("text_missing"), 64) if event.content_key is None else None,
            )
        )
        visited_pages.add(page)
    return visits


def _title(event: TimelineEvent) -> str | None:
    title = _text(event.fields.get("title"), 2000)
    # A PDF or a text file without a title of its own is called by its file name.
    return clean_title(title) if title else file_name(str(event.get("url") or ""))


def _error_status(event: TimelineEvent) -> int | None:
    status = _number(event.get("http_status"))
    return int(status) if status is not None and 400 <= status < 600 else None


def _canonical(event: TimelineEvent, url: str) -> str | None:
    canonical = _text(event.get("canonical", "canonical_url", "canonicalUrl"), 8192)
    if not canonical or split_url(canonical) is None or split_url(url) is None:
        return None
    try:
        return urljoin(url, canonical.strip())
    except ValueError:
        return None


def _visits_by_event_id(events: Sequence[TimelineEvent], visits: Sequence[VisitRecord]) -> dict[str, int]:
    """The index of each visit by the id that its client gave it, and by its key."""
    by_key = {visit.key: i for i, visit in enumerate(visits)}
    by_id = dict(by_key)
    for event in events:
        i = by_key.get(event.key)
        if i is not None and (client_id := event.get("event_id", "id")) is not None:
            by_id[str(client_id)] = i
    return by_id


def _named_visit(event: TimelineEvent, by_event_id: Mapping[str, int]) -> int | None:
    """The visit whose id the event carries."""
    visit_id = event.get("visit_id", "visitId")
    return by_event_id.get(str(visit_id)) if visit_id is not None else None


def _assign_to_visits(
    events: Sequence[TimelineEvent], visits: Sequence[VisitRecord], by_event_id: Mapping[str, int]
) -> tuple[dict[int, TimelineEvent], dict[int, float]]:
    """The `page_leave` event and the largest scroll depth (0 to 1) of each visit, by index of the visit."""
    visits_of_page = _visits_by_page(visits)
    leave_events: dict[int, TimelineEvent] = {}
    scroll_depths: dict[int, float] = {}
    for event in events:
        url = _url(event)
        if event.type == "page_visit":
            continue
        i = _named_visit(event, by_event_id)
        if i is None and url is not None and (found := visits_of_page.get(page_id(url))) is not None:
            # A visit has one leave event at most.
            i = found.open_visit_at(event) if event.type == "page_leave" else found.visit_at(event)
        if i is None:
            continue
        depth = _number(event.get("max_scroll_depth", "scroll_depth"))
        if depth is not None:
            scroll_depths[i] = max(scroll_depths.get(i, 0.0), min(max(depth, 0.0), 1.0))
        if event.type == "page_leave":
            leave_events[i] = event
            visits_of_page[visits[i].page_id].left.add(i)
    return leave_events, scroll_depths


class _VisitList:
    """Visits by index, in time order. Those in `left` have ended and are skipped in nearly constant time."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self.starts: list[int] = []
        #: By position: the last position up to this one whose visit may not have ended (union-find).
        self._open: list[int] = []
        self._first_open = 0

    def add(self, i: int, started_ms: int) -> None:
        """Append visit `i`, which began after all others."""
        self._open.append(len(self.indexes))
        self.indexes.append(i)
        self.starts.append(started_ms)

    def last_begun(self, at_ms: int, left: Container[int] | None) -> int | None:
        """The last visit that began by `at_ms`; of those that are not in `left`, if given."""
        position = bisect.bisect_right(self.starts, at_ms) - 1
        if left is not None:
            position = self._last_open(position, left)
        return self.indexes[position] if position >= 0 else None

    def _last_open(self, position: int, left: Container[int]) -> int:
        passed = []
        while position >= 0:
            if self._open[position] != position:
                passed.append(position)
                position = self._open[position]
            elif self.indexes[position] in left:
                passed.append(position)
                position -= 1
            else:
                break
        for earlier in passed:
            self._open[earlier] = position
        return position

    def first(self, left: Container[int] | None) -> int | None:
        """The first visit; of those that are not in `left`, if given."""
        position = 0
        if left is not None:
            while self._first_open < len(self.indexes) and self.indexes[self._first_open] in left:
                self._first_open += 1
            position = self._first_open
        return self.indexes[position] if position < len(self.indexes) else None


class _SingleVisit:
    """The only visit of a page, as most are: each event of the page belongs to it."""

    def __init__(self, i: int) -> None:
        self._i = i
        self.left: set[int] = set()

    def visit_at(self, event: TimelineEvent) -> int | None:
        """As that of `_PageVisits`."""
        return self._i

    def open_visit_at(self, event: TimelineEvent) -> int | None:
        """As that of `_PageVisits`."""
        return None if self.left else self._i


class _PageVisits:
    """The visits of one page, and which of them an event belongs to: the last that began by then, in its tab if known.

    An event before all of them belongs to the first. Events are assigned in time that does not depend on the number of
    visits: a page can be visited as often as a client likes.
    """

    def __init__(self, visits: Sequence[VisitRecord], indexes: Sequence[int]) -> None:
        self._all, self._without_tab = _VisitList(), _VisitList()
        self._by_tab: dict[int | float | str, _VisitList] = {}
        #: The visits that have a leave event.
        self.left: set[int] = set()
        for i in indexes:
            tab, started_ms = visits[i].tab_id, visits[i].started_ms
            self._all.add(i, started_ms)
            same_tab = self._without_tab if tab is None else self._by_tab.setdefault(tab, _VisitList())
            same_tab.add(i, started_ms)

    def visit_at(self, event: TimelineEvent) -> int | None:
        """The visit in which `event` happened."""
        return self._find(event, None)

    def open_visit_at(self, event: TimelineEvent) -> int | None:
        """The visit that `event` ends, among those that are not in `left`; None when each is."""
        return self._find(event, self.left)

    def _find(self, event: TimelineEvent, left: Container[int] | None) -> int | None:
        tab = _tab_key(event.get("tab_id", "tabId"))
        lists = [self._all]
        if tab is not None:
            same_tab = [self._without_tab, self._by_tab.get(tab, _VisitList())]
            if any(found.first(left) is not None for found in same_tab):
                lists = same_tab
        begun = [i for found in lists if (i := found.last_begun(event.occurred_ms, left)) is not None]
        if begun:
            return max(begun)
        return min((i for found in lists if (i := found.first(left)) is not None), default=None)


def _tab_key(tab: Any) -> int | float | str | None:
    """A tab's id as a value that can be compared and hashed: a client may send anything."""
    return tab if tab is None or isinstance(tab, int | float | str) else repr(tab)


def _visits_by_page(visits: Sequence[VisitRecord]) -> dict[str, _SingleVisit | _PageVisits]:
    indexes: dict[str, list[int]] = {}
    for i, visit in enumerate(visits):
        indexes.setdefault(visit.page_id, []).append(i)
    return {
        page: _SingleVisit(found[0]) if len(found) == 1 else _PageVisits(visits, found)
        for page, found in indexes.items()
    }


def _next_starts(visits: Sequence[VisitRecord], out_of_range: frozenset[str]) -> list[int | None]:
    """For each visit, when the next one with a reliable time began."""
    starts: list[int | None] = [None] * len(visits)
    next_start: int | None = None
    for i in range(len(visits) - 1, -1, -1):
        starts[i] = next_start
        if visits[i].key not in out_of_range:
            next_start = visits[i].started_ms
    return starts


def _visit_end(
    visit: VisitRecord,
    leave: TimelineEvent | None,
    next_start_ms: int | None,
    pauses: Sequence[int],
    span: SessionSpan,
    last_event_ms: int,
    out_of_range: frozenset[str],
) -> tuple[int, int | None]:
    """When a visit ended, and its active time in milliseconds if the client measured it. `pauses` are sorted."""
    if leave is not None:
        active_ms = _number(leave.get("active_ms"))
        wall_ms = _number(leave.get("duration_ms"))
        if active_ms is not None:
            return max(leave.occurred_ms, visit.started_ms), int(max(active_ms, 0))
        if wall_ms is not None:
            return visit.started_ms + int(min(max(wall_ms, 0), DAY_MS)), None
        return max(leave.occurred_ms, visit.started_ms), None
    if visit.key in out_of_range or visit.via in _IMPORTED:
        return visit.started_ms, None
    session_end_ms = span.ended_ms if span.ended_ms is not None else last_event_ms
    next_visit_ms = next_start_ms if next_start_ms is not None else span.ended_ms or last_event_ms
    ends = [next_visit_ms, session_end_ms, visit.started_ms + MAX_UNWATCHED_MS]
    next_pause = bisect.bisect_left(pauses, visit.started_ms)
    ends += pauses[next_pause : next_pause + 1]
    return max(min(ends), visit.started_ms), None


def _covered_ms(intervals: Sequence[tuple[int, int]]) -> list[int]:
    """For each interval, the milliseconds of it in which an interval that began later was in front.

    `intervals` are in order of their starts. From the last to the first, `union` has the disjoint intervals that the
    later ones cover, the first of them on top, so that each is merged once.
    """
    covered_ms = [0] * len(intervals)
    union: list[tuple[int, int]] = []
    for i in range(len(intervals) - 1, -1, -1):
        start, end = intervals[i]
        merged_end = end
        while union and union[-1][0] < end:
            later_start, later_end = union.pop()
            covered_ms[i] += min(later_end, end) - later_start
            merged_end = max(merged_end, later_end)
        union.append((start, merged_end))
    return covered_ms


def _highlights(events: Sequence[TimelineEvent], visits: Sequence[VisitRecord]) -> list[HighlightRecord]:
    """The highlights in time order; a passage that was marked twice on one page counts once."""
    if not any(event.type == "highlight" for event in events):
        return []
    visits_of_page = _visits_by_page(visits)
    by_event_id = _visits_by_event_id(events, visits)
    seen: set[tuple[str | None, str]] = set()
    highlights = []
    for event in events:
        if event.type != "highlight":
            continue
        text = _text(event.get("text", "content"), 10_000)
        if text is None:
            continue
        text = text.strip()
        url = _url(event)
        i = _named_visit(event, by_event_id)
        page = visits[i].page_id if i is not None else page_id(url) if url else None
        if (page, text) in seen:
            continue
        seen.add((page, text))
        if i is None and page in visits_of_page:
            i = visits_of_page[page].visit_at(event)
        highlights.append(
            HighlightRecord(
                key=event.key,
                page_id=page,
                visit_key=visits[i].key if i is not None else None,
                url=url,
                text=text,
                occurred_ms=event.occurred_ms,
                selector=_text(event.get("selector"), 2000),
                color=_text(event.get("color"), 32) or "#FFFF00",
                note=_text(event.get("note"), 10_000),
                **_quote_context(event.get("anchor")),
            )
        )
    return highlights


def _quote_context(anchor: Any) -> dict[str, str]:
    """The prefix and the suffix of a W3C TextQuoteSelector among the selectors of an anchor."""
    for selector in anchor if isinstance(anchor, Sequence) and not isinstance(anchor, str) else ():
        if isinstance(selector, Mapping) and selector.get("type") == "TextQuoteSelector":
            return {name: _text(selector.get(name), 200) or "" for name in ("prefix", "suffix")}
    return {}


def count_pages(timeline: Timeline) -> tuple[int, int]:
    """How many pages were error pages at each visit, and how many have no text because it could not be read."""
    pages: dict[str, list[VisitRecord]] = {}
    for visit in timeline.visits:
        pages.setdefault(visit.page_id, []).append(visit)
    return (
        sum(all(visit.http_status is not None for visit in visits) for visits in pages.values()),
        sum(all(visit.text_missing is not None for visit in visits) for visits in pages.values()),
    )


def captured_pages(timeline: Timeline, contents: Mapping[str, str]) -> list[CapturedPage]:
    """The pages of a timeline in order of first visit; `contents` maps content keys to page texts."""
    visits_of_page: dict[str, list[VisitRecord]] = {}
    for visit in timeline.visits:
        visits_of_page.setdefault(visit.page_id, []).append(visit)
    highlights_of_page: dict[str, list[str]] = {}
    for highlight in timeline.highlights:
        if highlight.page_id is not None:
            highlights_of_page.setdefault(highlight.page_id, []).append(highlight.text)
    pages = []
    for page, visits in visits_of_page.items():
        if len(visits) == 1:
            pages.append(_page_of_visit(page, visits[0], contents, highlights_of_page))
            continue
        texts = [contents.get(visit.content_key or "", "") for visit in visits]
        addresses = dict.fromkeys(page_url(visit.url) for visit in visits)
        pages.append(
            CapturedPage(
                page_id=page,
                url=next(iter(addresses)),
                title=title_of_page(visits, texts),
                text=_text_of_page(visits, texts) if len(addresses) > 1 else max(texts, key=len),
                dwell_ms=sum(visit.dwell_ms for visit in visits),
                max_scroll_depth=max(visit.max_scroll_depth for visit in visits),
                highlights=tuple(highlights_of_page.get(page, ())),
                visited_at_ms=tuple(visit.started_ms for visit in visits),
                visit_order=tuple(visit.ordinal for visit in visits),
                former_ids=tuple(_former_ids(page, visits)),
            )
        )
    return pages


def _page_of_visit(
    page: str, visit: VisitRecord, contents: Mapping[str, str], highlights_of_page: Mapping[str, Sequence[str]]
) -> CapturedPage:
    """The page of one visit, as most are."""
    text = contents.get(visit.content_key or "", "")
    return CapturedPage(
        page_id=page,
        url=page_url(visit.url),
        title=title_of_page((visit,), (text,)),
        text=text,
        dwell_ms=visit.dwell_ms,
        max_scroll_depth=visit.max_scroll_depth,
        highlights=tuple(highlights_of_page.get(page, ())),
        visited_at_ms=(visit.started_ms,),
        visit_order=(visit.ordinal,),
        former_ids=tuple(_former_ids(page, (visit,))),
    )


def _text_of_page(visits: Sequence[VisitRecord], texts: Sequence[str]) -> str:
    """The text of a page that was read at several addresses: each line once, in the order in which it was read."""
    own = [
        text for visit, text in zip(visits, texts, strict=True) if text and not is_interim_title(visit.title or "page")
    ]
    own = list(dict.fromkeys(own or texts))
    if len(own) <= 1:
        return own[0] if own else ""
    longest = max(own, key=len)
    lines = dict.fromkeys(line for text in own for line in text.split("\n"))
    if len(lines) <= longest.count("\n") + 1:
        return longest
    return "\n".join(lines)[:MAX_PAGE_CHARS]


def _former_ids(page: str, visits: Sequence[VisitRecord]) -> list[str]:
    """Other ids that stored maps and edits may have for the page."""
    ids: dict[str, None] = {}
    for url in dict.fromkeys(visit.url for visit in visits):
        ids[page_id(url)] = None
        # The former rules differ only for addresses with more than a path.
        if "?" in url or "#" in url or "%" in url or not url.isascii():
            ids[former_page_id(url)] = None
    ids.pop(page, None)
    return list(ids)
