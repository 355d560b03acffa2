"""Response bodies of the timeline: visits, highlights and pauses of one session."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class PageVisitReply(Reply):
    """One visit to one page. `duration_ms` is active time."""

    id: str
    url: str
    title: str | None = None
    visited_at: Time
    duration_ms: int
    max_scroll_depth: float
    page_id: str
    is_revisit: bool


class HighlightReply(Reply):
    """A highlighted passage."""

    id: str
    text: str
    selector: str | None = None
    color: str
    note: str | None = None
    url: str | None = None
    page_visit_id: str | None = None
    created_at: Time


class EventsList(Reply):
    """One page of visits and highlights; `total` counts both, or only the requested `type`."""

    page_visits: list[PageVisitReply]
    highlights: list[HighlightReply]
    total: int


class EventStats(Reply):
    """Counts of a session's events."""

    total_events: int
    page_visits: int
    highlights: int
    unique_urls: int


class TimelineVisit(PageVisitReply):
    """A visit with the passages highlighted during it."""

    ended_at: Time
    highlights: list[HighlightReply]


class Pause(Reply):
    """A pause of the recording; without `ended_at` the session is still paused, or was stopped while paused."""

    started_at: Time
    ended_at: Time | None = None


class TimelineReply(Reply):
    """The session in chronological order. `clock_skew_ms` has been added to every client timestamp.

    `num_unreadable_events` stored events could not be decoded and are not part of it.
    """

    visits: list[TimelineVisit]
    highlights: list[HighlightReply] = Field(description="Highlights on pages that were not visited in this session")
    pauses: list[Pause]
    dwell_ms: int
    clock_skew_ms: int
    num_unreadable_events: int = 0
