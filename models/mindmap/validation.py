"""Validation of map documents before they are stored, whichever provider made them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.mindmap.document import (
    CORE_ID,
    EXCLUSION_REASONS,
    MAX_LABEL_CHARS,
    MAX_TOPIC_LABEL_CHARS,
    MAX_TOPIC_LEVELS,
    NODE_ID_PATTERN,
    MindmapDocument,
    Node,
    NodeType,
)
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, normalized, strip_invisible

_COLOR = re.compile(r"^#[0-9A-Fa-f]{6}$")
_ALLOWED_CHILDREN: dict[NodeType, frozenset[NodeType]] = {
    "core": frozenset({"topic", "page"}),
    "topic": frozenset({"subtopic", "page"}),
    "subtopic": frozenset({"subtopic", "page"}),
    "page": frozenset(),
}
#: What the camera of the 3-D view sees, in world units.
_MAX_X, _MAX_Y, _MAX_Z = 500, 290, 400
_MAX_DESCRIPTION_CHARS, _MAX_KEYWORDS = 400, 12
_MAX_TITLE_CHARS, _MAX_SUMMARY_CHARS = 200, 600


@dataclass(frozen=True, slots=True)
class ValidationProblem:
    """One problem of a document: a stable code, the id of the node, edge or page, and a sentence.

    The sentence never repeats page text or labels, so that it may be logged.
    """

    code: str
    subject: str
    sentence: str


def quote_is_in_page(page: CapturedPage, field: str, quote: str) -> bool:
    """Whether `quote` is verbatim in that field of `page`, except for white space and Unicode normalisation.

    `field` is "title", "url", "highlight" or "text". An empty quote is in no page.
    """
    normalized_quote = normalized(quote)
    if not normalized_quote:
        return False
    if field == "title":
        return normalized_quote in normalized(page.title)
    if field == "url":
        return quote in page.url
    if field == "highlight":
        return any(normalized_quote in normalized(highlight) for highlight in page.highlights)
    # The raw text first: normalising a long page is slow.
    return normalized_quote in page.text or normalized_quote in normalized(page.text)


def validate_document(document: MindmapDocument, pages: Sequence[CapturedPage]) -> list[ValidationProblem]:
    """Everything that is wrong with `document` as a map of `pages`. An empty list means that it may be stored."""
    captured = {page.page_id: page for page in pages}
    return [
        *_node_problems(document, captured),
        *_edge_problems(document),
        *_tree_problems(document),
        *_empty_topic_problems(document),
        *_label_problems(document),
        *_text_problems(document),
        *_evidence_problems(document, captured),
        *_coverage_problems(document, captured),
        *_layout_problems(document),
    ]


def _node_problems(document: MindmapDocument, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    if not document.nodes or document.nodes[0].type != "core" or document.nodes[0].id != CORE_ID:
        yield ValidationProblem("core_missing", CORE_ID, "The first node must be the core.")
    for node_id, count in Counter(node.id for node in document.nodes).items():
        if count > 1:
            yield ValidationProblem("duplicate_node", node_id, f"{count} nodes share one id.")
    for node in document.nodes:
        if not NODE_ID_PATTERN.match(node.id):
            yield ValidationProblem("bad_id", node.id[:64], "An id is 1 to 64 letters, digits or _ . : -")
        if node.type == "core" and node.id != CORE_ID:
            yield ValidationProblem("second_core", node.id, "A map has one core.")
        if not _COLOR.match(node.color):
            yield ValidationProblem("bad_color", node.id, "A colour is written #RRGGBB.")
        if any(not url.lower().startswith(("http://", "https://")) for url in node.data.urls):
            yield ValidationProblem("unsafe_url", node.id, "Only http and https addresses may be linked.")
        yield from _position_problems(node)
        yield from _page_id_problems(node, captured)


def _position_problems(node: Node) -> Iterator[ValidationProblem]:
    x, y, z = node.position.x, node.position.y, node.position.z
    if not all(math.isfinite(number) for number in (node.size, x, y, z)) or not 0 < node.size <= 100:
        yield ValidationProblem("bad_number", node.id, "Sizes are above 0 and at most 100, positions finite.")
    elif abs(x) > _MAX_X or abs(y) > _MAX_Y or abs(z) > _MAX_Z:
        yield ValidationProblem("out_of_view", node.id, "The node is outside the view of the camera.")
    if node.type == "core" and (x, y, z) != (0.0, 0.0, 0.0):
        yield ValidationProblem("core_moved", node.id, "The core must be at the origin.")


def _page_id_problems(node: Node, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    if node.type == "page" and node.data.origin == "generated":
        if node.data.page_id is None or node.data.page_id not in captured:
            yield ValidationProblem("unknown_page", node.id, "The page is not one of this session's.")
        elif node.id != node.data.page_id:
            yield ValidationProblem("bad_id", node.id, "The id of a page node must be its page's id.")


def _edge_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    node_ids = {node.id for node in document.nodes}
    seen: set[frozenset[str]] = set()
    for edge in document.edges:
        subject = f"{edge.source}->{edge.target}"[:140]
        if edge.source not in node_ids or edge.target not in node_ids:
            yield ValidationProblem("dangling_edge", subject, "An end of the edge is not on the map.")
        if edge.source == edge.target:
            yield ValidationProblem("self_edge", subject, "An edge must connect two different nodes.")
        ends = frozenset((edge.source, edge.target))
        if ends in seen:
            yield ValidationProblem("duplicate_edge", subject, "Two nodes may be connected by one edge at most.")
        seen.add(ends)
        if not math.isfinite(edge.weight) or not 0 <= edge.weight <= 1:
            yield ValidationProblem("bad_number", subject, "The weight of an edge must be in 0..1.")
        if edge.label is not None and _is_invalid_text(edge.label, MAX_LABEL_CHARS):
            yield ValidationProblem("bad_label", subject, "The edge's label is empty, too long or not plain text.")


def _tree_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    type_of = {node.id: node.type for node in document.nodes}
    parents: dict[str, list[str]] = {}
    for edge in document.edges:
        if edge.kind == "contains":
            parents.setdefault(edge.target, []).append(edge.source)
    for node in document.nodes:
        above = parents.get(node.id, [])
        if len(above) != (0 if node.type == "core" else 1):
            yield ValidationProblem("bad_parent", node.id, f"The node has {len(above)} parents.")
            continue
        if above and above[0] in type_of and node.type not in _ALLOWED_CHILDREN[type_of[above[0]]]:
            yield ValidationProblem("bad_parent", node.id, "A node of this type cannot have this parent.")
        root, level = _root(node.id, parents, max_steps=len(document.nodes))
        if level > len(document.nodes):
            yield ValidationProblem("cycle", node.id, "The node is its own ancestor.")
        elif root != CORE_ID:
            yield ValidationProblem("unreachable", node.id, "The node is not below the core.")
        elif node.type == "subtopic" and level > MAX_TOPIC_LEVELS:
            yield ValidationProblem("too_deep", node.id, "The sub-topic is below too many others.")


def _root(node_id: str, parents: dict[str, list[str]], max_steps: int) -> tuple[str, int]:
    """The ancestor without parent and the number of steps to it; more than `max_steps` mean a cycle."""
    num_steps = 0
    while parents.get(node_id) and num_steps <= max_steps:
        node_id, num_steps = parents[node_id][0], num_steps + 1
    return node_id, num_steps


def _empty_topic_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    groups = _groups_with_pages(document)
    for node in document.nodes:
        if node.type in ("topic", "subtopic") and node.data.origin == "generated" and node.id not in groups:
            yield ValidationProblem("empty_topic", node.id, "A topic must have at least one page.")


def _groups_with_pages(document: MindmapDocument) -> set[str]:
    """The ids of all nodes with a page below them."""
    parents = document.parents()
    groups: set[str] = set()
    for node in document.nodes:
        if node.type == "page":
            ancestor: str | None = parents.get(node.id)
            while ancestor is not None and ancestor not in groups:
                groups.add(ancestor)
                ancestor = parents.get(ancestor)
    return groups


def _label_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    parents = document.parents()
    siblings: Counter[tuple[str | None, str]] = Counter()
    for node in document.nodes:
        is_short = node.type in ("topic", "subtopic") and node.data.label_by == "generated"
        if _is_invalid_text(node.label, MAX_TOPIC_LABEL_CHARS if is_short else MAX_LABEL_CHARS):
            yield ValidationProblem("bad_label", node.id, "The label is empty, too long or not plain text.")
        if node.data.label_by == "generated":
            siblings[(parents.get(node.id), node.label.casefold())] += 1
    for (parent, _), count in siblings.items():
        if count > 1:
            yield ValidationProblem("duplicate_label", parent or CORE_ID, "Sibling nodes have the same label.")


def _text_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    for node in document.nodes:
        description, keywords = node.data.description or "", node.data.keywords
        texts = (description, *keywords, *node.data.searches)
        if any(text != strip_invisible(text) for text in texts):
            sentence = "A description, keyword or search query has invisible characters."
            yield ValidationProblem("invisible_text", node.id, sentence)
        if len(description) > _MAX_DESCRIPTION_CHARS or len(keywords) > _MAX_KEYWORDS:
            yield ValidationProblem("too_long", node.id, "The description or the list of keywords is too long.")
    texts_of_map = (("title", document.title, _MAX_TITLE_CHARS), ("summary", document.summary, _MAX_SUMMARY_CHARS))
    for name, text, max_chars in texts_of_map:
        if len(text) > max_chars or text != strip_invisible(text):
            sentence = "The title or the summary is too long or has invisible characters."
            yield ValidationProblem("bad_label", name, sentence)


def _is_invalid_text(text: str, max_chars: int) -> bool:
    return not text.strip() or len(text) > max_chars or text != collapse_whitespace(text)


def _evidence_problems(document: MindmapDocument, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    for node in document.nodes:
        for quote in node.data.evidence:
            page = captured.get(quote.page_id)
            if page is None:
                yield ValidationProblem("foreign_evidence", node.id, "The quoted page is not one of this session's.")
            elif not quote_is_in_page(page, quote.field, quote.quote):
                yield ValidationProblem("not_verbatim", node.id, "The quote is not in its page.")
            elif set(quote.visited_at_ms) - set(page.visited_at_ms):
                yield ValidationProblem("bad_time", node.id, "The page was not visited at that time.")
        if node.type != "core" and node.data.origin == "generated" and not node.data.evidence:
            yield ValidationProblem("no_evidence", node.id, "The node has no evidence.")


def _coverage_problems(document: MindmapDocument, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    num_placed = Counter(node.data.page_id for node in document.nodes if node.type == "page" and node.data.page_id)
    num_excluded = Counter(page.page_id for page in document.excluded_pages)
    for page_id in captured:
        count = num_placed[page_id] + num_excluded[page_id]
        if count == 0:
            yield ValidationProblem("lost_page", page_id, "The page is neither on the map nor excluded.")
        elif count > 1:
            yield ValidationProblem("repeated_page", page_id, "The page is in more than one place.")
    for page in document.excluded_pages:
        if page.page_id not in captured:
            yield ValidationProblem("unknown_page", page.page_id[:64], "An excluded page is not one of this session's.")
        if page.reason not in EXCLUSION_REASONS or not page.sentence.strip():
            yield ValidationProblem("no_reason", page.page_id[:64], "A page is excluded without a known reason.")
    coverage = document.coverage
    reported = (coverage.captured, coverage.on_map, coverage.num_excluded)
    if reported != (len(captured), len(set(num_placed) & set(captured)), len(set(num_excluded) & set(captured))):
        yield ValidationProblem("wrong_coverage", "coverage", "The coverage numbers do not match the map.")


def _layout_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    node_ids = {node.id for node in document.nodes}
    for name in ("tree", "radial"):
        points = document.layouts.get(name)
        if points is None or set(points) != node_ids:
            yield ValidationProblem("incomplete_layout", name, "The layout must place exactly the nodes of the map.")
        elif not all(math.isfinite(point.x) and math.isfinite(point.y) for point in points.values()):
            yield ValidationProblem("bad_number", name, "A position in the layout is not finite.")
