"""The tree as the dashboard draws it: branches to both sides of the core, balanced by their height.

The rules are those of `treeScene` in `clients/dashboard/src/map/scene.ts`, for a wide pane in which all labels have
their space. The positions in the document are a tree that grows to the right, for clients of the API.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cluster.mindmap.render.flat_scene import (
    FONT_SIZES,
    LINE_HEIGHT,
    Scene,
    SceneLink,
    SceneNode,
    VisibleTree,
    label_width,
)
from cluster.mindmap.render.label_lines import wrap_label
from models.mindmap.document import MindmapDocument, Node

_PAGE_CHARS, _NAME_CHARS = 44, 24
#: Space above and below the label of a page, of another node, and around the branch of a topic.
_PAGE_GAP_PX, _NAME_GAP_PX, _TOPIC_GAP_PX = 7.0, 14.0, 16.0
#: Half of the frame around the core's name that is beside the name; from there to the topics; between further columns.
_CORE_MARGIN_PX, _TOPIC_DISTANCE_PX, _COLUMN_GAP_PX = 26.0, 64.0, 38.0
#: The space behind a label, and behind that the one for the control that folds its branches. An image has no controls:
#: its lines begin there.
_LABEL_GAP_PX, _FOLD_SPACE_PX = 8.0, 22.0
_LINE_GAP_PX = 12.0
_LINK_WIDTHS = {"topic": 3.2, "subtopic": 2.2, "page": 1.3}


def tree_scene(document: MindmapDocument, folded: Collection[str] = ()) -> Scene:
    """The nodes and branches of the tree, with the core at 0, 0; what is below the nodes `folded` is left out."""
    return _TreeScene(VisibleTree(document, folded)).scene


class _TreeScene:
    def __init__(self, tree: VisibleTree) -> None:
        self._tree = tree
        self._heights: dict[str, float] = {}
        core_lines = wrap_label(tree.core.label, _NAME_CHARS)
        core = SceneNode(tree.core, 0.0, 0.0, 0.0, "center", core_lines, FONT_SIZES["core"])
        self._core_half = label_width(core_lines, FONT_SIZES["core"]) / 2 + _CORE_MARGIN_PX
        self.scene = Scene([core])
        topics = tree.children(tree.core)
        for topic in topics:
            self._measure(topic)
        for side, branches in zip((1, -1), self._sides(topics), strict=True):
            top = -sum(self._heights[branch.id] for branch in branches) / 2
            for branch in branches:
                self._place(branch, core, top, side * (self._core_half + _TOPIC_DISTANCE_PX), side)
                top += self._heights[branch.id]

    def _measure(self, node: Node) -> float:
        """The height of a branch, which is kept by the id of its first node."""
        own = len(_lines(node)) * FONT_SIZES[node.type] * LINE_HEIGHT
        own += _PAGE_GAP_PX if node.type == "page" else _NAME_GAP_PX
        below = sum(self._measure(child) for child in self._tree.children(node))
        self._heights[node.id] = max(own, below) + (_TOPIC_GAP_PX if node.type == "topic" else 0.0)
        return self._heights[node.id]

    def _sides(self, topics: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        """The branches on the right and on the left: the first ones are on the right, up to half of the height."""
        half = sum(self._heights[topic.id] for topic in topics) / 2
        right: list[Node] = []
        left: list[Node] = []
        filled = 0.0
        for topic in topics:
            height = self._heights[topic.id]
            if not right or filled + height / 2 <= half:
                right.append(topic)
                filled += height
            else:
                left.append(topic)
        return right, left

    def _place(self, node: Node, parent: SceneNode, top: float, x: float, side: int) -> None:
        """Add a branch whose own place begins at `x`, `top`. What the user has put elsewhere leaves that empty."""
        height = self._heights[node.id]
        offset = (node.data.places or {}).get("tree")
        is_topic = parent.node.type == "core"
        if offset is not None:
            if is_topic:
                side = -1 if offset.x < 0 else 1
            x = parent.x + (offset.x if is_topic else side * offset.x)
            top = parent.y + offset.y - height / 2
        at = SceneNode(
            node,
            x,
            top + height / 2,
            _radius(node),
            "right" if side > 0 else "left",
            _lines(node) if node.label else (),
            FONT_SIZES[node.type],
            self._tree.num_folded(node),
        )
        self.scene.nodes.append(at)
        self._link(parent, at, side)
        children = self._tree.children(node)
        next_top = top + (height - sum(self._heights[child.id] for child in children)) / 2
        fold_space = _FOLD_SPACE_PX if self._tree.can_fold(node) else 0.0
        next_x = x + side * (at.radius + at.label_width + _LABEL_GAP_PX + _COLUMN_GAP_PX + fold_space)
        for child in children:
            self._place(child, at, next_top, next_x, side)
            next_top += self._heights[child.id]

    def _link(self, parent: SceneNode, at: SceneNode, side: int) -> None:
        if parent.node.type != "core":
            start = parent.x + side * (parent.radius + parent.label_width + _LINE_GAP_PX)
        else:
            # A topic above or below the core hangs on its centre.
            start = 0.0 if abs(at.x) < self._core_half else side * self._core_half
        middle = (start + at.x) / 2
        curve = (start, parent.y, middle, parent.y, middle, at.y, at.x - side * at.radius, at.y)
        self.scene.links.append(SceneLink(curve, at.node.color, _LINK_WIDTHS[at.node.type]))


def _lines(node: Node) -> list[str]:
    return wrap_label(node.label, _PAGE_CHARS if node.type == "page" else _NAME_CHARS)


def _radius(node: Node) -> float:
    if node.type == "page":
        return 2.5 + 3.0 * min(1.0, node.data.importance.score)
    return 5.5 if node.type == "topic" else 4.0
