"""Coverage and scorecard of a map, counted from the map and the captured pages, not reported by its provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.mindmap.pages.evidence import label_halves, supports_label
from models.mindmap.document import Coverage, ExcludedPage, MindmapDocument, Node, Scorecard
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage


def compute_coverage(
    nodes: Sequence[Node], excluded_pages: Sequence[ExcludedPage], captured: Mapping[str, CapturedPage]
) -> Coverage:
    """How many captured pages are on the map or excluded with a reason, and the share of reading time on the map."""
    on_map = {node.data.page_id for node in nodes if node.type == "page" and node.data.page_id} & set(captured)
    excluded = {page.page_id for page in excluded_pages} & set(captured)
    dwell_on_map = sum(captured[page].dwell_ms for page in on_map)
    total_dwell = sum(page.dwell_ms for page in captured.values())
    return Coverage(
        captured=len(captured),
        on_map=len(on_map),
        num_excluded=len(excluded),
        ratio=round(len(on_map | excluded) / len(captured), 4) if captured else 1.0,
        attention=round(dwell_on_map / total_dwell, 4) if total_dwell else 1.0,
    )


def compute_scorecard(
    document: MindmapDocument,
    captured: Mapping[str, CapturedPage],
    neighbours: Mapping[str, Sequence[tuple[str, float]]],
    stability: float | None,
    previous: MindmapDocument | None,
) -> Scorecard:
    """The scorecard of a composed document; `Scorecard` says what each number means.

    `neighbours` maps page ids to their nearest pages by text as (page id, cosine). `stability` is the outline's.
    """
    # The user's own words need no source.
    claims = [node for node in document.nodes if node.type != "core" and node.data.label_by == "generated"]
    num_verified = sum(1 for node in claims if _has_verified_label(node, captured))
    return Scorecard(
        grounding=round(num_verified / len(claims), 4) if claims else 1.0,
        coverage=document.coverage.ratio,
        attention=document.coverage.attention,
        separation=_separation(document, neighbours),
        stability=stability,
        continuity=_continuity(document, previous),
    )


def _has_verified_label(node: Node, captured: Mapping[str, CapturedPage]) -> bool:
    """Whether verbatim quotes support every half of the node's label; for a page any verbatim quote of it does."""
    quotes = []
    for quote in node.data.evidence:
        page = captured.get(quote.page_id)
        if quote.supports == "label" and page is not None and quote_is_in_page(page, quote.field, quote.quote):
            quotes.append(quote.quote)
    if node.type == "page":
        return bool(quotes)
    return all(any(supports_label(half, quote) for quote in quotes) for half in label_halves(node.label))


def _separation(document: MindmapDocument, neighbours: Mapping[str, Sequence[tuple[str, float]]]) -> float | None:
    """The share of the similarity to nearest pages that lies in the same topic; None for fewer than two topics."""
    topic_of = document.topic_of_pages()
    inside = total = 0.0
    for page, nearest in neighbours.items():
        topic = topic_of.get(page)
        if topic is None:
            continue
        for other, cosine in nearest:
            total += cosine
            inside += cosine if topic_of.get(other) == topic else 0.0
    num_topics = sum(1 for node in document.nodes if node.type == "topic")
    return round(inside / total, 4) if total > 0 and num_topics > 1 else None


def _continuity(document: MindmapDocument, previous: MindmapDocument | None) -> float | None:
    """The share of the previous version's nodes that are still on the map."""
    if previous is None or not previous.nodes:
        return None
    previous_ids = {node.id for node in previous.nodes}
    return round(len(previous_ids & {node.id for node in document.nodes}) / len(previous_ids), 4)
