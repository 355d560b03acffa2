"""The pages of several sessions as those of one, for a map over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.mindmap.clustering.similarity import MAX_VISIT_DISTANCE
from models.recording.pages import CapturedPage


def merge_sessions(sessions: Sequence[Sequence[CapturedPage]]) -> list[CapturedPage]:
    """The pages of `sessions` as the pages of one session, the earliest session first.

    A page that occurs in several sessions becomes one page: visits and dwell times add up, the longest text and the
    last title are used. Visits are renumbered by time, with a gap between sessions that is too wide for the last page
    of one session to count as a neighbour of the first page of the next.
    """
    ordered = sorted(
        (pages for pages in sessions if pages),
        key=lambda pages: min((min(page.visited_at_ms, default=0), page.page_id) for page in pages),
    )
    merged: dict[str, CapturedPage] = {}
    first_number = 0
    for pages in ordered:
        numbers = sorted({number for page in pages for number in page.visit_order})
        new_number = {number: first_number + i for i, number in enumerate(numbers)}
        first_number += len(numbers) + MAX_VISIT_DISTANCE + 1
        for page in sorted(pages, key=lambda page: page.page_id):
            renumbered = replace(page, visit_order=tuple(new_number[number] for number in page.visit_order))
            known = merged.get(page.page_id)
            merged[page.page_id] = _merge_pages(known, renumbered) if known else renumbered
    return list(merged.values())


def _merge_pages(earlier: CapturedPage, later: CapturedPage) -> CapturedPage:
    return replace(
        earlier,
        title=later.title or earlier.title,
        text=max(earlier.text, later.text, key=len),
        dwell_ms=earlier.dwell_ms + later.dwell_ms,
        max_scroll_depth=max(earlier.max_scroll_depth, later.max_scroll_depth),
        highlights=tuple(dict.fromkeys((*earlier.highlights, *later.highlights))),
        visited_at_ms=(*earlier.visited_at_ms, *later.visited_at_ms),
        visit_order=(*earlier.visit_order, *later.visit_order),
    )
