"""The space view on paper: as the camera sees it, with labels where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.render.canvas import Canvas, Theme, estimate_text_width, tooltip, visible_nodes
from models.mindmap.document import MindmapDocument, Node
from models.text import shorten


def draw_galaxy(document: MindmapDocument, theme: Theme) -> Canvas:
    """The space view as the camera sees it: nearer is larger and brighter; labels go where there is room."""
    canvas = Canvas(theme, padding=30.0)
    nodes = visible_nodes(document)
    camera, scale = 620.0, 1.75
    seen: dict[str, tuple[float, float, float]] = {}
    for node in nodes:
        depth = camera / (camera - node.position.z)
        seen[node.id] = (node.position.x * depth * scale, -node.position.y * depth * scale, depth)
    parents = document.parents()
    by_id = {node.id: node for node in nodes}
    for edge in document.edges:
        if edge.kind == "cross" and edge.source in by_id and edge.target in by_id:
            (ax, ay, _), (bx, by, _) = seen[edge.source], seen[edge.target]
            canvas.path(
                f"M{ax:.1f},{ay:.1f} Q{(ax + bx) / 2 * 0.7:.1f},{(ay + by) / 2 * 0.7:.1f} {bx:.1f},{by:.1f}",
                theme.cross, 1.0, opacity=0.3, dashed=True,
            )  # fmt: skip
    for node in nodes:
        parent = by_id.get(parents.get(node.id, ""))
        if parent is not None:
            (ax, ay, _), (bx, by, _) = seen[parent.id], seen[node.id]
            canvas.path(
                f"M{ax:.1f},{ay:.1f} L{bx:.1f},{by:.1f}", node.color,
                {"topic": 3.0, "subtopic": 1.8}.get(node.type, 0.9),
                opacity={"topic": 0.55, "subtopic": 0.5}.get(node.type, 0.35),
            )  # fmt: skip
    for topic in (n for n in nodes if n.type == "topic"):
        x, y, depth = seen[topic.id]
        glow = f"glow{topic.data.hue or 0}"
        if not any(f'id="{glow}"' in d for d in canvas.defs):
            canvas.defs.append(
                f'<radialGradient id="{glow}"><stop offset="0" stop-color="{topic.color}" stop-opacity="0.22"/>'
                f'<stop offset="1" stop-color="{topic.color}" stop-opacity="0"/></radialGradient>'
            )
        canvas.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{190 * depth:.1f}" fill="url(#{glow})"/>')
    for node in sorted(nodes, key=lambda n: (n.position.z, n.id)):
        x, y, depth = seen[node.id]
        radius = _node_radius(node) * depth
        fade = 1.0 if node.type in ("core", "topic") else min(1.0, 0.45 + 0.5 * depth**2)
        canvas.circle(x, y, radius, node.color, opacity=fade, stroke=theme.background, title=tooltip(node))
        canvas.reserve(x - radius, y - radius, x + radius, y + radius)
    _draw_labels(canvas, nodes, seen)
    return canvas


def _node_radius(node: Node) -> float:
    return {"core": 46.0, "topic": node.size * 0.42, "subtopic": node.size * 0.24}.get(node.type, node.size * 0.2 + 1.0)


def _draw_labels(canvas: Canvas, nodes: Sequence[Node], seen: dict[str, tuple[float, float, float]]) -> None:
    """Labels by weight: core and topics always, the rest where a free spot is found beside the node."""
    rank = {"core": 0, "topic": 1, "subtopic": 2, "page": 3}
    ordered = sorted(nodes, key=lambda n: (rank[n.type], -n.data.importance.score, n.id))
    for node in ordered:
        x, y, depth = seen[node.id]
        radius = _node_radius(node) * depth
        size = {"core": 21.0, "topic": 18.0, "subtopic": 13.5}.get(node.type, 10.5 + 2.0 * node.data.importance.score)
        weight = {"core": 700, "topic": 700, "subtopic": 600}.get(node.type, 400)
        text = shorten(node.label, {"core": 44, "topic": 36, "subtopic": 30}.get(node.type, 34))
        wide = estimate_text_width(text, size) * (1.06 if weight > 400 else 1.0)
        color = canvas.theme.soft_text if node.type == "page" else None
        spots = [
            (x, y - radius - 5, "middle"),
            (x, y + radius + size, "middle"),
            (x + radius + 5, y + size * 0.35, "start"),
            (x - radius - 5, y + size * 0.35, "end"),
            (x + radius * 0.8 + 4, y - radius - 1, "start"),
            (x - radius * 0.8 - 4, y - radius - 1, "end"),
            (x + radius * 0.8 + 4, y + radius + size * 0.8, "start"),
            (x - radius * 0.8 - 4, y + radius + size * 0.8, "end"),
        ]
        for tx, ty, anchor in spots:
            left = {"start": tx, "middle": tx - wide / 2, "end": tx - wide}[anchor]
            box = (left - 2, ty - size * 0.95, left + wide + 2, ty + size * 0.3)
            if canvas.is_free(*box):
                break
        else:
            if node.type not in ("core", "topic"):
                continue
            tx, ty, anchor = spots[0]
            left = tx - wide / 2
            box = (left - 2, ty - size * 0.95, left + wide + 2, ty + size * 0.3)
        canvas.reserve(*box)
        canvas.text(tx, ty, text, size, anchor=anchor, weight=weight, color=color)
