"""Where every node stands on paper: `tree` and `radial`. Deterministic, without overlaps, and calm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cluster.mindmap.document.galaxy_layout import LayoutNode
from models.mindmap.document import Point

ROW_HEIGHT_PX, COLUMN_WIDTH_PX = 30.0, 300.0


def tree_layout(nodes: Sequence[LayoutNode]) -> dict[str, Point]:
    """Places in a tree that grows to the right, one row per leaf; in pixels, the first row at y = 0."""
    children = _children(nodes)
    depth: dict[str, int] = {}
    y: dict[str, float] = {}
    row = 0.0
    for node in nodes:
        depth[node.id] = 0 if node.parent is None else depth.get(node.parent, 0) + 1
    previous_branch = None
    for node_id, branch in _leaves(nodes, children):
        if previous_branch is not None and branch != previous_branch:
            row += 0.6  # A little air between branches.
        previous_branch = branch
        y[node_id] = row * ROW_HEIGHT_PX
        row += 1.0
    for node in reversed(nodes):
        if node.id not in y:
            below = [y[child] for child in children[node.id]]
            y[node.id] = (below[0] + below[-1]) / 2
    return {node.id: Point(x=depth[node.id] * COLUMN_WIDTH_PX, y=round(y[node.id], 2)) for node in nodes}


def _leaves(nodes: Sequence[LayoutNode], children: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Every leaf with the id of its parent, in drawing order."""
    parent = {node.id: node.parent or "" for node in nodes}
    found: list[tuple[str, str]] = []
    stack = [node.id for node in reversed(nodes) if node.parent is None]
    while stack:
        at = stack.pop()
        below = children.get(at, [])
        if below:
            stack.extend(reversed(below))
        else:
            found.append((at, parent[at]))
    return found


SLOT_LENGTH_PX = 24.0


def radial_layout(nodes: Sequence[LayoutNode]) -> dict[str, Point]:
    """Places on rings around the core (at 0, 0): topics inside, pages outside, each branch in its own sector.

    Sectors are handed out in steps with a little room to spare, so that one page more usually moves nothing else.
    """
    children = _children(nodes)
    type_of = {node.id: node.type for node in nodes}
    roots = [node.id for node in nodes if node.parent is None]
    if not roots:
        return {}
    slots = 0.0
    at_slot: dict[str, float] = {}
    for topic in children.get(roots[0], []):
        start = slots
        groups = [(topic, [c for c in children.get(topic, []) if type_of[c] != "subtopic"])]
        groups += [(c, children.get(c, [])) for c in children.get(topic, []) if type_of[c] == "subtopic"]
        for owner, pages in groups:
            if owner == topic and not pages and len(groups) > 1:
                continue
            room = _slots_for(len(pages)) if owner != topic or pages else 3
            offset = (room - len(pages)) / 2 if len(pages) < 3 else 0.5
            for i, page in enumerate(pages):
                at_slot[page] = slots + offset + i
            if owner != topic:
                at_slot[owner] = slots + max(1.0, room / 2)
            slots += room
        at_slot[topic] = (start + slots) / 2
        slots += 1.5
    total = max(slots, 16.0)
    outer = max(430.0, total * SLOT_LENGTH_PX / (2 * math.pi))
    ring = {1: 0.36 * outer, 2: 0.66 * outer, 3: outer}
    found = {roots[0]: Point(x=0.0, y=0.0)}
    for node in nodes:
        if node.id in at_slot:
            level = {"topic": 1, "subtopic": 2}.get(node.type, 3)
            angle = 2 * math.pi * at_slot[node.id] / total - math.pi / 2
            found[node.id] = Point(x=round(ring[level] * math.cos(angle), 2), y=round(ring[level] * math.sin(angle), 2))
    for i, node in enumerate(n for n in nodes if n.id not in found):
        found[node.id] = Point(x=round(outer + 80.0, 2), y=round(-outer + 40.0 * i, 2))
    return found


def _slots_for(num_pages: int) -> int:
    """Slots for a group: enough for its pages and a few more, growing in steps."""
    room = 4
    while room < num_pages + 1:
        room += max(2, room // 5)
    return room


def _children(nodes: Sequence[LayoutNode]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        if node.parent is not None:
            found.setdefault(node.parent, []).append(node.id)
    return found
