"""A page of a browsing session: the input of map generation."""

from __future__ import annotations

from dataclasses import dataclass

#: A page that was read at several addresses has more text than one of them, but not more than this.
MAX_PAGE_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class CapturedPage:
    """One page of a session with all its visits. Times are UTC epoch milliseconds.

    `visited_at_ms` and `visit_order` have one entry per visit: when it began, and its 0-based position among all visits
    of the session. `dwell_ms` is the active time of all visits; parallel tabs are not counted twice. `text` is the
    longest captured text, or all lines that were read at the addresses of one page; `title` is the title that came with
    it. `former_ids` are other ids that the page had, by which stored edits find it.
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
    former_ids: tuple[str, ...] = ()
