"""The map as an image: SVG in three layouts and two themes.

Every text is escaped, and the image loads nothing. Coordinates come from the document, so that an image shows the same
map as the views in a browser.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal
from xml.sax.saxutils import escape

from cluster.mindmap.render.canvas import (
    THEMES,
    Canvas,
    Theme,
    estimate_text_width,
    format_duration,
    tooltip,
    visible_nodes,
    without_repeated_label,
    wrap_text,
)
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES, with_tones, without_folded
from cluster.mindmap.render.free_places import Place, free_places
from cluster.mindmap.render.galaxy_image import draw_galaxy
from models.mindmap.document import LayoutName, MindmapDocument, Node, Point
from models.text import shorten

ThemeName = Literal["light", "dark"]
PaletteName = Literal["standard", "dashboard"]

#: Font size in pixels of each node type in the tree.
_TREE_FONT_SIZES = {"core": 20.0, "topic": 16.0, "subtopic": 13.5, "page": 12.5}
_COLUMN_GAP_PX = 56.0


def to_svg(
    document: MindmapDocument,
    layout: LayoutName = "galaxy",
    theme: ThemeName = "light",
    *,
    palette: PaletteName = "standard",
    folded: Collection[str] = (),
) -> str:
    """The map as one self-contained SVG document. Raises `KeyError` for an unknown layout, theme or palette.

    `palette` is "standard" (the colours in the document) or "dashboard" (those on the user's screen); what is below the
    nodes `folded` is left out.
    """
    document = without_repeated_label(without_folded(document, folded))
    colours = THEMES[theme]
    if {"standard": False, "dashboard": True}[palette]:
        document, colours = with_tones(document, DASHBOARD_TONES[theme]), DASHBOARD_TONES[theme].theme
    canvas = {"galaxy": draw_galaxy, "tree": _draw_tree, "radial": _draw_radial}[layout](document, colours)
    return canvas.svg(document.title or _core_label(document))


def _core_label(document: MindmapDocument) -> str:
    return document.nodes[0].label if document.nodes else "Trailmind"


def _placed_nodes(document: MindmapDocument, layout: LayoutName) -> tuple[dict[str, Node], dict[str, Point]]:
    """The visible nodes with a position in a flat layout, by id, and the positions."""
    points = document.layouts.get(layout, {})
    return {node.id: node for node in visible_nodes(document) if node.id in points}, points


def _draw_tree(document: MindmapDocument, theme: Theme) -> Canvas:
    canvas = Canvas(theme)
    nodes, points = _placed_nodes(document, "tree")
    parents = document.parents()
    column_x = _tree_columns(list(nodes.values()), points)
    automatic = {node_id: Point(x=column_x[points[node_id].x], y=points[node_id].y) for node_id in nodes}
    core = document.nodes[0]
    core_start = automatic.get(core.id, Point(x=0, y=0))
    core_centre = Point(x=core_start.x + _tree_width(core) / 2, y=core_start.y)
    places = free_places(document, "tree", automatic, core_centre)
    for node in nodes.values():
        place = places[node.id]
        parent = nodes.get(parents.get(node.id, ""))
        if parent is not None:
            _draw_tree_branch(canvas, node, _branch_start(parent, places[parent.id], place.side), place)
        if node.type in ("core", "topic"):
            _draw_pill(canvas, node, place)
        else:
            _draw_tree_leaf(canvas, node, place)
    return canvas


def _branch_start(parent: Node, place: Place, side: int) -> Point:
    """The end of a parent's label from which a branch to this side begins; its label begins at the other end."""
    if parent.type == "core" and side < 0:
        return Point(x=place.x, y=place.y)
    return Point(x=place.x + side * _tree_width(parent), y=place.y)


def _draw_tree_branch(canvas: Canvas, node: Node, start: Point, end: Place) -> None:
    x0, y0, x, y, side = start.x, start.y, end.x, end.y, end.side
    bend = side * max(20.0, side * (x - x0) * 0.5)
    curve = f"M{x0:.1f},{y0:.1f} C{x0 + bend:.1f},{y0:.1f} {x - bend:.1f},{y:.1f} {x - side * 4:.1f},{y:.1f}"
    canvas.path(curve, node.color, {"topic": 3.0, "subtopic": 2.0}.get(node.type, 1.2), opacity=0.75)


def _draw_pill(canvas: Canvas, node: Node, place: Place) -> None:
    """The core or a topic: a filled rectangle with round ends and the label inside."""
    size, width = _TREE_FONT_SIZES[node.type], _tree_width(node)
    x, y = place.x if place.side > 0 else place.x - width, place.y
    canvas.shapes.append(
        f'<rect x="{x:.1f}" y="{y - size:.1f}" width="{width:.1f}" height="{size * 2:.1f}" rx="{size:.1f}" '
        f'fill="{node.color}"><title>{escape(tooltip(node))}</title></rect>'
    )
    canvas.extend_bounds(x, y - size, x + width, y + size)
    color = canvas.theme.core_text if node.type == "core" else canvas.theme.topic_text
    canvas.text(x + size * 0.8, y + size * 0.35, _tree_label(node), size, color=color, weight=700, halo=False)


def _draw_tree_leaf(canvas: Canvas, node: Node, place: Place) -> None:
    """A sub-topic or page: a dot with the label beside it; behind a page's label its reading time."""
    size, label, x, y, side = _TREE_FONT_SIZES[node.type], _tree_label(node), place.x, place.y, place.side
    anchor = "start" if side > 0 else "end"
    radius = 5.0 if node.type == "subtopic" else 2.5 + 3.0 * min(1.0, node.data.importance.score)
    canvas.circle(x + side * 3, y, radius, node.color, title=tooltip(node))
    weight = 600 if node.type == "subtopic" else 400
    canvas.text(x + side * 14, y + size * 0.36, label, size, anchor=anchor, weight=weight, halo=False)
    if node.type == "page" and node.data.total_duration >= 1000:
        duration = format_duration(node.data.total_duration) + ("  ★" if node.data.highlights else "")
        duration_x = x + side * (14 + estimate_text_width(label, size) + 10)
        soft = canvas.theme.soft_text
        canvas.text(duration_x, y + size * 0.34, duration, 10.5, anchor=anchor, color=soft, halo=False)


def _tree_label(node: Node) -> str:
    return shorten(node.label, {"core": 44, "topic": 40, "subtopic": 36}.get(node.type, 64))


def _tree_width(node: Node) -> float:
    """The approximate width of a node with its label, in pixels."""
    size = _TREE_FONT_SIZES[node.type]
    is_pill = node.type in ("core", "topic")
    width = estimate_text_width(_tree_label(node), size) * (1.08 if is_pill else 1.03)
    return width + size * 1.6 if is_pill else width + 20


def _tree_columns(nodes: Sequence[Node], points: Mapping[str, Point]) -> dict[float, float]:
    """The x at which each column of the layout is drawn, so that the widest label of the column before it fits."""
    widths: dict[float, float] = {}
    for node in nodes:
        if node.type != "page":
            column = points[node.id].x
            widths[column] = max(widths.get(column, 0.0), _tree_width(node))
    columns: dict[float, float] = {}
    x = 0.0
    for column in sorted({points[node.id].x for node in nodes}):
        columns[column] = x
        x += widths.get(column, 80.0) + _COLUMN_GAP_PX
    return columns


def _draw_radial(document: MindmapDocument, theme: Theme) -> Canvas:
    canvas = Canvas(theme)
    nodes, automatic = _placed_nodes(document, "radial")
    points = free_places(document, "radial", automatic, Point(x=0, y=0))
    _draw_radial_edges(canvas, document, nodes, points)
    # Pages first: the bubbles of topics and sub-topics are drawn over them.
    for node in nodes.values():
        if node.type == "page":
            _draw_radial_page(canvas, node, points[node.id])
    for node in nodes.values():
        x, y = points[node.id].x, points[node.id].y
        if node.type == "core":
            _draw_bubble(canvas, node, x, y, 58.0, 17.0, theme.core_text)
        elif node.type == "topic":
            _draw_bubble(canvas, node, x, y, 26.0 + node.size * 0.28, 14.0, canvas.theme.topic_text)
        elif node.type == "subtopic":
            canvas.circle(x, y, 7.0, node.color, title=tooltip(node), stroke=theme.background)
            canvas.text(x, y - 12, shorten(node.label, 28), 12.5, anchor="middle", weight=600)
    return canvas


def _draw_radial_edges(
    canvas: Canvas, document: MindmapDocument, nodes: Mapping[str, Node], points: Mapping[str, Place]
) -> None:
    parents = document.parents()
    for edge in document.edges:
        if edge.kind == "cross" and edge.source in nodes and edge.target in nodes:
            a, b = points[edge.source], points[edge.target]
            curve = f"M{a.x:.1f},{a.y:.1f} Q{(a.x + b.x) * 0.2:.1f},{(a.y + b.y) * 0.2:.1f} {b.x:.1f},{b.y:.1f}"
            canvas.path(curve, canvas.theme.cross, 1.0, opacity=0.35, dashed=True)
    for node in nodes.values():
        parent = parents.get(node.id, "")
        if parent in nodes:
            width = {"topic": 4.0, "subtopic": 2.4}.get(node.type, 1.2)
            canvas.path(_branch_path(points[parent], points[node.id]), node.color, width, opacity=0.7)


def _draw_radial_page(canvas: Canvas, node: Node, point: Place) -> None:
    """A page with its label along the ray from the core, turned so that it is never upside down."""
    angle = math.degrees(math.atan2(point.y, point.x))
    radius = 3.0 + 5.0 * min(1.0, node.data.importance.score)
    canvas.circle(point.x, point.y, radius, node.color, title=tooltip(node))
    is_left = abs(angle) > 90
    distance = radius + 6
    x, y = point.x + distance * math.cos(math.radians(angle)), point.y + distance * math.sin(math.radians(angle))
    anchor, rotation = ("end", angle + 180) if is_left else ("start", angle)
    canvas.text(x, y, shorten(node.label, 46), 12.0, anchor=anchor, rotate=rotation, halo=False)


def _branch_path(start: Place, end: Place) -> str:
    """A curve that leaves the inner node and reaches the outer one along their rays from the core."""
    start_radius, end_radius = math.hypot(start.x, start.y), math.hypot(end.x, end.y)
    end_angle = math.atan2(end.y, end.x)
    start_angle = math.atan2(start.y, start.x) if start_radius > 1 else end_angle
    middle = (start_radius + end_radius) / 2
    control_1 = (middle * math.cos(start_angle), middle * math.sin(start_angle))
    control_2 = (middle * math.cos(end_angle), middle * math.sin(end_angle))
    return (
        f"M{start.x:.1f},{start.y:.1f} C{control_1[0]:.1f},{control_1[1]:.1f} "
        f"{control_2[0]:.1f},{control_2[1]:.1f} {end.x:.1f},{end.y:.1f}"
    )


def _draw_bubble(canvas: Canvas, node: Node, x: float, y: float, radius: float, size: float, color: str) -> None:
    """A filled circle with its label inside on up to three lines; the font shrinks from `size` until it fits."""
    lines = wrap_text(node.label, 2.0 * radius * 0.80, size)
    while size > 8.5 and (len(lines) > 3 or max(estimate_text_width(line, size) for line in lines) > 2 * radius * 0.84):
        size -= 0.5
        lines = wrap_text(node.label, 2.0 * radius * 0.80, size)
    lines = lines[:3]
    canvas.circle(x, y, radius, node.color, title=tooltip(node), stroke=canvas.theme.background)
    for i, line in enumerate(lines):
        offset = (i - (len(lines) - 1) / 2) * size * 1.18 + size * 0.35
        canvas.text(x, y + offset, line, size, anchor="middle", color=color, weight=700, halo=False)
