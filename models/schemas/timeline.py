"""Response bodies of the timeline: visits, highlights and pauses of one session."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.recording.attention import AwayReason
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
    opened_from: str | None = Field(default=None, description="Id of the earlier visit that led to this one")
    referrer: str | None = Field(default=None, description="Address of the page outside the session that led to it")
    http_status: int | None = Field(default=None, description="Of an error page: 400 to 599")
    text_missing: str | None = Field(
        default=None, description="Why its text could not be read, as the client says, for example `pdf_unreadable`"
    )


class QuoteSelector(Reply):
    """The passage with the text around it, as a W3C TextQuoteSelector."""

    type: Literal["TextQuoteSelector"] = "TextQuoteSelector"
    exact: str
    prefix: str
    suffix: str


class HighlightReply(Reply):
    """A highlighted passage."""

    id: str
    text: str
    selector: str | None = None
    color: str
    note: str | None = None
    url: str | None = None
    page_visit_id: str | None = None
    anchor: QuoteSelector | None = Field(default=None, description="Where the passage is, if the client recorded it")
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


class Away(Reply):
    """A time without input (`idle`), or with another program in front; without `ended_at` the user did not return."""

    reason: AwayReason
    started_at: Time
    ended_at: Time | None = None


class TimelineReply(Reply):
    """The session in chronological order. `clock_skew_ms` has been added to every client timestamp.

    `num_unreadable_events` stored events could not be decoded and are not part of it.
    """

    visits: list[TimelineVisit]
    highlights: list[HighlightReply] = Field(description="Highlights on pages that were not visited in this session")
    pauses: list[Pause]
    away: list[Away] = Field(description="When the user did not read; these times are not part of `duration_ms`")
    dwell_ms: int
    clock_skew_ms: int
    num_unreadable_events: int = 0
