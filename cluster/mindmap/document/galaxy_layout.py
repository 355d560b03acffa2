"""Where every node stands in space: `galaxy`. Deterministic, without overlaps, and calm: a page more takes a free
place and leaves the others where they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.mindmap.document import NodeType, Position

Floats = NDArray[np.float64]


TOPIC_DISTANCE = 200.0


#: The camera of the 3-D view sees |x| ≤ 500 and |y| ≤ 290 at z = 0; nearer than z = 180 nodes would fill the screen.
VIEW_BOX = np.array([470.0, 272.0, 170.0])


#: Drawn radius per unit of size, as the clients draw it.
RADIUS_PER_SIZE: dict[NodeType, float] = {"core": 0.5, "topic": 0.4, "subtopic": 0.3, "page": 0.2}


_MIN_GAP = 4.0
MAX_TOPIC_RADIUS = 80.0 * RADIUS_PER_SIZE["topic"]


@dataclass(frozen=True, slots=True)
class LayoutNode:
    """A node as the layouts see it; parents come before their children. `radius` is in world units."""

    id: str
    parent: str | None
    type: NodeType
    radius: float


def galaxy_layout(
    nodes: Sequence[LayoutNode], previous: Mapping[str, Position] | None = None, pinned: frozenset[str] = frozenset()
) -> dict[str, Position]:
    """Positions in space: the core at the origin, topics 200 away from it, each amid its own cloud of pages.

    Nodes found in `previous` stay there when they can, those of them that are `pinned` in any case. Every topic owns
    the part of space nearest to it, so clouds of different topics never touch; inside a cloud pages take the free site
    nearest to their parent.
    """
    known = previous or {}
    topics = [node for node in nodes if node.type == "topic"]
    centres = _topic_centres([t.id for t in topics], known, pinned)
    found: dict[str, Floats] = {node.id: np.zeros(3) for node in nodes if node.type == "core"}
    found.update({topic.id: centres[i] for i, topic in enumerate(topics)})
    topic_of: dict[str, str] = {}
    for node in nodes:
        if node.type == "topic":
            topic_of[node.id] = node.id
        elif node.parent in topic_of:
            topic_of[node.id] = topic_of[node.parent]
    for number, topic in enumerate(topics):
        members = [node for node in nodes if node.type in ("subtopic", "page") and topic_of.get(node.id) == topic.id]
        found.update(_place_members(topic, number, members, centres, known, pinned))
    loose = [node for node in nodes if node.id not in found]
    if loose:  # Children of the core that are no topics: a user's own notes.
        found.update(_place_loose_nodes(loose, found, nodes))
    return {node.id: _position(found[node.id]) for node in nodes}


def _topic_centres(ids: Sequence[str], known: Mapping[str, Position], pinned: frozenset[str]) -> Floats:
    num = len(ids)
    centres = np.zeros((num, 3))
    kept = []
    for i, topic in enumerate(ids):
        if topic in known:
            at = np.array([known[topic].x, known[topic].y, known[topic].z])
            if topic in pinned or abs(float(np.linalg.norm(at)) - TOPIC_DISTANCE) < 1.0:
                centres[i] = at
                kept.append(i)
    fresh = [i for i in range(num) if i not in kept]
    if not kept:
        return _evenly_spaced_centres(num)
    candidates = np.concatenate([_evenly_spaced_centres(n) for n in (6, 8, 10, 14, 20)])
    for i in fresh:
        taken = centres[kept]
        distance = np.linalg.norm(candidates[:, None, :] - taken[None, :, :], axis=2).min(axis=1)
        centres[i] = candidates[int(np.argmax(np.round(distance, 6)))]
        kept.append(i)
    return centres


def _evenly_spaced_centres(num: int) -> Floats:
    """`num` points at the topics' distance: a ring facing the camera, alternately nearer and farther."""
    if num > 14:
        return _fibonacci_sphere(num)
    turn = math.pi / num if num >= 3 else 0.0
    depth = 0.0 if num <= 2 else min(110.0, 24.0 * num - 24.0)
    points = []
    for i in range(num):
        z = depth * (1.0 if i % 2 == 0 else -1.0)
        if num % 2 == 1 and i == num - 1:
            z = 0.0
        flat = math.sqrt(TOPIC_DISTANCE**2 - z**2)
        # Clockwise from the upper right, as one reads a clock.
        angle = math.pi / 2 - turn - 2 * math.pi * i / num if num >= 3 else math.pi * i
        points.append((flat * math.cos(angle), flat * math.sin(angle), z))
    return np.array(points)


def _fibonacci_sphere(num: int) -> Floats:
    """A Fibonacci spiral over the belt of the sphere that the camera sees well."""
    points = []
    for i in range(num):
        y = 0.85 * (1 - 2 * (i + 0.5) / num)
        around = i * math.pi * (3 - math.sqrt(5))
        flat = math.sqrt(1 - y * y)
        points.append((flat * math.cos(around), y, flat * math.sin(around) * 0.8))
    unit = np.array(points)
    scaled: Floats = unit / np.linalg.norm(unit, axis=1, keepdims=True) * TOPIC_DISTANCE
    return scaled


def _place_members(
    topic: LayoutNode,
    number: int,
    members: Sequence[LayoutNode],
    centres: Floats,
    known: Mapping[str, Position],
    pinned: frozenset[str],
) -> dict[str, Floats]:
    centre = centres[number]
    outward = centre / max(float(np.linalg.norm(centre)), 1e-9)
    parts = [node for node in members if node.type == "subtopic"]
    spacing = 22.0
    sites = _candidate_sites(number, centres, spacing, reach=190.0, in_view=True)
    if len(sites) < 1.6 * len(members) + 40:
        sites = _candidate_sites(number, centres, spacing, reach=190.0)
    while len(sites) < 1.6 * len(members) + 40 and spacing > 5:
        spacing *= 0.87 if spacing > 17.5 else 0.8
        sites = _candidate_sites(number, centres, spacing, reach=420.0)
    shrink = min(1.0, spacing / 20.0)  # Thousands of pages: what does not fit at full size is packed closer.
    room = _SiteGrid(sites, shrink)
    room.occupy(centre, topic.radius / shrink)
    found: dict[str, Floats] = {}
    for node in members:
        if node.id in known:
            at = np.array([known[node.id].x, known[node.id].y, known[node.id].z])
            own = float(np.linalg.norm(at - centre))
            others = np.delete(centres, number, axis=0)
            is_ours = not len(others) or own + 10 <= float(np.linalg.norm(others - at, axis=1).min())
            stays = is_ours and bool((np.abs(at) <= VIEW_BOX + 20).all()) and room.is_free(at, node.radius)
            if stays or node.id in pinned:
                found[node.id] = at
                room.occupy(at, node.radius)
    anchors = {topic.id: centre + outward * 26.0}
    for part, direction in zip(parts, _fan_directions(len(parts), outward), strict=True):
        if part.id not in found:
            found[part.id] = room.allocate(part, centre + direction * (topic.radius + 48.0))
        anchors[part.id] = found[part.id] + (found[part.id] - centre) * 0.35
    for node in members:
        if node.id not in found:
            found[node.id] = room.allocate(node, anchors.get(node.parent or "", anchors[topic.id]))
    return found


class _SiteGrid:
    """The free sites around one topic. Keeps, for every site, how far it is from the nearest thing placed."""

    def __init__(self, sites: Floats, shrink: float) -> None:
        self._sites, self._shrink = sites, shrink
        self._clear = np.full(len(sites), np.inf)
        self._clear_in_view = np.full(len(sites), np.inf)
        self._taken_at = np.empty((0, 3))
        self._taken_radius = np.empty(0)

    def occupy(self, at: Floats, radius: float) -> None:
        """Something of this radius now stands there."""
        radius *= self._shrink
        self._taken_at = np.vstack([self._taken_at, at])
        self._taken_radius = np.append(self._taken_radius, radius)
        apart = self._sites - at
        self._clear = np.minimum(self._clear, np.linalg.norm(apart, axis=1) - radius)
        self._clear_in_view = np.minimum(self._clear_in_view, np.linalg.norm(apart[:, :2], axis=1) - radius)

    def is_free(self, at: Floats, radius: float) -> bool:
        """Whether something of this radius may stand there."""
        need = (radius + _MIN_GAP) * self._shrink
        return bool((np.linalg.norm(self._taken_at - at, axis=1) >= self._taken_radius + need).all())

    def allocate(self, node: LayoutNode, anchor: Floats) -> Floats:
        """Take the best free site for `node`: near `anchor`, not deep, and not in front of or behind another node."""
        if not len(self._sites):
            self.occupy(anchor, node.radius)
            return anchor
        need = (node.radius + _MIN_GAP) * self._shrink
        apart = self._sites - anchor
        cost = np.linalg.norm(apart, axis=1) + 0.5 * np.abs(apart[:, 2])
        cost = cost + np.where(self._clear_in_view >= need - 2.0, 0.0, 40.0)
        cost = np.where(self._clear >= need, np.round(cost, 4), np.inf)
        best = int(np.argmin(cost))
        at = self._sites[best]
        wobbled = at + _jitter(node.id)
        if self.is_free(wobbled, node.radius):
            at = wobbled
        self.occupy(at, node.radius)
        return np.asarray(at, dtype=np.float64)


def _candidate_sites(number: int, centres: Floats, spacing: float, reach: float, in_view: bool = False) -> Floats:
    """Points of a close-packed lattice around topic `number`, inside the box and nearer to it than to any other topic;
    `in_view` asks the same of their places on the screen, so that clouds do not cover each other."""
    return _lattice(number, np.ascontiguousarray(centres).tobytes(), spacing, reach, in_view)


@lru_cache(maxsize=128)  # A map that grows asks for the same lattices at every page.
def _lattice(number: int, encoded_centres: bytes, spacing: float, reach: float, in_view: bool) -> Floats:
    centres = np.frombuffer(encoded_centres, dtype=np.float64).reshape(-1, 3)
    centre = centres[number]
    step = spacing * math.sqrt(2)
    num = int(reach / step) + 1
    axis = np.arange(-num, num + 1) * step
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    half = step / 2
    shifts = np.array([[0, 0, 0], [half, half, 0], [half, 0, half], [0, half, half]])
    points = (grid[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) <= reach] + centre
    points = points[(np.abs(points) <= VIEW_BOX).all(axis=1) & (np.linalg.norm(points, axis=1) >= 50.0 + 26.0)]
    own = np.linalg.norm(points - centre, axis=1)
    kept = own >= MAX_TOPIC_RADIUS + 14.0
    others = np.delete(centres, number, axis=0)
    if len(others):
        kept &= own + spacing <= np.linalg.norm(points[:, None, :] - others[None, :, :], axis=2).min(axis=1)
        if in_view:
            flat = np.linalg.norm(points[:, :2] - centre[:2], axis=1)
            rest = np.linalg.norm(points[:, None, :2] - others[None, :, :2], axis=2).min(axis=1)
            kept &= flat + 24.0 <= rest
    chosen: Floats = points[kept]
    chosen.flags.writeable = False
    return chosen


def _fan_directions(num: int, outward: Floats) -> Floats:
    """`num` directions fanned out in the plane the reader looks at, away from the core, alternately near and far."""
    facing = math.atan2(float(outward[1]), float(outward[0]))
    spread = min(1.9, 0.75 * max(0, num - 1))
    directions = []
    for i in range(num):
        angle = facing + (spread * (i / (num - 1) * 2 - 1) if num > 1 else 0.0) * 0.95
        depth = 0.25 * (1 if i % 2 == 0 else -1) if num > 2 else 0.0
        directions.append((math.cos(angle), math.sin(angle), depth))
    return np.array(directions).reshape(num, 3)


def _jitter(node_id: str) -> Floats:
    """A shift of up to 1.5 units that depends on the id alone, so that clouds do not look like crystals."""
    digest = hashlib.blake2b(node_id.encode("utf-8", "replace"), digest_size=3).digest()
    return (np.array(list(digest), dtype=np.float64) / 255 - 0.5) * 3.0


def _place_loose_nodes(
    loose: Sequence[LayoutNode], found: Mapping[str, Floats], nodes: Sequence[LayoutNode]
) -> dict[str, Floats]:
    placed = dict(found)
    radius_of = {node.id: node.radius for node in nodes}
    added: dict[str, Floats] = {}
    for node in loose:
        options = [
            np.array([r * math.cos(a), r * math.sin(a) * 0.6, z])
            for r in (90.0, 115.0, 140.0, 330.0, 400.0)
            for z in (0.0, 60.0, -60.0, 120.0, -120.0)
            for a in (k * math.pi / 9 for k in range(18))
        ]
        free = [
            at
            for at in options
            if all(float(np.linalg.norm(at - p)) >= radius_of[i] + node.radius + _MIN_GAP for i, p in placed.items())
        ]
        placed[node.id] = added[node.id] = free[0] if free else options[-1]
    return added


def _position(at: Floats) -> Position:
    x, y, z = (round(float(value), 3) + 0.0 for value in at)
    return Position(x=x, y=y, z=z)
