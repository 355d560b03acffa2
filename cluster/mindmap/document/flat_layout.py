"""The flat layouts `tree` and `radial`: deterministic, without overlaps, and stable when a page is added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cluster.mindmap.document.layout_nodes import LayoutNode
from models.mindmap.document import Point

ROW_HEIGHT_PX, COLUMN_WIDTH_PX = 30.0, 300.0
#: Space between the pages of two parents in the tree, in rows.
_BRANCH_GAP = 0.6
#: Length of the outer ring per page.
SLOT_LENGTH_PX = 24.0
_MIN_SLOTS = 16.0
_TOPIC_GAP_SLOTS = 1.5
_MIN_OUTER_RADIUS_PX = 430.0
#: Radius of the rings of topics and of the two levels of sub-topics, as a share of the outer radius, which pages have.
_RINGS = (0.36, 0.66, 0.83)


def flat_layouts(nodes: Sequence[LayoutNode]) -> dict[str, dict[str, Point]]:
    """Both flat layouts, by name. Parents must come before their children."""
    return {"tree": tree_layout(nodes), "radial": radial_layout(nodes)}


def tree_layout(nodes: Sequence[LayoutNode]) -> dict[str, Point]:
    """Positions in a tree that grows to the right, with one row per leaf; in pixels, the first row at y = 0."""
    children = _children(nodes)
    depth = _depths(nodes)
    y: dict[str, float] = {}
    row = 0.0
    previous_parent = None
    for node_id, parent in _leaves(nodes, children):
        if previous_parent is not None and parent != previous_parent:
            row += _BRANCH_GAP
        previous_parent = parent
        y[node_id] = row * ROW_HEIGHT_PX
        row += 1.0
    for node in reversed(nodes):
        if node.id not in y:
            y_below = [y[child] for child in children[node.id]]
            y[node.id] = (y_below[0] + y_below[-1]) / 2
    return {node.id: Point(x=depth[node.id] * COLUMN_WIDTH_PX, y=round(y[node.id], 2)) for node in nodes}


def _depths(nodes: Sequence[LayoutNode]) -> dict[str, int]:
    """How many nodes are above each node."""
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node.id] = 0 if node.parent is None else depth.get(node.parent, 0) + 1
    return depth


def _leaves(nodes: Sequence[LayoutNode], children: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Every leaf with the id of its parent, in drawing order."""
    parent_of = {node.id: node.parent or "" for node in nodes}
    leaves: list[tuple[str, str]] = []
    stack = [node.id for node in reversed(nodes) if node.parent is None]
    while stack:
        node_id = stack.pop()
        below = children.get(node_id, [])
        if below:
            stack.extend(reversed(below))
        else:
            leaves.append((node_id, parent_of[node_id]))
    return leaves


def radial_layout(nodes: Sequence[LayoutNode]) -> dict[str, Point]:
    """Positions on rings around the core at (0, 0), in pixels: topics inside, pages outside, a sector per topic.

    Sectors grow in steps and have a few spare slots, so that one page more usually moves no other node.
    """
    roots = [node.id for node in nodes if node.parent is None]
    if not roots:
        return {}
    slot_of, num_slots = _radial_slots(nodes, roots[0])
    total = max(num_slots, _MIN_SLOTS)
    outer_radius = max(_MIN_OUTER_RADIUS_PX, total * SLOT_LENGTH_PX / (2 * math.pi))
    points = {roots[0]: Point(x=0.0, y=0.0)}
    depth = _depths(nodes)
    for node in nodes:
        if node.id in slot_of:
            ring = 1.0 if node.type == "page" else _RINGS[depth[node.id] - 1]
            angle = 2 * math.pi * slot_of[node.id] / total - math.pi / 2
            x, y = ring * outer_radius * math.cos(angle), ring * outer_radius * math.sin(angle)
            points[node.id] = Point(x=round(x, 2), y=round(y, 2))
    # Pages directly below the core, such as the user's notes, are in a column beside the rings.
    for i, node in enumerate([node for node in nodes if node.id not in points]):
        points[node.id] = Point(x=round(outer_radius + 80.0, 2), y=round(-outer_radius + 40.0 * i, 2))
    return points


def _radial_slots(nodes: Sequence[LayoutNode], root: str) -> tuple[dict[str, float], float]:
    """The slot on the ring of every node below a topic, and the total number of slots."""
    children = _children(nodes)
    type_of = {node.id: node.type for node in nodes}
    slot_of: dict[str, float] = {}

    def assign(group: str, first_slot: float, num_slots_if_empty: int) -> float:
        """Give the nodes below a topic or sub-topic slots from the first one, and it the middle; the next free slot."""
        next_slot = first_slot
        below = children.get(group, [])
        direct_pages = [child for child in below if type_of[child] != "subtopic"]
        subtopics = [child for child in below if type_of[child] == "subtopic"]
        if direct_pages or not subtopics:
            num_slots = _slots_for(len(direct_pages)) if direct_pages else num_slots_if_empty
            _assign_slots(slot_of, direct_pages, next_slot, num_slots)
            next_slot += num_slots
        for subtopic in subtopics:
            next_slot = assign(subtopic, next_slot, _slots_for(0))
        slot_of[group] = (first_slot + next_slot) / 2
        return next_slot

    next_slot = 0.0
    for topic in children.get(root, []):
        next_slot = assign(topic, next_slot, 3) + _TOPIC_GAP_SLOTS
    return slot_of, next_slot


def _assign_slots(slot_of: dict[str, float], pages: Sequence[str], first_slot: float, num_slots: int) -> None:
    """Give `pages` consecutive slots: one or two pages in the middle, more from the start."""
    offset = (num_slots - len(pages)) / 2 if len(pages) < 3 else 0.5
    for i, page in enumerate(pages):
        slot_of[page] = first_slot + offset + i


def _slots_for(num_pages: int) -> int:
    """Slots for a group: enough for its pages and a few more, growing in steps."""
    num_slots = 4
    while num_slots < num_pages + 1:
        num_slots += max(2, num_slots // 5)
    return num_slots


def _children(nodes: Sequence[LayoutNode]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for node in nodes:
        if node.parent is not None:
            children.setdefault(node.parent, []).append(node.id)
    return children
