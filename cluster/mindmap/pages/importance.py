"""How much a page mattered to its reader, and out of what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.mindmap.pages.features import PageFeatures
from models.mindmap.document import Importance

DWELL_WEIGHT, HIGHLIGHTS_WEIGHT, SCROLL_WEIGHT, REVISITS_WEIGHT, CENTRALITY_WEIGHT = 0.42, 0.30, 0.05, 0.10, 0.13
MAX_DWELL_S = 900.0  # A tab left open over lunch is no quarter of an hour's reading, let alone an hour's.


def page_importances(pages: Sequence[PageFeatures], centrality: Sequence[float]) -> list[Importance]:
    """One `Importance` per page; `centrality` is each page's mean closeness to its own topic, in any unit."""
    attention = [math.log1p(min(page.dwell_ms / 1000, MAX_DWELL_S)) for page in pages]
    most_attention = max(attention, default=0.0) or 1.0
    most_central = max(centrality, default=0.0) or 1.0
    found = []
    for page, dwell, central in zip(pages, attention, centrality, strict=True):
        revisits = max(0, len(page.visited_at_ms) - 1)
        parts = {
            "dwell": DWELL_WEIGHT * dwell / most_attention,
            "highlights": HIGHLIGHTS_WEIGHT * min(1.0, page.num_highlights / 2),
            "scroll": SCROLL_WEIGHT * page.max_scroll_depth,
            "revisits": REVISITS_WEIGHT * min(1.0, revisits / 2),
            "centrality": CENTRALITY_WEIGHT * max(0.0, central) / most_central,
        }
        found.append(_rounded_importance(parts))
    return found


def topic_importance(inside: Sequence[Importance], all_pages: Sequence[Importance]) -> Importance:
    """A topic's share of the whole session's importance, split into the same parts."""
    total = sum(one.score for one in all_pages)
    if total <= 0:
        return Importance()
    names = ("dwell", "highlights", "scroll", "revisits", "centrality")
    return _rounded_importance({name: sum(getattr(one, name) for one in inside) / total for name in names})


def _rounded_importance(parts: dict[str, float]) -> Importance:
    rounded = {name: round(value, 6) for name, value in parts.items()}
    return Importance(score=round(sum(rounded.values()), 6), **rounded)
