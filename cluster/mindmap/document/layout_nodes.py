"""The nodes of a map as the layouts see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.mindmap.document import Node, NodeType

#: Drawn radius in world units per unit of `Node.size`, as the clients draw it.
RADIUS_PER_SIZE: dict[NodeType, float] = {"core": 0.5, "topic": 0.4, "subtopic": 0.3, "page": 0.2}


@dataclass(frozen=True, slots=True)
class LayoutNode:
    """A node with its parent (None for the core) and its radius in world units."""

    id: str
    parent: str | None
    type: NodeType
    radius: float


def layout_nodes(nodes: Sequence[Node], parents: Mapping[str, str]) -> list[LayoutNode]:
    """The layout nodes of `nodes`, in the same order: parents must come before their children.

    `parents` maps child ids to parent ids.
    """
    return [
        LayoutNode(node.id, parents.get(node.id), node.type, node.size * RADIUS_PER_SIZE[node.type]) for node in nodes
    ]
