"""The order in which pages were first read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

_NEVER = 1 << 62


class VisitedPage(Protocol):
    """A page with its visits: `CapturedPage` or `PageFeatures`."""

    @property
    def page_id(self) -> str: ...
    @property
    def visited_at_ms(self) -> tuple[int, ...]: ...
    @property
    def visit_order(self) -> tuple[int, ...]: ...


_Page = TypeVar("_Page", bound=VisitedPage)


def in_reading_order(pages: Iterable[_Page]) -> list[_Page]:
    """`pages` by first visit, then by id: the same list whatever order they arrive in. Unvisited pages are last."""

    def key(page: _Page) -> tuple[int, int, str]:
        return (
            page.visited_at_ms[0] if page.visited_at_ms else _NEVER,
            page.visit_order[0] if page.visit_order else _NEVER,
            page.page_id,
        )

    return sorted(pages, key=key)
