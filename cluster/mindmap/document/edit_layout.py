"""A person's edits on a map, with the layouts computed again around them."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.document import flat_layout
from cluster.mindmap.document import galaxy_layout as layout
from models.mindmap.document import MindmapDocument
from models.mindmap.edits import EditReport, apply_operations
from models.mindmap.operations import Operation


def apply_edits(document: MindmapDocument, operations: Sequence[Operation]) -> tuple[MindmapDocument, list[EditReport]]:
    """`document` (a version without edits) after `operations`, laid out, and one report for each operation.

    Nodes that were not touched keep their places; pinned ones stand exactly where they were pinned.
    """
    edited, reports = apply_operations(document, operations)
    return with_layout(edited) if operations else edited, reports


def with_layout(document: MindmapDocument) -> MindmapDocument:
    """`document` with all three layouts computed anew around the places its nodes have now."""
    parents = document.parents()
    placed = [
        layout.LayoutNode(node.id, parents.get(node.id), node.type, node.size * layout.RADIUS_PER_SIZE[node.type])
        for node in document.nodes
    ]
    origin = (0.0, 0.0, 0.0)
    known = {n.id: n.position for n in document.nodes if (n.position.x, n.position.y, n.position.z) != origin}
    pinned = {node.id for node in document.nodes if node.data.pinned and node.id in known}
    positions = layout.galaxy_layout(placed, known, frozenset(pinned))
    nodes = tuple(
        node if node.id in pinned else node.model_copy(update={"position": positions[node.id]})
        for node in document.nodes
    )
    layouts = {"tree": flat_layout.tree_layout(placed), "radial": flat_layout.radial_layout(placed)}
    return document.model_copy(update={"nodes": nodes, "layouts": layouts})
