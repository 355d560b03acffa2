"""What a flat layout of a map consists of, in pixels, and the sizes of its labels: those of the dashboard."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from cluster.mindmap.render.canvas import estimate_text_width
from models.mindmap.document import MindmapDocument, Node, NodeType

#: Font sizes in pixels, and weights, by the type of node; the dashboard's are in its `scene.ts` and `measure.ts`. Here
#: the weights are in hundreds: resvg draws others, such as 640, as 400.
FONT_SIZES: Final[dict[NodeType, float]] = {"core": 22.0, "topic": 17.0, "subtopic": 14.0, "page": 12.5}
FONT_WEIGHTS: Final[dict[NodeType, int]] = {"core": 700, "topic": 600, "subtopic": 600, "page": 400}
#: The height of a line of text, in font sizes.
LINE_HEIGHT = 1.28

#: The control points of a cubic curve: x and y of its start, of the two inner points, and of its end.
Curve = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class SceneNode:
    """A node at its place. `side` is where its label is; `turn` rotates the label, in radians."""

    node: Node
    x: float
    y: float
    radius: float
    side: Literal["left", "right", "top", "center"]
    lines: Sequence[str]
    #: The font size of the label in pixels.
    size: float
    #: The number of nodes that are folded below it.
    num_folded: int = 0
    turn: float = 0.0

    @property
    def label_width(self) -> float:
        """The approximate width of the label in pixels."""
        return label_width(self.lines, self.size)

    @property
    def label_height(self) -> float:
        """The height of the label in pixels."""
        return len(self.lines) * self.size * LINE_HEIGHT


@dataclass(frozen=True, slots=True)
class SceneLink:
    """A branch, or with `is_cross` a connection outside the tree, with its name."""

    curve: Curve
    color: str
    width: float
    is_cross: bool = False
    label: str = ""


@dataclass(slots=True)
class Scene:
    """Nodes and links in drawing order."""

    nodes: list[SceneNode] = field(default_factory=list)
    links: list[SceneLink] = field(default_factory=list)


class VisibleTree:
    """The nodes that are drawn: neither hidden nor below a node of `folded`."""

    def __init__(self, document: MindmapDocument, folded: Collection[str] = ()) -> None:
        self._folded = frozenset(folded)
        self._nodes = {node.id: node for node in document.nodes if not node.data.hidden}
        self._children = document.children()
        self.core = document.nodes[0]

    def children(self, node: Node) -> list[Node]:
        """The drawn children of a node, in the order of the map."""
        return [] if node.id in self._folded else self._all_children(node)

    def can_fold(self, node: Node) -> bool:
        """Whether the dashboard offers to fold this node."""
        return node.type != "core" and bool(self._all_children(node))

    def num_folded(self, node: Node) -> int:
        """The number of nodes that are folded below a node: 0 for one that is open."""
        return self._num_below(node) if node.id in self._folded else 0

    def _all_children(self, node: Node) -> list[Node]:
        return [self._nodes[child] for child in self._children.get(node.id, ()) if child in self._nodes]

    def _num_below(self, node: Node) -> int:
        return sum(1 + self._num_below(child) for child in self._all_children(node))


def label_width(lines: Sequence[str], size: float) -> float:
    """The approximate width of the longest line, in pixels."""
    return max((estimate_text_width(line, size) for line in lines), default=0.0)
