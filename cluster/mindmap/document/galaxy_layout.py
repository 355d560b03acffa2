"""The galaxy layout: positions in space, deterministic, without overlaps, and stable when a page is added."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cluster.mindmap.document.layout_nodes import RADIUS_PER_SIZE, LayoutNode
from models.mindmap.document import Position

#: A position (3) or several (n x 3), in world units.
Coordinates = NDArray[np.float64]

#: Distance of topics from the core.
TOPIC_DISTANCE = 200.0
#: Half the size of the space that is used. The camera sees |x| <= 500 and |y| <= 290 at z = 0; nodes nearer to it than
#: z = 180 would fill the screen.
VIEW_BOX = np.array([470.0, 272.0, 170.0])
MAX_TOPIC_RADIUS = 80.0 * RADIUS_PER_SIZE["topic"]
#: Least distance between the surfaces of two nodes.
_MIN_GAP = 4.0
#: Radius of the core, and the space around it and around topics that pages do not enter.
_CORE_RADIUS, _CORE_CLEARANCE, _TOPIC_CLEARANCE = 50.0, 26.0, 14.0
#: Distance between the candidate sites of pages.
_SITE_SPACING = 22.0
_NEAR_SITES_RADIUS, _FAR_SITES_RADIUS = 190.0, 420.0
#: Beyond this number the ring cannot hold all topics, and they are distributed over a sphere.
_MAX_TOPICS_ON_RING = 14


def galaxy_layout(
    nodes: Sequence[LayoutNode], previous: Mapping[str, Position] | None = None, pinned: frozenset[str] = frozenset()
) -> dict[str, Position]:
    """Positions in space: the core at the origin, topics 200 units away, each surrounded by its pages.

    A node in `previous` keeps its position if it is still free there; a node in `pinned` always keeps it. Every topic
    owns the part of space that is nearest to it, so that pages of different topics do not mix; a page takes the free
    site nearest to its parent. Parents must come before their children in `nodes`.
    """
    known = {node_id: _coordinates(position) for node_id, position in (previous or {}).items()}
    topics = [node for node in nodes if node.type == "topic"]
    centres = _topic_centres([topic.id for topic in topics], known, pinned)
    placed: dict[str, Coordinates] = {node.id: np.zeros(3) for node in nodes if node.type == "core"}
    placed.update({topic.id: centres[i] for i, topic in enumerate(topics)})
    members = _members_of_topics(nodes)
    for number, topic in enumerate(topics):
        placed.update(_place_members(topic, number, members[topic.id], centres, known, pinned))
    # Pages directly below the core are the user's own notes.
    unplaced = [node for node in nodes if node.id not in placed]
    placed.update(_place_loose_nodes(unplaced, placed, nodes))
    return {node.id: _position(placed[node.id]) for node in nodes}


def _members_of_topics(nodes: Sequence[LayoutNode]) -> dict[str, list[LayoutNode]]:
    """The sub-topics and pages below every topic, in order."""
    topic_of: dict[str, str] = {}
    members: dict[str, list[LayoutNode]] = {}
    for node in nodes:
        if node.type == "topic":
            topic_of[node.id] = node.id
            members[node.id] = []
        elif node.parent in topic_of:
            topic_of[node.id] = topic_of[node.parent]
            members[topic_of[node.id]].append(node)
    return members


def _topic_centres(ids: Sequence[str], known: Mapping[str, Coordinates], pinned: frozenset[str]) -> Coordinates:
    """The position of every topic (topics x 3): the known one, or the candidate farthest from all other topics."""
    centres = np.zeros((len(ids), 3))
    kept = []
    for i, topic in enumerate(ids):
        if topic in known:
            is_at_distance = abs(float(np.linalg.norm(known[topic])) - TOPIC_DISTANCE) < 1.0
            if topic in pinned or is_at_distance:
                centres[i] = known[topic]
                kept.append(i)
    if not kept:
        return _evenly_spaced_centres(len(ids))
    candidates = np.concatenate([_evenly_spaced_centres(num) for num in (6, 8, 10, 14, 20)])
    for i in [i for i in range(len(ids)) if i not in kept]:
        distances = np.linalg.norm(candidates[:, None, :] - centres[kept][None, :, :], axis=2).min(axis=1)
        centres[i] = candidates[int(np.argmax(np.round(distances, 6)))]
        kept.append(i)
    return centres


def _evenly_spaced_centres(num: int) -> Coordinates:
    """`num` points at the topics' distance (num x 3): a ring facing the camera, alternately in front and behind.

    More than 14 points are distributed over a sphere instead.
    """
    if num > _MAX_TOPICS_ON_RING:
        return _fibonacci_sphere(num)
    half_step = math.pi / num if num >= 3 else 0.0
    depth = 0.0 if num <= 2 else min(110.0, 24.0 * num - 24.0)
    points = []
    for i in range(num):
        z = depth * (1.0 if i % 2 == 0 else -1.0)
        if num % 2 == 1 and i == num - 1:
            z = 0.0
        radius = math.sqrt(TOPIC_DISTANCE**2 - z**2)
        # Clockwise from the upper right, in the order in which a clock is read.
        angle = math.pi / 2 - half_step - 2 * math.pi * i / num if num >= 3 else math.pi * i
        points.append((radius * math.cos(angle), radius * math.sin(angle), z))
    return np.array(points)


def _fibonacci_sphere(num: int) -> Coordinates:
    """`num` points at the topics' distance on a Fibonacci spiral (Gonzalez 2010), without the poles.

    The camera sees the poles at a flat angle, so y stays below 0.85 of the radius, and z is compressed.
    """
    golden_angle = math.pi * (3 - math.sqrt(5))
    points = []
    for i in range(num):
        y = 0.85 * (1 - 2 * (i + 0.5) / num)
        angle = i * golden_angle
        radius = math.sqrt(1 - y * y)
        points.append((radius * math.cos(angle), y, radius * math.sin(angle) * 0.8))
    directions = np.array(points)
    scaled: Coordinates = directions / np.linalg.norm(directions, axis=1, keepdims=True) * TOPIC_DISTANCE
    return scaled


def _place_members(
    topic: LayoutNode,
    number: int,
    members: Sequence[LayoutNode],
    centres: Coordinates,
    known: Mapping[str, Coordinates],
    pinned: frozenset[str],
) -> dict[str, Coordinates]:
    """Positions of the sub-topics and pages of topic `number`: first those that stay, then sub-topics, then pages.

    The sub-topics of a sub-topic are beyond it.
    """
    centre = centres[number]
    outward = centre / max(float(np.linalg.norm(centre)), 1e-9)
    grid = _site_grid(number, centres, len(members))
    grid.occupy(centre, topic.radius / grid.shrink)
    placed = _keep_positions(members, number, centres, known, pinned, grid)
    parts = [node for node in members if node.type == "subtopic"]
    subtopics = [node for node in parts if node.parent == topic.id]
    anchors = {topic.id: centre + outward * 26.0}
    for subtopic, direction in zip(subtopics, _fan_directions(len(subtopics), outward), strict=True):
        if subtopic.id not in placed:
            placed[subtopic.id] = grid.allocate(subtopic, centre + direction * (topic.radius + 48.0))
        anchors[subtopic.id] = placed[subtopic.id] + (placed[subtopic.id] - centre) * 0.35
    for part in parts:
        if part.parent is not None and part.id not in anchors:
            if part.id not in placed:
                placed[part.id] = grid.allocate(part, anchors[part.parent])
            anchors[part.id] = placed[part.id] + (placed[part.id] - placed[part.parent]) * 0.35
    for node in members:
        if node.id not in placed:
            placed[node.id] = grid.allocate(node, anchors.get(node.parent or "", anchors[topic.id]))
    return placed


def _site_grid(number: int, centres: Coordinates, num_members: int) -> _SiteGrid:
    """The sites of topic `number`, at least 1.6 per member: narrower where the usual spacing gives too few."""
    min_sites = 1.6 * num_members + 40
    spacing = _SITE_SPACING
    sites = _candidate_sites(number, centres, spacing, _NEAR_SITES_RADIUS, separate_on_screen=True)
    if len(sites) < min_sites:
        sites = _candidate_sites(number, centres, spacing, _NEAR_SITES_RADIUS)
    while len(sites) < min_sites and spacing > 5:
        spacing *= 0.87 if spacing > 17.5 else 0.8
        sites = _candidate_sites(number, centres, spacing, _FAR_SITES_RADIUS)
    # With thousands of pages nodes overlap at full size: reserve less space than is drawn.
    return _SiteGrid(sites, shrink=min(1.0, spacing / 20.0))


def _keep_positions(
    members: Sequence[LayoutNode],
    number: int,
    centres: Coordinates,
    known: Mapping[str, Coordinates],
    pinned: frozenset[str],
    grid: _SiteGrid,
) -> dict[str, Coordinates]:
    """The members that keep their known position: nearest to this topic, visible and free, or pinned."""
    others = np.delete(centres, number, axis=0)
    placed: dict[str, Coordinates] = {}
    for node in members:
        if node.id not in known:
            continue
        position = known[node.id]
        distance = float(np.linalg.norm(position - centres[number]))
        is_nearest = not len(others) or distance + 10 <= float(np.linalg.norm(others - position, axis=1).min())
        is_visible = bool((np.abs(position) <= VIEW_BOX + 20).all())
        if node.id in pinned or (is_nearest and is_visible and grid.is_free(position, node.radius)):
            placed[node.id] = position
            grid.occupy(position, node.radius)
    return placed


class _SiteGrid:
    """The candidate sites around one topic (sites x 3), with the distance of each from the nearest placed node.

    `shrink` scales the space that a node reserves.
    """

    def __init__(self, sites: Coordinates, shrink: float) -> None:
        self.shrink = shrink
        self._sites = sites
        self._clearance = np.full(len(sites), np.inf)
        self._clearance_on_screen = np.full(len(sites), np.inf)
        self._positions = np.empty((0, 3))
        self._radii = np.empty(0)

    def occupy(self, position: Coordinates, radius: float) -> None:
        """Record a node of this radius at `position`."""
        radius *= self.shrink
        self._positions = np.vstack([self._positions, position])
        self._radii = np.append(self._radii, radius)
        offsets = self._sites - position
        self._clearance = np.minimum(self._clearance, np.linalg.norm(offsets, axis=1) - radius)
        distance_on_screen = np.linalg.norm(offsets[:, :2], axis=1)
        self._clearance_on_screen = np.minimum(self._clearance_on_screen, distance_on_screen - radius)

    def is_free(self, position: Coordinates, radius: float) -> bool:
        """Whether a node of this radius at `position` would overlap no recorded node."""
        needed = (radius + _MIN_GAP) * self.shrink
        return bool((np.linalg.norm(self._positions - position, axis=1) >= self._radii + needed).all())

    def allocate(self, node: LayoutNode, anchor: Coordinates) -> Coordinates:
        """Occupy the best free site for `node` and return its position.

        Good sites are near `anchor`, near the plane z = 0 in depth, and not in front of or behind another node.
        """
        if not len(self._sites):
            self.occupy(anchor, node.radius)
            return anchor
        needed = (node.radius + _MIN_GAP) * self.shrink
        offsets = self._sites - anchor
        cost = np.linalg.norm(offsets, axis=1) + 0.5 * np.abs(offsets[:, 2])
        cost = cost + np.where(self._clearance_on_screen >= needed - 2.0, 0.0, 40.0)
        cost = np.where(self._clearance >= needed, np.round(cost, 4), np.inf)
        position = self._sites[int(np.argmin(cost))]
        jittered = position + _jitter(node.id)
        if self.is_free(jittered, node.radius):
            position = jittered
        self.occupy(position, node.radius)
        return np.asarray(position, dtype=np.float64)


def _candidate_sites(
    number: int, centres: Coordinates, spacing: float, max_distance: float, separate_on_screen: bool = False
) -> Coordinates:
    """The sites of topic `number` (sites x 3): a face-centred cubic lattice inside the view box.

    All sites are nearer to this topic than to any other; with `separate_on_screen` also in the x-y plane, so that the
    pages of one topic do not cover those of another.
    """
    return _lattice(number, np.ascontiguousarray(centres).tobytes(), spacing, max_distance, separate_on_screen)


@lru_cache(maxsize=128)  # A growing map needs the same lattices again for every page.
def _lattice(
    number: int, encoded_centres: bytes, spacing: float, max_distance: float, separate_on_screen: bool
) -> Coordinates:
    centres = np.frombuffer(encoded_centres, dtype=np.float64).reshape(-1, 3)
    centre = centres[number]
    step = spacing * math.sqrt(2)
    num_steps = int(max_distance / step) + 1
    axis = np.arange(-num_steps, num_steps + 1) * step
    cubic = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    half = step / 2
    shifts = np.array([[0, 0, 0], [half, half, 0], [half, 0, half], [0, half, half]])
    points = (cubic[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) <= max_distance] + centre
    is_inside = (np.abs(points) <= VIEW_BOX).all(axis=1)
    points = points[is_inside & (np.linalg.norm(points, axis=1) >= _CORE_RADIUS + _CORE_CLEARANCE)]
    distance = np.linalg.norm(points - centre, axis=1)
    kept = distance >= MAX_TOPIC_RADIUS + _TOPIC_CLEARANCE
    others = np.delete(centres, number, axis=0)
    if len(others):
        kept &= distance + spacing <= np.linalg.norm(points[:, None, :] - others[None, :, :], axis=2).min(axis=1)
        if separate_on_screen:
            on_screen = np.linalg.norm(points[:, :2] - centre[:2], axis=1)
            others_on_screen = np.linalg.norm(points[:, None, :2] - others[None, :, :2], axis=2).min(axis=1)
            kept &= on_screen + 24.0 <= others_on_screen
    sites: Coordinates = points[kept]
    sites.flags.writeable = False  # The cache hands the same array to every caller.
    return sites


def _fan_directions(num: int, outward: Coordinates) -> Coordinates:
    """`num` directions (num x 3) in a fan away from the core, alternately slightly in front and behind."""
    facing = math.atan2(float(outward[1]), float(outward[0]))
    spread = min(1.9, 0.75 * max(0, num - 1))
    directions = []
    for i in range(num):
        angle = facing + (spread * (i / (num - 1) * 2 - 1) if num > 1 else 0.0) * 0.95
        depth = 0.25 * (1 if i % 2 == 0 else -1) if num > 2 else 0.0
        directions.append((math.cos(angle), math.sin(angle), depth))
    return np.array(directions).reshape(num, 3)


def _jitter(node_id: str) -> Coordinates:
    """An offset of up to 1.5 units per axis that depends on the id alone, so that the lattice is not visible."""
    digest = hashlib.blake2b(node_id.encode("utf-8", "replace"), digest_size=3).digest()
    return (np.array(list(digest), dtype=np.float64) / 255 - 0.5) * 3.0


def _place_loose_nodes(
    loose: Sequence[LayoutNode], placed: Mapping[str, Coordinates], nodes: Sequence[LayoutNode]
) -> dict[str, Coordinates]:
    """Positions of nodes that belong to no topic: on ellipses around the core, the first free one for each."""
    if not loose:
        return {}
    candidates = [
        np.array([radius * math.cos(angle), radius * math.sin(angle) * 0.6, z])
        for radius in (90.0, 115.0, 140.0, 330.0, 400.0)
        for z in (0.0, 60.0, -60.0, 120.0, -120.0)
        for angle in (step * math.pi / 9 for step in range(18))
    ]
    radius_of = {node.id: node.radius for node in nodes}
    occupied = dict(placed)
    positions: dict[str, Coordinates] = {}
    for node in loose:
        free = (
            candidate
            for candidate in candidates
            if all(
                float(np.linalg.norm(candidate - position)) >= radius_of[other] + node.radius + _MIN_GAP
                for other, position in occupied.items()
            )
        )
        occupied[node.id] = positions[node.id] = next(free, candidates[-1])
    return positions


def _coordinates(position: Position) -> Coordinates:
    return np.array([position.x, position.y, position.z])


def _position(coordinates: Coordinates) -> Position:
    x, y, z = (round(float(value), 3) + 0.0 for value in coordinates)
    return Position(x=x, y=y, z=z)
