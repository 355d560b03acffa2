"""What happens to requests that wait long for their response.

Nearly every request ends long before, so that one timer serves all of them: a timer of its own for each took a tenth of
a replica's processor time for small batches of events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class FixedDelay(Generic[T]):
    """Calls `on_due` with the items that were added `delay_s` ago and not removed since."""

    def __init__(self, delay_s: float, on_due: Callable[[list[T]], None]) -> None:
        self._delay_s, self._on_due = delay_s, on_due
        #: When each item is due. The delay is the same for all, so the order is that of these times.
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T) -> None:
        """Start the delay of `item`."""
        loop = asyncio.get_running_loop()
        due = self._due[item] = loop.time() + self._delay_s
        if self._timer is None:
            self._start_timer(loop, due)

    def remove(self, item: T) -> None:
        """Forget `item`; does nothing if it is not waiting."""
        self._due.pop(item, None)

    def _start_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        # Without the context of the request that comes first: the others have other ids in their log lines.
        self._timer = loop.call_at(due, self._look, context=Context())

    def _look(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        items = [item for item, _ in takewhile(lambda entry: entry[1] <= now, self._due.items())]
        for item in items:
            del self._due[item]
        if self._due:
            self._start_timer(loop, next(iter(self._due.values())))
        if items:
            self._on_due(items)


class Pending(Protocol):
    """A request without a response."""

    def expire(self) -> None:
        """End it, because it has taken too long."""

    def end_without_database(self) -> None:
        """Begin to answer that the database does not answer."""


class PendingRequests:
    """Watches requests until they are removed or ended.

    A request expires after `timeout_s`. Before that, and after each `period_s`, `is_silent` is asked whether the
    database answers nothing, and if so the request ends without it.
    """

    def __init__(self, timeout_s: float, period_s: float, is_silent: Callable[[], Awaitable[bool]] | None) -> None:
        self._is_silent = is_silent
        self._limits: FixedDelay[Pending] = FixedDelay(timeout_s, self._expire)
        self._periods: FixedDelay[Pending] = FixedDelay(period_s, self._begin_to_ask)
        self._asked_for: set[Pending] = set()
        self._asking: set[asyncio.Task[None]] = set()

    def add(self, request: Pending) -> None:
        """Watch `request` from now on."""
        self._limits.add(request)
        if self._is_silent is not None:
            self._periods.add(request)

    def remove(self, request: Pending) -> None:
        """Stop watching `request`; does nothing if it is not watched."""
        self._limits.remove(request)
        self._periods.remove(request)
        self._asked_for.discard(request)

    def _expire(self, requests: list[Pending]) -> None:
        for request in requests:
            request.expire()

    def _begin_to_ask(self, requests: list[Pending]) -> None:
        self._asked_for.update(requests)
        asking = asyncio.create_task(self._ask(requests))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _ask(self, requests: list[Pending]) -> None:
        assert self._is_silent is not None
        is_silent = await self._is_silent()
        for request in requests:
            if request not in self._asked_for:
                continue
            self._asked_for.remove(request)
            if is_silent:
                request.end_without_database()
            else:
                self._periods.add(request)
