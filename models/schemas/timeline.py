"""Response bodies of the timeline: visits, highlights and pauses of one session."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class PageVisitReply(Reply):
    """One stay on one page. `duration_ms` is active time."""

    id: str
    url: str
    title: str | None = None
    visited_at: Time
    duration_ms: int
    max_scroll_depth: float
    page_id: str
    is_revisit: bool


class HighlightReply(Reply):
    """A marked passage."""

    id: str
    text: str
    selector: str | None = None
    color: str
    note: str | None = None
    url: str | None = None
    page_visit_id: str | None = None
    created_at: Time


class EventsList(Reply):
    """Visits and highlights of one page of the list; `total` counts both, or the kind asked for."""

    page_visits: list[PageVisitReply]
    highlights: list[HighlightReply]
    total: int


class EventStats(Reply):
    """The clients' four numbers."""

    total_events: int
    page_visits: int
    highlights: int
    unique_urls: int


class TimelineVisit(PageVisitReply):
    """A visit with the passages marked during it."""

    ended_at: Time
    highlights: list[HighlightReply]


class Pause(Reply):
    """The recording was paused; without `ended_at` it still is, or was stopped so."""

    started_at: Time
    ended_at: Time | None = None


class TimelineReply(Reply):
    """The session in the order it happened. `clock_skew_ms` was added to every time the client gave."""

    visits: list[TimelineVisit]
    highlights: list[HighlightReply] = Field(description="Marked on pages never visited in this session")
    pauses: list[Pause]
    dwell_ms: int
    clock_skew_ms: int
