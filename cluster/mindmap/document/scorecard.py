"""How far a map can be trusted, counted from the map and the captured pages, not claimed by its maker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.mindmap.pages.evidence import supports_label
from models.mindmap.document import Coverage, ExcludedPage, MindmapDocument, Node, Scorecard
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage


def compute_coverage(
    nodes: Sequence[Node], left_out: Sequence[ExcludedPage], captured: Mapping[str, CapturedPage]
) -> Coverage:
    """How many captured pages are on the map or left out with a reason, and how much attention the map holds."""
    on_map = {node.data.page_id for node in nodes if node.type == "page" and node.data.page_id} & set(captured)
    excused = {one.page_id for one in left_out} & set(captured)
    seen = sum(captured[page].dwell_ms for page in on_map)
    everything = sum(page.dwell_ms for page in captured.values())
    return Coverage(
        captured=len(captured),
        on_map=len(on_map),
        num_excluded=len(excused),
        ratio=round(len(on_map | excused) / len(captured), 4) if captured else 1.0,
        attention=round(seen / everything, 4) if everything else 1.0,
    )


def compute_scorecard(
    document: MindmapDocument,
    captured: Mapping[str, CapturedPage],
    neighbours: Mapping[str, Sequence[tuple[str, float]]],
    stability: float | None,
    previous: MindmapDocument | None,
) -> Scorecard:
    """The scorecard of a composed document; see `models.mindmap.validation.Scorecard` for what each number means."""
    claims = [node for node in document.nodes if node.type != "core" and node.data.origin == "generated"]
    grounded = sum(1 for node in claims if _has_verified_label(node, captured))
    return Scorecard(
        grounding=round(grounded / len(claims), 4) if claims else 1.0,
        coverage=document.coverage.ratio,
        attention=document.coverage.attention,
        separation=_separation(document, neighbours),
        stability=stability,
        continuity=_continuity(document, previous),
    )


def _has_verified_label(node: Node, captured: Mapping[str, CapturedPage]) -> bool:
    for quote in node.data.evidence:
        page = captured.get(quote.page_id)
        if quote.supports != "label" or page is None or not quote_is_in_page(page, quote.field, quote.quote):
            continue
        if node.type == "page" or supports_label(node.label, quote.quote):
            return True
    return False


def _separation(document: MindmapDocument, neighbours: Mapping[str, Sequence[tuple[str, float]]]) -> float | None:
    parents = document.parents()
    kinds = {node.id: node.type for node in document.nodes}

    def topic(page: str) -> str | None:
        at = parents.get(page)
        while at is not None and kinds.get(at) == "subtopic":
            at = parents.get(at)
        return at

    inside = total = 0.0
    for page, near in neighbours.items():
        home = topic(page)
        if home is None:
            continue
        for other, cosine in near:
            total += cosine
            inside += cosine if topic(other) == home else 0.0
    num_topics = sum(1 for node in document.nodes if node.type == "topic")
    return round(inside / total, 4) if total > 0 and num_topics > 1 else None


def _continuity(document: MindmapDocument, previous: MindmapDocument | None) -> float | None:
    if previous is None or not previous.nodes:
        return None
    before = {node.id for node in previous.nodes}
    return round(len(before & {node.id for node in document.nodes}) / len(before), 4)
