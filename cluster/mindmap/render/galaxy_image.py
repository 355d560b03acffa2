"""The galaxy layout as an image: as the camera of the 3-D view sees it, with labels where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.render.canvas import Canvas, Theme, estimate_text_width, tooltip, visible_nodes
from models.mindmap.document import MindmapDocument, Node
from models.text import shorten

#: Distance of the camera from the origin, in world units.
_CAMERA_DISTANCE = 620.0
_PIXELS_PER_UNIT = 1.75
_GLOW_RADIUS_PX = 190.0
#: A node on the screen: x and y in pixels, and the magnification by depth (1 at z = 0, larger when nearer).
_Projected = tuple[float, float, float]


def draw_galaxy(document: MindmapDocument, theme: Theme) -> Canvas:
    """The galaxy in perspective: nearer nodes are larger and more opaque."""
    canvas = Canvas(theme, padding=30.0)
    nodes = visible_nodes(document)
    projected = {node.id: _project(node) for node in nodes}
    _draw_edges(canvas, document, nodes, projected)
    _draw_glows(canvas, nodes, projected)
    for node in sorted(nodes, key=lambda node: (node.position.z, node.id)):
        x, y, magnification = projected[node.id]
        radius = _node_radius(node) * magnification
        opacity = 1.0 if node.type in ("core", "topic") else min(1.0, 0.45 + 0.5 * magnification**2)
        canvas.circle(x, y, radius, node.color, opacity=opacity, stroke=theme.background, title=tooltip(node))
        canvas.reserve(x - radius, y - radius, x + radius, y + radius)
    _draw_labels(canvas, nodes, projected)
    return canvas


def _project(node: Node) -> _Projected:
    magnification = _CAMERA_DISTANCE / (_CAMERA_DISTANCE - node.position.z)
    x = node.position.x * magnification * _PIXELS_PER_UNIT
    y = -node.position.y * magnification * _PIXELS_PER_UNIT
    return x, y, magnification


def _draw_edges(
    canvas: Canvas, document: MindmapDocument, nodes: Sequence[Node], projected: dict[str, _Projected]
) -> None:
    for edge in document.edges:
        if edge.kind == "cross" and edge.source in projected and edge.target in projected:
            (ax, ay, _), (bx, by, _) = projected[edge.source], projected[edge.target]
            curve = f"M{ax:.1f},{ay:.1f} Q{(ax + bx) / 2 * 0.7:.1f},{(ay + by) / 2 * 0.7:.1f} {bx:.1f},{by:.1f}"
            canvas.path(curve, canvas.theme.cross, 1.0, opacity=0.3, dashed=True)
    parents = document.parents()
    for node in nodes:
        parent = parents.get(node.id, "")
        if parent in projected:
            (ax, ay, _), (bx, by, _) = projected[parent], projected[node.id]
            width = {"topic": 3.0, "subtopic": 1.8}.get(node.type, 0.9)
            opacity = {"topic": 0.55, "subtopic": 0.5}.get(node.type, 0.35)
            canvas.path(f"M{ax:.1f},{ay:.1f} L{bx:.1f},{by:.1f}", node.color, width, opacity=opacity)


def _draw_glows(canvas: Canvas, nodes: Sequence[Node], projected: dict[str, _Projected]) -> None:
    """A soft disc behind every topic and its pages; one gradient per colour."""
    gradients: set[str] = set()
    for topic in (node for node in nodes if node.type == "topic"):
        x, y, magnification = projected[topic.id]
        gradient = f"glow{topic.data.hue or 0}"
        if gradient not in gradients:
            gradients.add(gradient)
            canvas.defs.append(
                f'<radialGradient id="{gradient}"><stop offset="0" stop-color="{topic.color}" stop-opacity="0.22"/>'
                f'<stop offset="1" stop-color="{topic.color}" stop-opacity="0"/></radialGradient>'
            )
        radius = _GLOW_RADIUS_PX * magnification
        canvas.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="url(#{gradient})"/>')


def _node_radius(node: Node) -> float:
    """The radius in pixels at z = 0."""
    return {"core": 46.0, "topic": node.size * 0.42, "subtopic": node.size * 0.24}.get(node.type, node.size * 0.2 + 1.0)


def _draw_labels(canvas: Canvas, nodes: Sequence[Node], projected: dict[str, _Projected]) -> None:
    """Labels by importance: core and topics always, the others where a place beside the node is free."""
    rank = {"core": 0, "topic": 1, "subtopic": 2, "page": 3}
    for node in sorted(nodes, key=lambda node: (rank[node.type], -node.data.importance.score, node.id)):
        _draw_label(canvas, node, projected[node.id])


def _draw_label(canvas: Canvas, node: Node, projected: _Projected) -> None:
    x, y, magnification = projected
    radius = _node_radius(node) * magnification
    size = {"core": 21.0, "topic": 18.0, "subtopic": 13.5}.get(node.type, 10.5 + 2.0 * node.data.importance.score)
    weight = {"core": 700, "topic": 700, "subtopic": 600}.get(node.type, 400)
    text = shorten(node.label, {"core": 44, "topic": 36, "subtopic": 30}.get(node.type, 34))
    width = estimate_text_width(text, size) * (1.06 if weight > 400 else 1.0)
    places = _label_places(x, y, radius, size)
    place = next((p for p in places if canvas.is_free(*_label_box(p, width, size))), None)
    if place is None:
        if node.type not in ("core", "topic"):
            return
        place = places[0]
    canvas.reserve(*_label_box(place, width, size))
    label_x, label_y, anchor = place
    color = canvas.theme.soft_text if node.type == "page" else None
    canvas.text(label_x, label_y, text, size, anchor=anchor, weight=weight, color=color)


def _label_places(x: float, y: float, radius: float, size: float) -> list[tuple[float, float, str]]:
    """Places for a label around a node, best first, as (x, y of the baseline, text anchor)."""
    return [
        (x, y - radius - 5, "middle"),
        (x, y + radius + size, "middle"),
        (x + radius + 5, y + size * 0.35, "start"),
        (x - radius - 5, y + size * 0.35, "end"),
        (x + radius * 0.8 + 4, y - radius - 1, "start"),
        (x - radius * 0.8 - 4, y - radius - 1, "end"),
        (x + radius * 0.8 + 4, y + radius + size * 0.8, "start"),
        (x - radius * 0.8 - 4, y + radius + size * 0.8, "end"),
    ]


def _label_box(place: tuple[float, float, str], width: float, size: float) -> tuple[float, float, float, float]:
    """The box that a label covers, as (left, top, right, bottom)."""
    x, y, anchor = place
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    return left - 2, y - size * 0.95, left + width + 2, y + size * 0.3
