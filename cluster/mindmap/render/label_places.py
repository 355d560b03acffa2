"""Places of labels: each at its best free place, important ones first, as in `clients/dashboard/src/map/labels.ts`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: The side of a cell of the grid in which neighbours are looked for, in pixels.
_CELL_PX = 72.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around a centre, turned by `turn` radians; in pixels."""

    x: float
    y: float
    width: float
    height: float
    turn: float = 0.0

    def reach(self, ux: float, uy: float) -> float:
        """How far the box extends from its centre in the direction of a unit vector."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return (self.width * abs(cos * ux + sin * uy) + self.height * abs(cos * uy - sin * ux)) / 2


class PlacedBoxes:
    """Boxes that later ones keep clear of. Only neighbours in a grid are compared."""

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = defaultdict(list)
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Keep later boxes clear of this one."""
        for cell in _cells(box, 0.0):
            self._cells[cell].append(box)

    def collides(self, box: Box, gap: float = 0.0) -> bool:
        """Whether a box added before is closer than `gap` pixels to this one."""
        return any(_overlap(box, other, gap) for cell in _cells(box, gap) for other in self._cells.get(cell, ()))


def free_place(places: Sequence[Box], labels: PlacedBoxes, discs: PlacedBoxes, gap: float) -> Box | None:
    """The first of `places` beside all labels and discs, else the first beside all labels; None without any."""
    free = [box for box in places if not labels.collides(box, gap)]
    return next((box for box in free if not discs.collides(box)), free[0] if free else None)


def _cells(box: Box, gap: float) -> Iterator[tuple[int, int]]:
    half_x, half_y = box.reach(1.0, 0.0) + gap, box.reach(0.0, 1.0) + gap
    for i in range(math.floor((box.x - half_x) / _CELL_PX), math.floor((box.x + half_x) / _CELL_PX) + 1):
        for j in range(math.floor((box.y - half_y) / _CELL_PX), math.floor((box.y + half_y) / _CELL_PX) + 1):
            yield i, j


def _overlap(a: Box, b: Box, gap: float) -> bool:
    """Whether two boxes are closer than `gap`, by the separating axis theorem."""
    dx, dy = b.x - a.x, b.y - a.y
    for turn in {a.turn, b.turn}:
        for ux, uy in ((math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))):
            if abs(dx * ux + dy * uy) >= a.reach(ux, uy) + b.reach(ux, uy) + gap:
                return False
    return True
