"""The SVG canvas of map images: themes, shapes in layers, escaped text, and estimates of text width."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from models.mindmap.document import TOPIC_COLORS, MindmapDocument, Node

FONT_FAMILY = "Pretendard, 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of an image. `halo` is the outline of text, which keeps it readable on top of lines.

    `fills` and `inks` are the colours inside the discs and of the names of topics, by the colour of the topic.
    """

    background: str
    text: str
    soft_text: str
    line: str
    cross: str
    halo: str
    fills: Mapping[str, str]
    inks: Mapping[str, str]


def _pale(color: str, background: str) -> str:
    """A fifth of `color` on `background`; all are "#rrggbb"."""
    parts = ((int(color[i : i + 2], 16), int(background[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(0.2 * own + 0.8 * below):02X}" for own, below in parts)


def _standard_theme(background: str, text: str, soft_text: str, line: str, cross: str) -> Theme:
    fills = {color: _pale(color, background) for color in TOPIC_COLORS}
    return Theme(background, text, soft_text, line, cross, background, fills, {})


THEMES: dict[str, Theme] = {
    "light": _standard_theme("#FBFBFD", "#15181F", "#5B6472", "#C9CED8", "#98A2B3"),
    "dark": _standard_theme("#0E1220", "#F2F4F8", "#A4ADBD", "#38415A", "#5C6884"),
}


#: Categories of characters without a width of their own: marks above or below a letter, and joiners.
_NO_WIDTH = ("Mn", "Me", "Cf")


def estimate_text_width(text: str, size: float) -> float:
    """The approximate width of `text` in pixels at font size `size`; wide East Asian characters are almost one em."""
    units = 0.0
    for char in text:
        if char >= "\u0300" and unicodedata.category(char) in _NO_WIDTH:
            continue
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
class Canvas:
    """Collects SVG elements in layers, and their bounds. Coordinates and sizes are in pixels, y grows downwards.

    `bounds` is [left, top, right, bottom]; `reserved_boxes` are the same of areas that labels must not cover.
    """

    theme: Theme
    lines: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    reserved_boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    bounds: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    defs: list[str] = field(default_factory=list)
    padding: float = 36.0

    def extend_bounds(self, left: float, top: float, right: float, bottom: float) -> None:
        """Make the image large enough to show this box."""
        b = self.bounds
        self.bounds = [min(b[0], left), min(b[1], top), max(b[2], right), max(b[3], bottom)]

    def circle(
        self, x: float, y: float, r: float, fill: str, *, opacity: float = 1.0, stroke: str = "none",
        stroke_width: float = 1.5, title: str = "",
    ) -> None:  # fmt: skip
        """Add a circle; `title` is its tooltip."""
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}" fill-opacity="{opacity:.2f}" '
            f'stroke="{stroke}" stroke-width="{stroke_width:.1f}">{inner}</circle>'
        )
        self.extend_bounds(x - r, y - r, x + r, y + r)

    def rounded(
        self, x: float, y: float, width: float, height: float, corner: float, fill: str, *, stroke: str = "none",
        stroke_width: float = 1.0, title: str = "",
    ) -> None:  # fmt: skip
        """Add a rectangle with round corners around the centre `x`, `y`; `title` is its tooltip."""
        left, top = x - width / 2, y - height / 2
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner:.1f}" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="{stroke_width:.1f}">{inner}</rect>'
        )
        self.extend_bounds(left, top, left + width, top + height)

    def path(
        self, d: str, color: str, width: float, *, opacity: float = 1.0, dashed: bool = False, is_on_top: bool = False
    ) -> None:
        """Add a line along the SVG path `d`, below all shapes unless it `is_on_top` of those before it."""
        dash = ' stroke-dasharray="2 6"' if dashed else ""
        (self.shapes if is_on_top else self.lines).append(
            f'<path d="{d}" fill="none" stroke="{color}" stroke-width="{width:.1f}" stroke-opacity="{opacity:.2f}" '
            f'stroke-linecap="round"{dash}/>'
        )

    def text(
        self, x: float, y: float, text: str, size: float, *, anchor: str = "start", color: str | None = None,
        weight: int = 400, rotate: float | None = None, halo: bool = True,
    ) -> None:  # fmt: skip
        """Add one line of text at `x`, `y` (baseline), turned by `rotate` degrees around that point."""
        if not text:
            return
        width = estimate_text_width(text, size)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        transform = f' transform="rotate({rotate:.2f} {x:.1f} {y:.1f})"' if rotate is not None else ""
        placed = (
            f'x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" font-weight="{weight}" text-anchor="{anchor}"{transform}'
        )
        shown = escape(_isolated(text))
        if halo:
            # An element of its own: renderers without `paint-order` would draw the outline over the letters.
            self.texts.append(
                f'<text {placed} fill="{self.theme.halo}" stroke="{self.theme.halo}" stroke-width="{size * 0.28:.1f}" '
                f'stroke-linejoin="round" aria-hidden="true">{shown}</text>'
            )
        self.texts.append(f'<text {placed} fill="{color or self.theme.text}">{shown}</text>')
        if rotate is None:
            self.extend_bounds(left, y - size, left + width, y + size * 0.4)
        else:
            length = width if anchor == "start" else -width
            end_x = x + math.cos(math.radians(rotate)) * length
            end_y = y + math.sin(math.radians(rotate)) * length
            self.extend_bounds(min(x, end_x) - size, min(y, end_y) - size, max(x, end_x) + size, max(y, end_y) + size)

    def is_free(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether this box overlaps no reserved box."""
        return all(right <= b[0] or left >= b[2] or bottom <= b[1] or top >= b[3] for b in self.reserved_boxes)

    def reserve(self, left: float, top: float, right: float, bottom: float) -> None:
        """Keep later labels out of this box."""
        self.reserved_boxes.append((left, top, right, bottom))

    def svg(self, title: str) -> str:
        """The image as one self-contained SVG document."""
        # Whole pixels: else the background would end inside one.
        left, top = (math.floor(side - self.padding) for side in self.bounds[:2])
        right, bottom = (math.ceil(side + self.padding) for side in self.bounds[2:])
        width, height = right - left, bottom - top
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {width} {height}" '
            f'width="{width}" height="{height}" font-family="{escape(FONT_FAMILY)}" role="img">'
            f"<title>{escape(title)}</title><defs>{''.join(self.defs)}</defs>"
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{self.theme.background}"/>'
            f'<g id="edges">{"".join(self.lines)}</g><g id="nodes">{"".join(self.shapes)}</g>'
            f'<g id="labels">{"".join(self.texts)}</g></svg>'
        )


def _isolated(text: str) -> str:
    """`text` with its own direction if it begins right to left.

    Otherwise its punctuation would be placed as in text from left to right. The marks are invisible (U+2067, U+2069),
    and renderers that do not know `unicode-bidi: plaintext` obey them too.
    """
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return f"\u2067{text}\u2069" if first != "L" else text


def format_duration(ms: int, language: str = "en") -> str:
    """A duration in milliseconds for display: "45 s", "3 min", "1 h 20 min"; in Korean "45초", "3분", "1시간 20분".

    Rounded as `duration` in `clients/api/src/format.ts`, so that screen, mails and pictures agree.
    """
    hour, minute, second = ("시간", "분", "초") if language == "ko" else (" h", " min", " s")
    seconds = (max(0, ms) + 500) // 1000
    if seconds < 60:
        return f"{seconds}{second}"
    minutes = (seconds + 30) // 60
    if minutes < 60:
        return f"{minutes}{minute}"
    hours = f"{minutes // 60}{hour}"
    return f"{hours} {minutes % 60}{minute}" if minutes % 60 else hours


def visible_nodes(document: MindmapDocument) -> list[Node]:
    """The nodes of a document that are not hidden."""
    return [node for node in document.nodes if not node.data.hidden]


def without_repeated_label(document: MindmapDocument) -> MindmapDocument:
    """`document` without the label of its only topic if that is the label of the core: an image says it once.

    A topic that holds the whole session gives it its title.
    """
    topics = [node for node in visible_nodes(document) if node.type == "topic"]
    if len(topics) != 1 or not document.nodes or topics[0].label != document.nodes[0].label:
        return document
    nodes = (node.model_copy(update={"label": ""}) if node is topics[0] else node for node in document.nodes)
    return document.model_copy(update={"nodes": tuple(nodes)})


def tooltip(node: Node) -> str:
    """The tooltip of a node: label, reading time and description."""
    parts = [node.label] if node.label else []
    if node.data.total_duration:
        parts.append(format_duration(node.data.total_duration))
    if node.data.description:
        parts.append(node.data.description)
    return " — ".join(parts)
