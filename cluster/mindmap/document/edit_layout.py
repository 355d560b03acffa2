"""The user's edits applied to a map, with its layouts computed again."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document.flat_layout import flat_layouts
from cluster.mindmap.document.galaxy_layout import galaxy_layout
from cluster.mindmap.document.layout_nodes import layout_nodes
from models.mindmap.document import MindmapDocument
from models.mindmap.edits import EditReport, apply_operations
from models.mindmap.operations import Operation


def apply_edits(document: MindmapDocument, operations: Sequence[Operation]) -> tuple[MindmapDocument, list[EditReport]]:
    """`document` (a version without edits) after `operations`, with layouts, and one report per operation.

    Nodes without edits keep their positions; pinned nodes are exactly where they were pinned.
    """
    edited, reports = apply_operations(document, operations)
    return with_layout(edited) if operations else edited, reports


def with_layout(document: MindmapDocument) -> MindmapDocument:
    """`document` with all three layouts computed again, starting from the present positions of its nodes.

    A node at the origin other than the core has no position yet and gets one.
    """
    nodes_to_place = layout_nodes(document.nodes, document.parents())
    positions = {n.id: n.position for n in document.nodes if (n.position.x, n.position.y, n.position.z) != (0, 0, 0)}
    pinned = frozenset(node.id for node in document.nodes if node.data.pinned and node.id in positions)
    galaxy = galaxy_layout(nodes_to_place, positions, pinned)
    nodes = tuple(
        node if node.id in pinned else node.model_copy(update={"position": galaxy[node.id]}) for node in document.nodes
    )
    return document.model_copy(update={"nodes": nodes, "layouts": flat_layouts(nodes_to_place)})
