"""The map as a small picture without labels, filled by the drawing: for lists of sessions."""

from __future__ import annotations

from cluster.mindmap.render.canvas import visible_nodes
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES, with_tones
from cluster.mindmap.render.free_places import free_places
from models.mindmap.document import MindmapDocument, Node, Point

WIDTH, HEIGHT = 168, 128
_PADDING = 12.0
_RADII = {"core": 9.0, "topic": 7.0, "subtopic": 4.0, "page": 2.5}
_LINE_WIDTHS = {"topic": 2.5, "subtopic": 1.5}


def to_thumbnail(document: MindmapDocument, theme: str) -> str:
    """The radial layout as an SVG of 168 × 128 pixels with a transparent background, in the dashboard's colours.

    Both axes are stretched so that the nodes fill the picture. Raises `KeyError` for an unknown theme.
    """
    tones = DASHBOARD_TONES[theme]
    points = free_places(document, document.layouts.get("radial", {}))
    nodes = [node for node in visible_nodes(with_tones(document, tones)) if node.id in points]
    places = _fitted({node.id: points[node.id] for node in nodes})
    parents = document.parents()
    lines = [_line(node, places[parents[node.id]], places[node.id]) for node in nodes if parents.get(node.id) in places]
    # Larger circles last, so that pages never cover a topic.
    circles = [_circle(node, places[node.id]) for node in sorted(nodes, key=lambda node: _RADII[node.type])]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img"><g>{"".join(lines)}</g><g>{"".join(circles)}</g></svg>'
    )


def _fitted(points: dict[str, Point]) -> dict[str, tuple[float, float]]:
    """The points scaled to fill the picture, without its padding."""
    xs, ys = [point.x for point in points.values()], [point.y for point in points.values()]
    return {node_id: (_scaled(point.x, xs, WIDTH), _scaled(point.y, ys, HEIGHT)) for node_id, point in points.items()}


def _scaled(value: float, values: list[float], size: int) -> float:
    low, high = min(values), max(values)
    share = (value - low) / (high - low) if high > low else 0.5
    return _PADDING + share * (size - 2 * _PADDING)


def _line(node: Node, start: tuple[float, float], end: tuple[float, float]) -> str:
    width = _LINE_WIDTHS.get(node.type, 1.0)
    return (
        f'<path d="M{start[0]:.1f},{start[1]:.1f} L{end[0]:.1f},{end[1]:.1f}" stroke="{node.color}" '
        f'stroke-width="{width}" stroke-opacity="0.6"/>'
    )


def _circle(node: Node, place: tuple[float, float]) -> str:
    return f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{_RADII[node.type]}" fill="{node.color}"/>'
