"""The map as a picture: SVG in three layouts and two themes, PNG through resvg.

Every text is escaped; nothing in the picture loads anything. Coordinates come from the document, so that the picture
and the views in a browser show the same map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
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
    wrap_text,
)
from cluster.mindmap.render.galaxy_image import draw_galaxy
from models.mindmap.document import LayoutName, MindmapDocument, Node
from models.text import shorten

ThemeName = Literal["light", "dark"]


def to_svg(document: MindmapDocument, layout: LayoutName = "galaxy", theme: ThemeName = "light") -> str:
    """The map as one self-contained SVG document. Raises `KeyError` for an unknown layout or theme."""
    canvas = {"galaxy": draw_galaxy, "tree": _draw_tree, "radial": _draw_radial}[layout](document, THEMES[theme])
    return canvas.svg(document.title or _core_label(document))


_FONTS = Path(__file__).parent / "fonts"


def to_png(svg: str, font_files: Sequence[str] = (), width: int | None = None) -> bytes:
    """`svg` as PNG bytes, in the bundled Pretendard (Latin and Hangul) unless `font_files` are given; what it lacks,
    Hanja for one, comes from the system's fonts where there are any."""
    import resvg_py

    files = list(font_files) or [str(path) for path in sorted(_FONTS.glob("*.otf"))]
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, font_files=files))


def _core_label(document: MindmapDocument) -> str:
    return document.nodes[0].label if document.nodes else "Trailmind"


def _draw_tree(document: MindmapDocument, theme: Theme) -> Canvas:
    canvas = Canvas(theme)
    nodes = visible_nodes(document)
    at = document.layouts.get("tree", {})
    parents = document.parents()
    by_id = {node.id: node for node in nodes if node.id in at}
    columns = _tree_columns(list(by_id.values()), {i: p.x for i, p in at.items()})
    x_of = {node_id: columns[at[node_id].x] for node_id in by_id}
    sizes = {"core": 20.0, "topic": 16.0, "subtopic": 13.5, "page": 12.5}
    for node in by_id.values():
        x, y = x_of[node.id], at[node.id].y
        parent = by_id.get(parents.get(node.id, ""))
        if parent is not None:
            x0, y0 = x_of[parent.id] + _tree_width(parent, sizes), at[parent.id].y
            bend = max(20.0, (x - x0) * 0.5)
            canvas.path(
                f"M{x0:.1f},{y0:.1f} C{x0 + bend:.1f},{y0:.1f} {x - bend:.1f},{y:.1f} {x - 4:.1f},{y:.1f}",
                node.color, {"topic": 3.0, "subtopic": 2.0}.get(node.type, 1.2), opacity=0.75,
            )  # fmt: skip
        size = sizes[node.type]
        if node.type in ("core", "topic"):
            wide = _tree_width(node, sizes)
            fill, ink = (node.color, theme.core_text) if node.type == "core" else (node.color, "#FFFFFF")
            canvas.shapes.append(
                f'<rect x="{x:.1f}" y="{y - size:.1f}" width="{wide:.1f}" height="{size * 2:.1f}" rx="{size:.1f}" '
                f'fill="{fill}"><title>{escape(tooltip(node))}</title></rect>'
            )
            canvas.extend_bounds(x, y - size, x + wide, y + size)
            canvas.text(x + size * 0.8, y + size * 0.35, _tree_label(node), size, color=ink, weight=700, halo=False)
        else:
            radius = 5.0 if node.type == "subtopic" else 2.5 + 3.0 * min(1.0, node.data.importance.score)
            canvas.circle(x + 3, y, radius, node.color, title=tooltip(node))
            label = _tree_label(node)
            weight = 600 if node.type == "subtopic" else 400
            canvas.text(x + 14, y + size * 0.36, label, size, weight=weight, halo=False)
            if node.type == "page" and node.data.total_duration >= 1000:
                told = format_duration(node.data.total_duration) + ("  ★" if node.data.highlights else "")
                canvas.text(
                    x + 14 + estimate_text_width(label, size) + 10,
                    y + size * 0.34,
                    told,
                    10.5,
                    color=theme.soft_text,
                    halo=False,
                )
    return canvas


def _tree_label(node: Node) -> str:
    return shorten(node.label, {"core": 44, "topic": 40, "subtopic": 36}.get(node.type, 64))


def _tree_width(node: Node, sizes: dict[str, float]) -> float:
    size = sizes[node.type]
    bold = 1.08 if node.type in ("core", "topic") else 1.03
    wide = estimate_text_width(_tree_label(node), size) * bold
    return wide + size * 1.6 if node.type in ("core", "topic") else wide + 20


def _tree_columns(nodes: Sequence[Node], x_of: dict[str, float]) -> dict[float, float]:
    """Where each column of the layout starts, so that the longest label of the one before still fits."""
    sizes = {"core": 20.0, "topic": 16.0, "subtopic": 13.5, "page": 12.5}
    widest: dict[float, float] = {}
    for node in nodes:
        if node.type != "page":
            widest[x_of[node.id]] = max(widest.get(x_of[node.id], 0.0), _tree_width(node, sizes))
    columns: dict[float, float] = {}
    at = 0.0
    for x in sorted({x_of[node.id] for node in nodes}):
        columns[x] = at
        at += widest.get(x, 80.0) + 56.0
    return columns


def _draw_radial(document: MindmapDocument, theme: Theme) -> Canvas:
    canvas = Canvas(theme)
    nodes = visible_nodes(document)
    at = document.layouts.get("radial", {})
    parents = document.parents()
    by_id = {node.id: node for node in nodes if node.id in at}
    for edge in document.edges:
        if edge.kind == "cross" and edge.source in by_id and edge.target in by_id:
            a, b = at[edge.source], at[edge.target]
            canvas.path(
                f"M{a.x:.1f},{a.y:.1f} Q{(a.x + b.x) * 0.2:.1f},{(a.y + b.y) * 0.2:.1f} {b.x:.1f},{b.y:.1f}",
                theme.cross, 1.0, opacity=0.35, dashed=True,
            )  # fmt: skip
    for node in by_id.values():
        point, parent = at[node.id], by_id.get(parents.get(node.id, ""))
        if parent is not None:
            canvas.path(
                _branch_path(at[parent.id].x, at[parent.id].y, point.x, point.y), node.color,
                {"topic": 4.0, "subtopic": 2.4}.get(node.type, 1.2), opacity=0.7,
            )  # fmt: skip
    for node in by_id.values():
        point = at[node.id]
        x, y = point.x, point.y
        if node.type == "page":
            angle = math.degrees(math.atan2(y, x))
            radius = 3.0 + 5.0 * min(1.0, node.data.importance.score)
            canvas.circle(x, y, radius, node.color, title=tooltip(node))
            flip = abs(angle) > 90
            out = radius + 6
            tx, ty = x + out * math.cos(math.radians(angle)), y + out * math.sin(math.radians(angle))
            canvas.text(
                tx, ty, shorten(node.label, 46), 12.0, anchor="end" if flip else "start",
                rotate=angle + 180 if flip else angle, halo=False,
            )  # fmt: skip
    for node in by_id.values():
        x, y = at[node.id].x, at[node.id].y
        if node.type == "core":
            _draw_bubble(canvas, node, x, y, 58.0, 17.0, theme.core_text)
        elif node.type == "topic":
            _draw_bubble(canvas, node, x, y, 26.0 + node.size * 0.28, 14.0, "#FFFFFF")
        elif node.type == "subtopic":
            canvas.circle(x, y, 7.0, node.color, title=tooltip(node), stroke=theme.background)
            canvas.text(x, y - 12, shorten(node.label, 28), 12.5, anchor="middle", weight=600)
    return canvas


def _branch_path(x0: float, y0: float, x1: float, y1: float) -> str:
    """A curve that leaves the inner node straight outwards and arrives straight from the centre."""
    r0, r1 = math.hypot(x0, y0), math.hypot(x1, y1)
    a0 = math.atan2(y0, x0) if r0 > 1 else math.atan2(y1, x1)
    a1 = math.atan2(y1, x1)
    mid = (r0 + r1) / 2
    c0 = (mid * math.cos(a0), mid * math.sin(a0))
    c1 = (mid * math.cos(a1), mid * math.sin(a1))
    return f"M{x0:.1f},{y0:.1f} C{c0[0]:.1f},{c0[1]:.1f} {c1[0]:.1f},{c1[1]:.1f} {x1:.1f},{y1:.1f}"


def _draw_bubble(canvas: Canvas, node: Node, x: float, y: float, radius: float, size: float, ink: str) -> None:
    """A filled circle with its label inside, on up to three lines, the type shrunk until it fits."""
    lines = wrap_text(node.label, 2.0 * radius * 0.80, size)
    while size > 8.5 and (len(lines) > 3 or max(estimate_text_width(line, size) for line in lines) > 2 * radius * 0.84):
        size -= 0.5
        lines = wrap_text(node.label, 2.0 * radius * 0.80, size)
    lines = lines[:3]
    canvas.circle(x, y, radius, node.color, title=tooltip(node), stroke=canvas.theme.background)
    for i, line in enumerate(lines):
        dy = (i - (len(lines) - 1) / 2) * size * 1.18 + size * 0.35
        canvas.text(x, y + dy, line, size, anchor="middle", color=ink, weight=700, halo=False)
