"""The map as an indented tree for a terminal, with reading times and a quote of evidence per node."""

from __future__ import annotations

from cluster.mindmap.render.canvas import format_duration
from models.mindmap.document import MindmapDocument, Node
from models.plurals import counted
from models.text import collapse_whitespace, shorten

_MAX_QUOTE_CHARS = 88
_MAX_CROSS_EDGES = 12


def to_tree_text(document: MindmapDocument, *, evidence: bool = True) -> str:
    """The whole map as lines of text without colour codes; excluded pages and the scorecard follow below.

    Labels and quotes hold no control characters, which could move the cursor or change the colours of a terminal.
    """
    if not document.nodes:
        return "(empty map)"
    nodes = {node.id: node for node in document.nodes if not node.data.hidden}
    lines = [collapse_whitespace(document.nodes[0].label)]
    if document.summary:
        lines.append(collapse_whitespace(document.summary))
    lines += [collapse_whitespace(note.sentence_in(document.language)) for note in document.note_details]
    lines += _tree_lines(document, nodes, evidence=evidence)
    lines += _cross_edge_lines(document, nodes)
    if document.excluded_pages:
        lines += ["", f"Left out ({len(document.excluded_pages)})"]
        for page in document.excluded_pages:
            name = collapse_whitespace(page.title) or collapse_whitespace(page.url) or page.page_id
            lines.append(f"  {name}: {page.sentence}")
    lines += ["", _scores_line(document)]
    return "\n".join(lines)


def _tree_lines(document: MindmapDocument, nodes: dict[str, Node], *, evidence: bool) -> list[str]:
    children = document.children()
    lines: list[str] = []

    def write_children(node_id: str, indent: str) -> None:
        below = [child for child in children.get(node_id, []) if child in nodes]
        for child in below:
            is_last = child == below[-1]
            lines.append(f"{indent}{'└─ ' if is_last else '├─ '}{_node_line(nodes[child])}")
            child_indent = indent + ("   " if is_last else "│  ")
            quote = _node_quote(nodes[child]) if evidence else ""
            if quote:
                has_children = any(grandchild in nodes for grandchild in children.get(child, []))
                lines.append(f"{child_indent}{'│  ' if has_children else '   '}“{quote}”")
            write_children(child, child_indent)

    write_children(document.nodes[0].id, "")
    return lines


def _cross_edge_lines(document: MindmapDocument, nodes: dict[str, Node]) -> list[str]:
    edges = [e for e in document.edges if e.kind == "cross" and e.source in nodes and e.target in nodes]
    lines = ["", "Connections"] if edges else []
    for edge in edges[:_MAX_CROSS_EDGES]:
        source, target = collapse_whitespace(nodes[edge.source].label), collapse_whitespace(nodes[edge.target].label)
        label = f"  ({collapse_whitespace(edge.label)})" if edge.label else ""
        lines.append(f"  {source} ↔ {target}{label}")
    return lines


def _scores_line(document: MindmapDocument) -> str:
    scorecard, coverage = document.scorecard, document.coverage
    scores = [
        ("pages on the map", f"{coverage.on_map} of {coverage.captured}"),
        ("grounding", _format_percent(scorecard.grounding)),
        ("attention", _format_percent(scorecard.attention)),
        ("separation", _format_percent(scorecard.separation)),
        ("stability", _format_percent(scorecard.stability)),
    ]
    return "  ".join(f"{name} {value}" for name, value in scores if value)


def _node_line(node: Node) -> str:
    facts = []
    if node.type in ("topic", "subtopic"):
        facts.append(counted(len(node.data.urls), "page"))
    if node.data.total_duration >= 1000:
        facts.append(format_duration(node.data.total_duration))
    if node.type == "page":
        if node.data.visit_count > 1:
            facts.append(counted(node.data.visit_count, "visit"))
        if node.data.highlights:
            facts.append(counted(len(node.data.highlights), "highlight"))
    label = collapse_whitespace(node.label)
    return f"{label}  [{', '.join(facts)}]" if facts else label


def _node_quote(node: Node) -> str:
    """A quote that supports a topic's label, or a page's description; empty when there is none worth showing."""
    supports = "description" if node.type == "page" else "label"
    quotes = [quote for quote in node.data.evidence if quote.supports == supports and quote.field != "url"]
    if not quotes or (node.type == "page" and collapse_whitespace(quotes[0].quote) == node.label):
        return ""
    return shorten(collapse_whitespace(quotes[0].quote), _MAX_QUOTE_CHARS)


def _format_percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
