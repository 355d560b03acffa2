"""What makes a map a valid map, checked in the write path of every map, whoever made it."""

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
    NODE_ID_PATTERN,
    MindmapDocument,
    NodeType,
)
from models.recording.pages import CapturedPage
from models.text import MARKUP, collapse_whitespace, normalized, strip_invisible

_COLOR = re.compile(r"^#[0-9A-Fa-f]{6}$")

_ALLOWED_CHILDREN: dict[NodeType, frozenset[NodeType]] = {
    "core": frozenset({"topic", "page"}),
    "topic": frozenset({"subtopic", "page"}),
    "subtopic": frozenset({"page"}),
    "page": frozenset(),
}


@dataclass(frozen=True, slots=True)
class ValidationProblem:
    """One thing wrong with a document: a stable code, the node, edge or page it concerns, and a sentence.

    The sentence never repeats page text or labels, so that it may be logged.
    """

    code: str
    subject: str
    sentence: str


def quote_is_in_page(page: CapturedPage, field: str, quote: str) -> bool:
    """True when `quote` stands letter for letter in that field of `page`, white space and Unicode form aside."""
    wanted = normalized(quote)
    if not wanted:
        return False
    if field == "title":
        return wanted in normalized(page.title)
    if field == "url":
        return quote in page.url
    if field == "highlight":
        return any(wanted in normalized(text) for text in page.highlights)
    return wanted in page.text or wanted in normalized(page.text)


def validate_document(document: MindmapDocument, pages: Sequence[CapturedPage]) -> list[ValidationProblem]:
    """Everything that is wrong with `document` as a map of `pages`; empty means it may be stored."""
    captured = {page.page_id: page for page in pages}
    return [
        *_node_problems(document, captured),
        *_edge_problems(document),
        *_tree_problems(document),
        *_label_problems(document),
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
        numbers = (node.size, node.position.x, node.position.y, node.position.z)
        if not all(math.isfinite(number) for number in numbers) or not 0 < node.size <= 100:
            yield ValidationProblem("bad_number", node.id, "Sizes are above 0 and at most 100, positions finite.")
        elif abs(node.position.x) > 500 or abs(node.position.y) > 290 or abs(node.position.z) > 400:
            yield ValidationProblem("out_of_view", node.id, "The node stands outside what the camera sees.")
        if node.type == "core" and numbers[1:] != (0.0, 0.0, 0.0):
            yield ValidationProblem("core_moved", node.id, "The core stands at the origin.")
        if node.type == "page" and node.data.origin == "generated":
            if node.data.page_id is None or node.data.page_id not in captured:
                yield ValidationProblem("unknown_page", node.id, "The page is not one of this session's.")
            elif node.id != node.data.page_id:
                yield ValidationProblem("bad_id", node.id, "A page node's id is its page's.")
        if any(not url.lower().startswith(("http://", "https://")) for url in node.data.urls):
            yield ValidationProblem("unsafe_url", node.id, "Only http and https addresses may be linked.")


def _edge_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    known = {node.id for node in document.nodes}
    seen: set[tuple[str, str]] = set()
    for edge in document.edges:
        name = f"{edge.source}->{edge.target}"[:140]
        if edge.source not in known or edge.target not in known:
            yield ValidationProblem("dangling_edge", name, "An end of the edge is not on the map.")
        if edge.source == edge.target:
            yield ValidationProblem("self_edge", name, "An edge joins two different nodes.")
        pair = (edge.source, edge.target)
        if pair in seen or (edge.target, edge.source) in seen:
            yield ValidationProblem("duplicate_edge", name, "Two nodes are joined by one edge at most.")
        seen.add(pair)
        if not math.isfinite(edge.weight) or not 0 <= edge.weight <= 1:
            yield ValidationProblem("bad_number", name, "An edge's weight is in 0..1.")
        if edge.label is not None and _is_invalid_text(edge.label, MAX_LABEL_CHARS):
            yield ValidationProblem("bad_label", name, "The edge's label is empty, too long or marked up.")


def _tree_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    kinds = {node.id: node.type for node in document.nodes}
    parents: dict[str, list[str]] = {}
    for edge in document.edges:
        if edge.kind == "contains":
            parents.setdefault(edge.target, []).append(edge.source)
    for node in document.nodes:
        above = parents.get(node.id, [])
        if len(above) != (0 if node.type == "core" else 1):
            yield ValidationProblem("bad_parent", node.id, f"The node has {len(above)} parents.")
            continue
        if above and above[0] in kinds and node.type not in _ALLOWED_CHILDREN[kinds[above[0]]]:
            yield ValidationProblem("bad_parent", node.id, "This kind of node cannot stand there.")
        at, steps = node.id, 0
        while parents.get(at) and steps <= len(document.nodes):
            at, steps = parents[at][0], steps + 1
        if steps > len(document.nodes):
            yield ValidationProblem("cycle", node.id, "Following the parents leads back to the node.")
        elif at != CORE_ID:
            yield ValidationProblem("unreachable", node.id, "The node does not hang on the core.")
    full = _groups_with_pages(document)
    for node in document.nodes:
        if node.type in ("topic", "subtopic") and node.data.origin == "generated" and node.id not in full:
            yield ValidationProblem("empty_topic", node.id, "A topic holds at least one page.")


def _groups_with_pages(document: MindmapDocument) -> set[str]:
    parents = document.parents()
    found: set[str] = set()
    for node in document.nodes:
        if node.type == "page":
            at: str | None = parents.get(node.id)
            while at is not None and at not in found:
                found.add(at)
                at = parents.get(at)
    return found


def _label_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    parents = document.parents()
    beside: Counter[tuple[str | None, str]] = Counter()
    for node in document.nodes:
        limit = MAX_TOPIC_LABEL_CHARS if node.type in ("topic", "subtopic") else MAX_LABEL_CHARS
        if _is_invalid_text(node.label, MAX_LABEL_CHARS if node.data.label_by == "user" else limit):
            yield ValidationProblem("bad_label", node.id, "The label is empty, too long or marked up.")
        if node.data.label_by == "generated":
            beside[(parents.get(node.id), node.label.casefold())] += 1
        for text in (node.data.description or "", *node.data.keywords, *node.data.searches):
            if MARKUP.search(text) or text != strip_invisible(text):
                yield ValidationProblem("marked_up", node.id, "A description or keyword holds markup.")
                break
        if len(node.data.description or "") > 400 or len(node.data.keywords) > 12:
            yield ValidationProblem("too_long", node.id, "The description or the list of keywords is too long.")
    for (parent, _), count in beside.items():
        if count > 1:
            yield ValidationProblem("duplicate_label", parent or CORE_ID, "Nodes side by side have the same label.")
    for name, text, limit in (("title", document.title, 200), ("summary", document.summary, 600)):
        if len(text) > limit or MARKUP.search(text):
            yield ValidationProblem("bad_label", name, "The title or the summary is too long or marked up.")


def _is_invalid_text(text: str, max_chars: int) -> bool:
    return not text.strip() or len(text) > max_chars or bool(MARKUP.search(text)) or text != collapse_whitespace(text)


def _evidence_problems(document: MindmapDocument, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    for node in document.nodes:
        for quote in node.data.evidence:
            page = captured.get(quote.page_id)
            if page is None:
                yield ValidationProblem(
                    "foreign_evidence", node.id, "The quote is of a page that is not of this session."
                )
            elif not quote_is_in_page(page, quote.field, quote.quote):
                yield ValidationProblem("not_verbatim", node.id, "The quote does not stand in its page.")
            elif set(quote.visited_at_ms) - set(page.visited_at_ms):
                yield ValidationProblem("bad_time", node.id, "The page was not visited at that time.")
        if node.type != "core" and node.data.origin == "generated" and not node.data.evidence:
            yield ValidationProblem("no_evidence", node.id, "Nothing bears the node out.")


def _coverage_problems(document: MindmapDocument, captured: dict[str, CapturedPage]) -> Iterator[ValidationProblem]:
    places = Counter(node.data.page_id for node in document.nodes if node.type == "page" and node.data.page_id)
    excused = Counter(one.page_id for one in document.excluded_pages)
    for page_id in captured:
        count = places[page_id] + excused[page_id]
        if count == 0:
            yield ValidationProblem("lost_page", page_id, "The page is neither on the map nor left out.")
        elif count > 1:
            yield ValidationProblem("repeated_page", page_id, "The page stands in more than one place.")
    for one in document.excluded_pages:
        if one.page_id not in captured:
            yield ValidationProblem("unknown_page", one.page_id[:64], "A page left out is not one of this session's.")
        if one.reason not in EXCLUSION_REASONS or not one.sentence.strip():
            yield ValidationProblem("no_reason", one.page_id[:64], "A page is left out without a known reason.")
    told = (document.coverage.captured, document.coverage.on_map, document.coverage.num_excluded)
    if told != (len(captured), len(set(places) & set(captured)), len(set(excused) & set(captured))):
        yield ValidationProblem("wrong_coverage", "coverage", "The coverage numbers are not those of the map.")


def _layout_problems(document: MindmapDocument) -> Iterator[ValidationProblem]:
    known = {node.id for node in document.nodes}
    for name in ("tree", "radial"):
        points = document.layouts.get(name)
        if points is None or set(points) != known:
            yield ValidationProblem(
                "incomplete_layout", name, "The layout does not place exactly the nodes of the map."
            )
        elif not all(math.isfinite(p.x) and math.isfinite(p.y) for p in points.values()):
            yield ValidationProblem("bad_number", name, "A place in the layout is not finite.")
