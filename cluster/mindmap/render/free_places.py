"""Where the nodes of the radial layout are drawn when the user has put some of them elsewhere.

The dashboard places its nodes by the same rules (`clients/dashboard/src/map/scene.ts`), so that an image shows what is
on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.mindmap.document import MindmapDocument, Point


def free_places(document: MindmapDocument, automatic: Mapping[str, Point]) -> dict[str, Point]:
    """The place of every node in `automatic`, in pixels. A node moves with its parent unless it has its own place."""
    parents = document.parents()
    places: dict[str, Point] = {}
    for node in document.nodes:
        if node.id not in automatic:
            continue
        own, parent_id = automatic[node.id], parents.get(node.id, "")
        parent = places.get(parent_id)
        if parent is None:
            places[node.id] = own
            continue
        before = automatic[parent_id]
        offset = (node.data.places or {}).get("radial") or Point(x=own.x - before.x, y=own.y - before.y)
        places[node.id] = Point(x=parent.x + offset.x, y=parent.y + offset.y)
    return places
