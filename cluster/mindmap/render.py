"""The map as a picture: SVG in three layouts and two themes, PNG through resvg; `tree_text` draws it for the terminal.

Every text is escaped; nothing in the picture loads anything. Coordinates come from the document, so that the picture
and the views in a browser show the same map.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape

from cluster.mindmap.text import shorten
from models.mindmap_graph import MindmapDocument, Node

FONT_FAMILY = "Pretendard, 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
LayoutName = Literal["galaxy", "tree", "radial"]
ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a picture. `halo` is drawn around text to lift it off the lines."""

    background: str
    text: str
    soft_text: str
    line: str
    cross: str
    halo: str
    core_text: str


THEMES: dict[str, Theme] = {
    "light": Theme("#FBFBFD", "#15181F", "#5B6472", "#C9CED8", "#98A2B3", "#FBFBFD", "#3D2F00"),
    "dark": Theme("#0E1220", "#F2F4F8", "#A4ADBD", "#38415A", "#5C6884", "#0E1220", "#3D2F00"),
}


def to_svg(document: MindmapDocument, layout: LayoutName = "galaxy", theme: ThemeName = "light") -> str:
    """The map as one self-contained SVG document. Raises `KeyError` for an unknown layout or theme."""
    canvas = {"galaxy": _galaxy, "tree": _tree, "radial": _radial}[layout](document, THEMES[theme])
    return canvas.svg(document.title or _core_label(document))


def to_png(svg: str, font_files: Sequence[str] = (), width: int | None = None) -> bytes:
    """`svg` as PNG bytes. Fonts come from `font_files` if given, else from the system."""
    import resvg_py

    files = list(font_files) or None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, font_files=files, skip_system_fonts=bool(files)))


def text_width(text: str, size: float) -> float:
    """Roughly how wide `text` is at font size `size`; wide East Asian characters count as one em."""
    units = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            units += 0.94
        elif char in "iIl.,:;'|!ftjr()[] ":
            units += 0.33
        elif char.isupper() or char in "mwMW@%":
            units += 0.70
        else:
            units += 0.55
    return units * size


@dataclass(slots=True)
class _Canvas:
    """Collects shapes in layers and knows how far they reach."""

    theme: Theme
    lines: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    bounds: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    defs: list[str] = field(default_factory=list)
    padding: float = 36.0

    def reach(self, left: float, top: float, right: float, bottom: float) -> None:
        b = self.bounds
        b[0], b[1], b[2], b[3] = min(b[0], left), min(b[1], top), max(b[2], right), max(b[3], bottom)

    def circle(
        self, x: float, y: float, r: float, fill: str, *, opacity: float = 1.0, stroke: str = "none", title: str = ""
    ) -> None:
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}" fill-opacity="{opacity:.2f}" '
            f'stroke="{stroke}" stroke-width="1.5">{inner}</circle>'
        )
        self.reach(x - r, y - r, x + r, y + r)

    def path(self, d: str, color: str, width: float, *, opacity: float = 1.0, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="2 6"' if dashed else ""
        self.lines.append(
            f'<path d="{d}" fill="none" stroke="{color}" stroke-width="{width:.1f}" stroke-opacity="{opacity:.2f}" '
            f'stroke-linecap="round"{dash}/>'
        )

    def text(
        self, x: float, y: float, text: str, size: float, *, anchor: str = "start", color: str | None = None,
        weight: int = 400, rotate: float | None = None, halo: bool = True,
    ) -> None:  # fmt: skip
        wide = text_width(text, size)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        turn = f' transform="rotate({rotate:.2f} {x:.1f} {y:.1f})"' if rotate is not None else ""
        outline = (
            f' stroke="{self.theme.halo}" stroke-width="{size * 0.28:.1f}" paint-order="stroke" stroke-linejoin="round"'
        )
        self.texts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{color or self.theme.text}"{outline if halo else ""}{turn}>{escape(text)}</text>'
        )
        if rotate is None:
            self.reach(left, y - size, left + wide, y + size * 0.4)
        else:
            far = x + math.cos(math.radians(rotate)) * (wide if anchor == "start" else -wide)
            high = y + math.sin(math.radians(rotate)) * (wide if anchor == "start" else -wide)
            self.reach(min(x, far) - size, min(y, high) - size, max(x, far) + size, max(y, high) + size)

    def free(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether nothing that was `kept` so far lies in this box."""
        return all(right <= b[0] or left >= b[2] or bottom <= b[1] or top >= b[3] for b in self.boxes)

    def keep(self, left: float, top: float, right: float, bottom: float) -> None:
        self.boxes.append((left, top, right, bottom))

    def svg(self, title: str) -> str:
        left, top, right, bottom = self.bounds
        left, top = left - self.padding, top - self.padding
        width, height = right + self.padding - left, bottom + self.padding - top
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}" '
            f'width="{width:.0f}" height="{height:.0f}" font-family="{escape(FONT_FAMILY)}" role="img">'
            f"<title>{escape(title)}</title><defs>{''.join(self.defs)}</defs>"
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{self.theme.background}"/>'
            f'<g id="edges">{"".join(self.lines)}</g><g id="nodes">{"".join(self.shapes)}</g>'
            f'<g id="labels">{"".join(self.texts)}</g></svg>'
        )


def _visible(document: MindmapDocument) -> list[Node]:
    return [node for node in document.nodes if not node.data.hidden]


def _core_label(document: MindmapDocument) -> str:
    return document.nodes[0].label if document.nodes else "Trailmind"


def _hover(node: Node) -> str:
    parts = [node.label]
    if node.data.total_duration:
        parts.append(duration(node.data.total_duration))
    if node.data.description:
        parts.append(node.data.description)
    return " — ".join(parts)


def _tree(document: MindmapDocument, theme: Theme) -> _Canvas:
    canvas = _Canvas(theme)
    nodes = _visible(document)
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
                f'fill="{fill}"><title>{escape(_hover(node))}</title></rect>'
            )
            canvas.reach(x, y - size, x + wide, y + size)
            canvas.text(x + size * 0.8, y + size * 0.35, _tree_label(node), size, color=ink, weight=700, halo=False)
        else:
            radius = 5.0 if node.type == "subtopic" else 2.5 + 3.0 * min(1.0, node.data.importance.score)
            canvas.circle(x + 3, y, radius, node.color, title=_hover(node))
            label = _tree_label(node)
            weight = 600 if node.type == "subtopic" else 400
            canvas.text(x + 14, y + size * 0.36, label, size, weight=weight, halo=False)
            if node.type == "page" and node.data.total_duration >= 1000:
                told = duration(node.data.total_duration) + ("  ★" if node.data.highlights else "")
                canvas.text(
                    x + 14 + text_width(label, size) + 10,
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
    wide = text_width(_tree_label(node), size) * bold
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


def _radial(document: MindmapDocument, theme: Theme) -> _Canvas:
    canvas = _Canvas(theme)
    nodes = _visible(document)
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
                _arm(at[parent.id].x, at[parent.id].y, point.x, point.y), node.color,
                {"topic": 4.0, "subtopic": 2.4}.get(node.type, 1.2), opacity=0.7,
            )  # fmt: skip
    for node in by_id.values():
        point = at[node.id]
        x, y = point.x, point.y
        if node.type == "page":
            angle = math.degrees(math.atan2(y, x))
            radius = 3.0 + 5.0 * min(1.0, node.data.importance.score)
            canvas.circle(x, y, radius, node.color, title=_hover(node))
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
            _bubble(canvas, node, x, y, 58.0, 17.0, theme.core_text)
        elif node.type == "topic":
            _bubble(canvas, node, x, y, 26.0 + node.size * 0.28, 14.0, "#FFFFFF")
        elif node.type == "subtopic":
            canvas.circle(x, y, 7.0, node.color, title=_hover(node), stroke=theme.background)
            canvas.text(x, y - 12, shorten(node.label, 28), 12.5, anchor="middle", weight=600)
    return canvas


def _arm(x0: float, y0: float, x1: float, y1: float) -> str:
    """A curve that leaves the inner node straight outwards and arrives straight from the centre."""
    r0, r1 = math.hypot(x0, y0), math.hypot(x1, y1)
    a0 = math.atan2(y0, x0) if r0 > 1 else math.atan2(y1, x1)
    a1 = math.atan2(y1, x1)
    mid = (r0 + r1) / 2
    c0 = (mid * math.cos(a0), mid * math.sin(a0))
    c1 = (mid * math.cos(a1), mid * math.sin(a1))
    return f"M{x0:.1f},{y0:.1f} C{c0[0]:.1f},{c0[1]:.1f} {c1[0]:.1f},{c1[1]:.1f} {x1:.1f},{y1:.1f}"


def _bubble(canvas: _Canvas, node: Node, x: float, y: float, radius: float, size: float, ink: str) -> None:
    """A filled circle with its label inside, on up to three lines, the type shrunk until it fits."""
    lines = wrap(node.label, 2.0 * radius * 0.80, size)
    while size > 8.5 and (len(lines) > 3 or max(text_width(line, size) for line in lines) > 2 * radius * 0.84):
        size -= 0.5
        lines = wrap(node.label, 2.0 * radius * 0.80, size)
    lines = lines[:3]
    canvas.circle(x, y, radius, node.color, title=_hover(node), stroke=canvas.theme.background)
    for i, line in enumerate(lines):
        dy = (i - (len(lines) - 1) / 2) * size * 1.18 + size * 0.35
        canvas.text(x, y + dy, line, size, anchor="middle", color=ink, weight=700, halo=False)


def wrap(text: str, max_width: float, size: float) -> list[str]:
    """`text` on lines no wider than `max_width` where its words allow it."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= max_width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _galaxy(document: MindmapDocument, theme: Theme) -> _Canvas:
    """The space view as the camera sees it: nearer is larger and brighter; labels go where there is room."""
    canvas = _Canvas(theme, padding=30.0)
    nodes = _visible(document)
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
        radius = _galaxy_radius(node) * depth
        fade = 1.0 if node.type in ("core", "topic") else min(1.0, 0.45 + 0.5 * depth**2)
        canvas.circle(x, y, radius, node.color, opacity=fade, stroke=theme.background, title=_hover(node))
        canvas.keep(x - radius, y - radius, x + radius, y + radius)
    _galaxy_labels(canvas, nodes, seen)
    return canvas


def _galaxy_radius(node: Node) -> float:
    return {"core": 46.0, "topic": node.size * 0.42, "subtopic": node.size * 0.24}.get(node.type, node.size * 0.2 + 1.0)


def _galaxy_labels(canvas: _Canvas, nodes: Sequence[Node], seen: dict[str, tuple[float, float, float]]) -> None:
    """Labels by weight: core and topics always, the rest where a free spot is found beside the node."""
    rank = {"core": 0, "topic": 1, "subtopic": 2, "page": 3}
    ordered = sorted(nodes, key=lambda n: (rank[n.type], -n.data.importance.score, n.id))
    for node in ordered:
        x, y, depth = seen[node.id]
        radius = _galaxy_radius(node) * depth
        size = {"core": 21.0, "topic": 18.0, "subtopic": 13.5}.get(node.type, 10.5 + 2.0 * node.data.importance.score)
        weight = {"core": 700, "topic": 700, "subtopic": 600}.get(node.type, 400)
        text = shorten(node.label, {"core": 44, "topic": 36, "subtopic": 30}.get(node.type, 34))
        wide = text_width(text, size) * (1.06 if weight > 400 else 1.0)
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
            if canvas.free(*box):
                break
        else:
            if node.type not in ("core", "topic"):
                continue
            tx, ty, anchor = spots[0]
            left = tx - wide / 2
            box = (left - 2, ty - size * 0.95, left + wide + 2, ty + size * 0.3)
        canvas.keep(*box)
        canvas.text(tx, ty, text, size, anchor=anchor, weight=weight, color=color)


def duration(ms: int) -> str:
    """Milliseconds as people say them: "45 s", "3 min", "1 h 20 min"."""
    seconds = round(ms / 1000)
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def to_tree_text(document: MindmapDocument, *, evidence: bool = True) -> str:
    """The map as an indented tree for a terminal; see `cluster.mindmap.tree_text`."""
    from cluster.mindmap.tree_text import to_tree_text as render

    return render(document, evidence=evidence)


__all__ = ["THEMES", "Theme", "duration", "text_width", "to_png", "to_svg", "to_tree_text", "wrap"]
