"""Importance of pages and topics: a weighted sum of reading time, highlights, scrolling, revisits and centrality."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.mindmap.pages.features import PageFeatures
from models.mindmap.document import Importance

DWELL_WEIGHT, HIGHLIGHTS_WEIGHT, SCROLL_WEIGHT, REVISITS_WEIGHT, CENTRALITY_WEIGHT = 0.42, 0.30, 0.05, 0.10, 0.13
MAX_DWELL_S = 900.0  # Longer dwell times mostly measure a tab that was left open.


def page_importances(pages: Sequence[PageFeatures], centrality: Sequence[float]) -> list[Importance]:
    """One `Importance` per page, in the order of `pages`.

    `centrality` holds each page's mean similarity to the other pages of its topic, in any unit: it is scaled by its
    maximum, as is the logarithm of the reading time.
    """
    attention = [math.log1p(min(page.dwell_ms / 1000, MAX_DWELL_S)) for page in pages]
    max_attention = max(attention, default=0.0) or 1.0
    max_centrality = max(centrality, default=0.0) or 1.0
    importances = []
    for page, dwell, page_centrality in zip(pages, attention, centrality, strict=True):
        revisits = max(0, len(page.visited_at_ms) - 1)
        parts = {
            "dwell": DWELL_WEIGHT * dwell / max_attention,
            "highlights": HIGHLIGHTS_WEIGHT * min(1.0, page.num_highlights / 2),
            "scroll": SCROLL_WEIGHT * page.max_scroll_depth,
            "revisits": REVISITS_WEIGHT * min(1.0, revisits / 2),
            "centrality": CENTRALITY_WEIGHT * max(0.0, page_centrality) / max_centrality,
        }
        importances.append(_rounded_importance(parts))
    return importances


def topic_importance(topic_pages: Sequence[Importance], all_pages: Sequence[Importance]) -> Importance:
    """A topic's share of the importance of all pages, in 0..1, split into the same parts."""
    total = sum(page.score for page in all_pages)
    if total <= 0:
        return Importance()
    names = ("dwell", "highlights", "scroll", "revisits", "centrality")
    return _rounded_importance({name: sum(getattr(page, name) for page in topic_pages) / total for name in names})


def _rounded_importance(parts: dict[str, float]) -> Importance:
    rounded = {name: round(value, 6) for name, value in parts.items()}
    return Importance(score=round(sum(rounded.values()), 6), **rounded)
