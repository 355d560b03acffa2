"""A page as the map sees it: everything one browsing session knows about one address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CapturedPage:
    """One page of a session, all its visits taken together. Times are UTC epoch milliseconds.

    `visited_at_ms` and `visit_order` run in parallel: when each visit began and its 0-based place among all the
    visits of the session. `dwell_ms` is active time summed over the visits; tabs open side by side are not counted
    twice. `text` is the longest text captured, `title` the last non-empty title.
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
