"""A fair queue: interactive before batch items, and users by weight.

Start-time fair queueing (Goyal, Vin and Cheng, 1996): each user has a virtual time that grows by the cost of the served
items, divided by the user's weight. The user with the smallest virtual time is served next. A user who returns from
idleness starts at the current virtual time, and so cannot accumulate turns.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Lane(Generic[Item]):
    """The queue of one priority."""

    def __init__(self) -> None:
        self.waiting: dict[str, deque[tuple[Item, float]]] = {}
        self.finish_times: dict[str, float] = {}
        self.virtual_time = 0.0

    def push(self, user: str, cost: float, item: Item) -> None:
        if user not in self.waiting:
            self.waiting[user] = deque()
            self.finish_times[user] = max(self.virtual_time, self.finish_times.get(user, 0.0))
        self.waiting[user].append((item, cost))

    def next_user(self) -> str | None:
        return min(self.waiting, key=lambda user: (self.finish_times[user], user), default=None)

    def pop(self) -> Item:
        user = self.next_user()
        assert user is not None
        item, cost = self.waiting[user].popleft()
        self.virtual_time = self.finish_times[user]
        self.finish_times[user] += cost
        if not self.waiting[user]:
            del self.waiting[user]
            if not self.waiting:
                # Bounds the memory: in an empty queue the past shares have no effect.
                self.finish_times.clear()
                self.virtual_time = 0.0
        return item

    def peek(self) -> Item | None:
        user = self.next_user()
        return self.waiting[user][0][0] if user is not None else None


class FairQueue(Generic[Item]):
    """Items of many users in the order in which they are served."""

    def __init__(self) -> None:
        self._lanes: dict[bool, _Lane[Item]] = {True: _Lane(), False: _Lane()}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, item: Item, *, user: str, cost: float, weight: float = 1.0, is_interactive: bool = True) -> None:
        """Add an item that uses `cost` of the shared resource, e.g. tokens."""
        self._lanes[is_interactive].push(user, max(cost, 1.0) / max(weight, 0.01), item)
        self._size += 1

    def peek(self) -> Item | None:
        """The next item, which stays in the queue; None when the queue is empty."""
        first = self._lanes[True].peek()
        return first if first is not None else self._lanes[False].peek()

    def pop(self) -> Item:
        """Remove and return the next item. Raises IndexError when the queue is empty."""
        for lane in (self._lanes[True], self._lanes[False]):
            if lane.waiting:
                self._size -= 1
                return lane.pop()
        raise IndexError("the queue is empty")

    def waiting(self) -> list[Item]:
        """All items, in no particular order."""
        return [item for lane in self._lanes.values() for entries in lane.waiting.values() for item, _ in entries]

    def remove(self, item_ids: set[int]) -> None:
        """Remove the items with these `id()`s."""
        for lane in self._lanes.values():
            for user in list(lane.waiting):
                kept = deque(entry for entry in lane.waiting[user] if id(entry[0]) not in item_ids)
                self._size -= len(lane.waiting[user]) - len(kept)
                if kept:
                    lane.waiting[user] = kept
                else:
                    del lane.waiting[user]
