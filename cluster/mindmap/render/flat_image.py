"""A scene of a flat layout as an image, with the shapes of the dashboard (`clients/dashboard/src/map/draw.ts`)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cluster.mindmap.render.canvas import Canvas, Theme, tooltip
from cluster.mindmap.render.flat_scene import (
    FONT_SIZES,
    FONT_WEIGHTS,
    LINE_HEIGHT,
    Curve,
    Scene,
    SceneLink,
    SceneNode,
    label_width,
)
from cluster.mindmap.render.label_places import Box, PlacedBoxes, free_place

_PADDING_PX = 28.0
#: How far below the middle of a line its baseline is, in font sizes.
_BASELINE = 0.35
#: The space between a node and its label, around a node, and between labels that are placed beside each other.
_LABEL_DISTANCE_PX, _DISC_MARGIN_PX, _BETWEEN_LABELS_PX = 7.0, 2.0, 2.0
_RANKS = {"core": -3, "topic": 0, "subtopic": 1, "page": 2}
_LINK_FONT_PX = 11.0
#: Where on its curve the name of a connection may be, best first.
_LINK_SPOTS = (0.5, 0.38, 0.62, 0.26, 0.74)


def draw_tree(scene: Scene, theme: Theme) -> Canvas:
    """The scene of a tree, which has space for every label."""
    return _draw(scene, theme, {id(at): _label_boxes(at)[0] for at in scene.nodes})


def draw_radial(scene: Scene, theme: Theme) -> Canvas:
    """The scene of rings; a label without space is left out."""
    discs = PlacedBoxes(
        _square(at.x, at.y, at.radius + _DISC_MARGIN_PX) for at in scene.nodes if at.node.type != "page"
    )
    labels = PlacedBoxes()
    placed: dict[int, Box] = {}
    for at in sorted(scene.nodes, key=_by_importance):
        box = free_place(_label_boxes(at), labels, discs, _BETWEEN_LABELS_PX)
        if box is not None:
            labels.add(box)
            placed[id(at)] = box
    canvas = _draw(scene, theme, placed)
    _draw_link_names(canvas, scene.links, labels)
    return canvas


def _by_importance(at: SceneNode) -> tuple[int, float, str]:
    return _RANKS[at.node.type], -at.node.data.importance.score, at.node.id


def _square(x: float, y: float, half: float) -> Box:
    return Box(x, y, 2 * half, 2 * half)


def _draw(scene: Scene, theme: Theme, label_boxes: dict[int, Box]) -> Canvas:
    canvas = Canvas(theme, padding=_PADDING_PX)
    for link in scene.links:
        _draw_link(canvas, link)
    for at in scene.nodes:
        _draw_node(canvas, at)
    for at in scene.nodes:
        box = label_boxes.get(id(at))
        if box is not None and at.lines:
            _draw_label(canvas, at, box)
    return canvas


def _draw_link(canvas: Canvas, link: SceneLink) -> None:
    x0, y0, x1, y1, x2, y2, x3, y3 = link.curve
    d = f"M{x0:.1f},{y0:.1f} C{x1:.1f},{y1:.1f} {x2:.1f},{y2:.1f} {x3:.1f},{y3:.1f}"
    canvas.path(d, link.color, link.width, opacity=0.55 if link.is_cross else 0.75, dashed=link.is_cross)
    x, y = _point_on(link.curve, 0.5)
    canvas.extend_bounds(x, y, x, y)


def _draw_node(canvas: Canvas, at: SceneNode) -> None:
    theme, node = canvas.theme, at.node
    if node.type == "core":
        width, height = at.label_width + 2 * at.size, at.label_height + at.size
        canvas.rounded(
            at.x, at.y, width, height, at.size * 0.8, theme.background,
            stroke=node.color, stroke_width=2.0 * at.size / FONT_SIZES["core"], title=tooltip(node),
        )  # fmt: skip
    elif node.type == "page" or at.num_folded:
        canvas.circle(at.x, at.y, at.radius, node.color, title=tooltip(node))
    else:
        fill = theme.fills.get(node.color, theme.background)
        width = 2.2 if node.type == "topic" else 1.6
        canvas.circle(at.x, at.y, at.radius, fill, stroke=node.color, stroke_width=width, title=tooltip(node))


def _fold_size(at: SceneNode) -> tuple[float, float, float]:
    """The gap before the mark of a folded branch, its width and its height; all 0 for a branch that is open."""
    if not at.num_folded:
        return 0.0, 0.0, 0.0
    height = max(12.0, min(18.0, at.size * 1.05))
    return min(5.0, at.size * 0.35), height * (0.85 + len(str(at.num_folded)) * 0.42), height


def _label_boxes(at: SceneNode) -> list[Box]:
    """The possible places of a label with the mark of its fold or the frame of the core, best first."""
    gap, mark, _ = _fold_size(at)
    width, height = at.label_width + gap + mark, at.label_height
    distance = at.radius + _LABEL_DISTANCE_PX
    if at.side == "center":
        return [Box(at.x, at.y, width + 2 * at.size, height + at.size)]
    if at.side == "top":
        # The name itself is above its node, the mark beside it.
        x, down, across = at.x + (gap + mark) / 2, distance + height / 2, distance + width / 2
        return [
            Box(x, at.y - down, width, height),
            Box(x, at.y + down, width, height),
            Box(at.x + across, at.y, width, height),
            Box(at.x - across, at.y, width, height),
        ]
    outwards = (-1 if at.side == "left" else 1) * (distance + width / 2)
    return [Box(at.x + math.cos(at.turn) * outwards, at.y + math.sin(at.turn) * outwards, width, height, at.turn)]


def _draw_label(canvas: Canvas, at: SceneNode, box: Box) -> None:
    node, theme = at.node, canvas.theme
    gap, mark, mark_height = _fold_size(at)
    is_topic = node.type in ("topic", "subtopic")
    color = theme.inks.get(node.color, theme.text) if is_topic else theme.text
    away = -1 if at.side == "left" else 1
    # The mark is at the outer end of the box.
    from_name = away * (gap + mark) / 2
    anchor, offset = {
        "center": ("middle", 0.0),
        "top": ("middle", -from_name),
        "right": ("start", -box.width / 2),
        "left": ("end", box.width / 2),
    }[at.side]
    for i, line in enumerate(at.lines):
        down = (i - (len(at.lines) - 1) / 2) * at.size * LINE_HEIGHT + at.size * _BASELINE
        canvas.text(
            box.x + math.cos(at.turn) * offset - math.sin(at.turn) * down,
            box.y + math.sin(at.turn) * offset + math.cos(at.turn) * down,
            line, at.size, anchor=anchor, color=color, weight=FONT_WEIGHTS[node.type],
            rotate=math.degrees(at.turn) if at.turn else None, halo=at.side == "top",
        )  # fmt: skip
    if at.num_folded:
        y = box.y + (at.size * LINE_HEIGHT * (len(at.lines) - 1) / 2 if at.side == "top" else 0.0)
        _draw_fold(canvas, at, box.x + away * (box.width - mark) / 2, y, mark, mark_height, away, color)


def _draw_fold(
    canvas: Canvas, at: SceneNode, x: float, y: float, width: float, height: float, away: int, color: str
) -> None:
    """The mark of a folded branch: the number of nodes below it, and a chevron to where they would be."""
    fill = canvas.theme.fills.get(at.node.color, canvas.theme.background)
    canvas.rounded(x, y, width, height, height / 2, fill)
    reach = height * 0.15
    centre = x + away * (width / 2 - height * 0.42)
    tip, back = centre + away * reach, centre - away * reach
    chevron = f"M{back:.1f},{y - reach * 1.7:.1f} L{tip:.1f},{y:.1f} L{back:.1f},{y + reach * 1.7:.1f}"
    canvas.path(chevron, color, 1.4, is_on_top=True)
    size = height * 0.66
    baseline = y + 0.5 + size * _BASELINE
    number = str(at.num_folded)
    canvas.text(x - away * height * 0.2, baseline, number, size, anchor="middle", color=color, weight=600, halo=False)


def _draw_link_names(canvas: Canvas, links: Iterable[SceneLink], labels: PlacedBoxes) -> None:
    """The names of connections beside the labels of nodes and each other; one without space is left out."""
    named = [link for link in links if link.label]
    for link in sorted(named, key=lambda link: -link.width):
        width = label_width([link.label], _LINK_FONT_PX)
        boxes = [Box(*_point_on(link.curve, spot), width, _LINK_FONT_PX) for spot in _LINK_SPOTS]
        box = free_place(boxes, labels, PlacedBoxes(), _BETWEEN_LABELS_PX)
        if box is None:
            continue
        labels.add(box)
        baseline = box.y + _LINK_FONT_PX * _BASELINE
        color = canvas.theme.soft_text
        canvas.text(box.x, baseline, link.label, _LINK_FONT_PX, anchor="middle", color=color, weight=500)


def _point_on(curve: Curve, t: float) -> tuple[float, float]:
    """The point of a cubic curve at `t` in 0..1."""
    shares = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
    x, y = (sum(share * at for share, at in zip(shares, curve[axis::2], strict=True)) for axis in (0, 1))
    return x, y
