"""A page of a browsing session: the input of map generation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CapturedPage:
    """One page of a session with all its visits. Times are UTC epoch milliseconds.

    `visited_at_ms` and `visit_order` have one entry per visit: when it began, and its 0-based position among all visits
    of the session. `dwell_ms` is the active time of all visits; parallel tabs are not counted twice. `text` is the
    longest captured text, `title` the last non-empty title.
    """

    page_id: str
    url: str
    title: str
    text: str = ""
    dwell_ms: int = 0
    max_scroll_depth: float = 0.0
    highlights: tuple[str, ...] = ()
    visited_at_ms: tuple[int, ...] = ()
    visit_order: tuple[int, ...] = ()
