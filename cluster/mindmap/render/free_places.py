"""Where the nodes of a flat layout are drawn when the user has put some of them elsewhere.

The dashboard places its nodes by the same rules (`clients/dashboard/src/map/scene.ts`), so that an image shows what is
on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.mindmap.document import FlatLayoutName, MindmapDocument, Point


@dataclass(frozen=True, slots=True)
class Place:
    """A position in pixels. `side` is 1, or -1 in a branch of the tree that grows to the left."""

    x: float
    y: float
    side: int = 1


def free_places(
    document: MindmapDocument, layout: FlatLayoutName, automatic: Mapping[str, Point], core: Point
) -> dict[str, Place]:
    """The place of every node in `automatic`. A node moves with its parent unless it has a place of its own.

    `core` is the centre of the core, from which the places of topics are measured.
    """
    parents = document.parents()
    places: dict[str, Place] = {}
    for node in document.nodes:
        if node.id not in automatic:
            continue
        own, parent_id = automatic[node.id], parents.get(node.id, "")
        parent = places.get(parent_id)
        if parent is None:
            places[node.id] = Place(own.x, own.y)
            continue
        is_below_core = parent_id == document.nodes[0].id
        offset = (node.data.places or {}).get(layout)
        side = parent.side
        if offset is None:
            before = automatic[parent_id]
            places[node.id] = Place(parent.x + side * (own.x - before.x), parent.y + own.y - before.y, side)
            continue
        if layout == "tree" and is_below_core:
            side = -1 if offset.x < 0 else 1
        dx = offset.x if is_below_core else side * offset.x
        start_x, start_y = (core.x, core.y) if is_below_core else (parent.x, parent.y)
        places[node.id] = Place(start_x + dx, start_y + offset.y, side)
    return places
