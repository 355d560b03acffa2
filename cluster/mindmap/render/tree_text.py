"""The map as an indented tree for a terminal, with the time spent and a quote that bears each node out."""

from __future__ import annotations

from cluster.mindmap.render.canvas import format_duration
from models.mindmap.document import MindmapDocument, Node
from models.text import collapse_whitespace, shorten

_QUOTE_CHARS = 88


def to_tree_text(document: MindmapDocument, *, evidence: bool = True) -> str:
    """The whole map as lines of text, without colour codes; what was left out stands below with its reasons."""
    children = document.children()
    nodes = {node.id: node for node in document.nodes if not node.data.hidden}
    if not document.nodes:
        return "(empty map)"
    core = document.nodes[0]
    lines = [_safe(core.label)]
    if document.summary:
        lines.append(_safe(document.summary))

    def walk(node_id: str, indent: str) -> None:
        below = [child for child in children.get(node_id, []) if child in nodes]
        for i, child in enumerate(below):
            last = i == len(below) - 1
            node = nodes[child]
            lines.append(f"{indent}{'└─ ' if last else '├─ '}{_node_line(node)}")
            deeper = indent + ("   " if last else "│  ")
            quote = _node_quote(node) if evidence else ""
            if quote:
                bar = "│  " if any(c in nodes for c in children.get(child, [])) else "   "
                lines.append(f"{deeper}{bar}“{quote}”")
            walk(child, deeper)

    walk(core.id, "")
    cross = [edge for edge in document.edges if edge.kind == "cross" and {edge.source, edge.target} <= set(nodes)]
    if cross:
        lines += ["", "Connections"]
        for edge in cross[:12]:
            shared = f"  ({_safe(edge.label)})" if edge.label else ""
            lines.append(f"  {_safe(nodes[edge.source].label)} ↔ {_safe(nodes[edge.target].label)}{shared}")
    if document.excluded_pages:
        lines += ["", f"Left out ({len(document.excluded_pages)})"]
        for one in document.excluded_pages:
            lines.append(f"  {_safe(one.title) or _safe(one.url) or one.page_id}: {one.sentence}")
    card, coverage = document.scorecard, document.coverage
    numbers = [
        ("pages on the map", f"{coverage.on_map} of {coverage.captured}"),
        ("grounding", _format_percent(card.grounding)),
        ("attention", _format_percent(card.attention)),
        ("separation", _format_percent(card.separation)),
        ("stability", _format_percent(card.stability)),
    ]
    lines += ["", "  ".join(f"{name} {value}" for name, value in numbers if value)]
    return "\n".join(lines)


def _node_line(node: Node) -> str:
    told = []
    if node.data.total_duration >= 1000:
        told.append(format_duration(node.data.total_duration))
    if node.type == "page":
        if node.data.visit_count > 1:
            told.append(f"{node.data.visit_count} visits")
        if node.data.highlights:
            num = len(node.data.highlights)
            told.append(f"{num} highlight{'s' if num > 1 else ''}")
    elif node.type in ("topic", "subtopic"):
        num = len(node.data.urls)
        told.insert(0, f"{num} page{'s' if num != 1 else ''}")
    label = _safe(node.label)
    return f"{label}  [{', '.join(told)}]" if told else label


def _node_quote(node: Node) -> str:
    """For a topic a quote for its label, for a page one for its description."""
    wanted = "description" if node.type == "page" else "label"
    best = [q for q in node.data.evidence if q.supports == wanted and q.field != "url"]
    if not best or (node.type == "page" and collapse_whitespace(best[0].quote) == node.label):
        return ""
    return shorten(_safe(best[0].quote), _QUOTE_CHARS)


def _safe(text: str | None) -> str:
    """Text that cannot move the cursor or change colours: a terminal obeys control characters."""
    return collapse_whitespace(text or "")


def _format_percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
