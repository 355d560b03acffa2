"""The radial layout as the dashboard draws it: `radialScene` in `clients/dashboard/src/map/scene.ts`.

Its nodes are at the angles of the document. Names are beside their discs, those of pages along the rays from the core.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Final

from cluster.mindmap.render.flat_scene import FONT_SIZES, Scene, SceneLink, SceneNode, VisibleTree
from cluster.mindmap.render.free_places import free_places
from cluster.mindmap.render.label_lines import wrap_label
from models.mindmap.document import Edge, MindmapDocument, Node, Point

#: Characters in a line of a label.
_LINE_CHARS: Final = {"core": 14, "topic": 20, "subtopic": 20, "page": 28}
#: The core's name does not scale with the map.
_CORE_FONT_PX = 17.0
_LINK_WIDTHS: Final = {"topic": 2.4, "subtopic": 1.6}
#: Radii of nodes in pixels for a unit of their size.
_RADII: Final = {"core": 0.22, "topic": 0.2, "subtopic": 0.2, "page": 0.14}
#: Radii of rings as shares of the outermost: in the document, and drawn, where the core has more space.
_RINGS: Final = ((0.0, 0.0), (0.36, 0.46), (0.66, 0.73), (1.0, 1.0))
#: How far a connection bends away from the straight line, as a share of its length.
_BEND = 0.18


def radial_scene(document: MindmapDocument, folded: Collection[str], cross_color: str) -> Scene:
    """The nodes and links of the rings, with the core at 0, 0; what is below the nodes `folded` is left out."""
    tree = VisibleTree(document, folded)
    automatic = document.layouts.get("radial", {})
    shown = [node for node in _walk(tree, tree.core) if node.id in automatic]
    rings = _rings({node.id: automatic[node.id] for node in shown})
    places = free_places(document, rings)
    nodes = {node.id: _scene_node(node, places[node.id], tree.num_folded(node)) for node in shown}
    parents = document.parents()
    branches = [_branch(nodes[parents[node.id]], nodes[node.id]) for node in shown if parents.get(node.id, "") in nodes]
    connections = [
        _connection(edge, nodes, cross_color)
        for edge in document.edges
        if edge.kind == "cross" and edge.source in nodes and edge.target in nodes
    ]
    return Scene(list(nodes.values()), branches + connections)


def _walk(tree: VisibleTree, node: Node) -> Iterator[Node]:
    yield node
    for child in tree.children(node):
        yield from _walk(tree, child)


def _rings(points: Mapping[str, Point]) -> dict[str, Point]:
    """The points with the radii at which their rings are drawn."""
    outermost = max((math.hypot(point.x, point.y) for point in points.values()), default=0.0)
    return {node_id: _on_ring(point, max(1.0, outermost)) for node_id, point in points.items()}


def _on_ring(point: Point, outermost: float) -> Point:
    share = math.hypot(point.x, point.y) / outermost
    if not share:
        return point
    (start, drawn_start), (end, drawn_end) = next(pair for pair in pairwise(_RINGS) if share <= pair[1][0] + 1e-9)
    stretch = (drawn_start + (share - start) / (end - start) * (drawn_end - drawn_start)) / share
    return Point(x=point.x * stretch, y=point.y * stretch)


def _scene_node(node: Node, point: Point, num_folded: int) -> SceneNode:
    lines = wrap_label(node.label, _LINE_CHARS[node.type]) if node.label else []
    radius = max(3.0, node.size * _RADII[node.type])
    if node.type != "page":
        is_core = node.type == "core"
        size = _CORE_FONT_PX if is_core else FONT_SIZES[node.type]
        return SceneNode(node, point.x, point.y, radius, "center" if is_core else "top", lines, size, num_folded)
    if len(lines) > 1:
        lines = [f"{lines[0]}…"]
    angle = math.atan2(point.y, point.x)
    is_left = abs(angle) > math.pi / 2
    # Turned by half a circle on the left, so that no label is upside down.
    turn = angle - math.copysign(math.pi, angle) if is_left else angle
    return SceneNode(
        node, point.x, point.y, radius, "left" if is_left else "right", lines, FONT_SIZES["page"], num_folded, turn
    )


def _branch(parent: SceneNode, at: SceneNode) -> SceneLink:
    x, y = (parent.x + at.x) / 2, (parent.y + at.y) / 2
    curve = (parent.x, parent.y, x, y, x, y, at.x, at.y)
    return SceneLink(curve, at.node.color, _LINK_WIDTHS.get(at.node.type, 1.0))


def _connection(edge: Edge, nodes: Mapping[str, SceneNode], color: str) -> SceneLink:
    a, b = nodes[edge.source], nodes[edge.target]
    x, y = (a.x + b.x) / 2 - (b.y - a.y) * _BEND, (a.y + b.y) / 2 + (b.x - a.x) * _BEND
    width = 1.0 + min(1.5, edge.weight * 2)
    return SceneLink((a.x, a.y, x, y, x, y, b.x, b.y), color, width, is_cross=True, label=edge.label or "")
