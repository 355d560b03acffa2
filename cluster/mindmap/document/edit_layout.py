"""The user's edits applied to a map, with its layouts computed, and its sentences on topics made again."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document.contents import with_contents_named_again
from cluster.mindmap.document.flat_layout import flat_layouts
from cluster.mindmap.document.galaxy_layout import galaxy_layout
from cluster.mindmap.document.layout_nodes import layout_nodes
from cluster.mindmap.document.session_names import with_session_named_again
from models.mindmap.document import MindmapDocument
from models.mindmap.edits import EditReport, apply_operations
from models.mindmap.operations import Operation


def apply_edits(document: MindmapDocument, operations: Sequence[Operation]) -> tuple[MindmapDocument, list[EditReport]]:
    """`document` (a version without edits) after `operations`, with layouts, and one report per operation.

    Nodes without edits keep their positions; pinned nodes are exactly where they were pinned. What has moved below
    another node gets a position beside it.
    """
    edited, reports = apply_operations(document, operations)
    if not operations:
        return edited, reports
    described = with_contents_named_again(_with_layout(edited, _moved(document, edited)), document)
    return with_session_named_again(described, document), reports


def _moved(before: MindmapDocument, after: MindmapDocument) -> frozenset[str]:
    """The nodes of both documents that are below another node than before, with everything below them."""
    old, new = before.parents(), after.parents()
    below = after.children()
    moved = [node_id for node_id, parent in new.items() if old.get(node_id, parent) != parent]
    for node_id in moved:
        moved += below.get(node_id, [])
    return frozenset(moved)


def _with_layout(document: MindmapDocument, moved: frozenset[str]) -> MindmapDocument:
    """`document` with all three layouts computed again, starting from the positions of the nodes that are not `moved`.

    A node at the origin other than the core has no position yet and gets one.
    """
    nodes_to_place = layout_nodes(document.nodes, document.parents())
    positions = {
        n.id: n.position
        for n in document.nodes
        if (n.position.x, n.position.y, n.position.z) != (0, 0, 0) and (n.id not in moved or n.data.pinned)
    }
    pinned = frozenset(node.id for node in document.nodes if node.data.pinned and node.id in positions)
    galaxy = galaxy_layout(nodes_to_place, positions, pinned)
    nodes = tuple(
        node if node.id in pinned else node.model_copy(update={"position": galaxy[node.id]}) for node in document.nodes
    )
    return document.model_copy(update={"nodes": nodes, "layouts": flat_layouts(nodes_to_place)})
