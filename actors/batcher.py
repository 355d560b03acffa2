"""One call in flight; whatever comes meanwhile rides in the next.

Idle, an item leaves at once; busy, calls grow instead of queueing up. Used twice: a replica in front of each shard,
and a shard in front of PostgreSQL (there it is called group commit).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from models.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


class RequestBatcher(Generic[T, R]):
    """Gathers items into calls of `handle`, which answers each in order.

    A restart loses what was not answered yet; whoever waits sees an error and repeats. Callers may vanish at any
    moment (a client that hangs up cancels its request): their items are handled all the same and the loop goes on.
    """

    def __init__(
        self, handle: Callable[[list[T]], Awaitable[Sequence[R]]], *, max_call_bytes: int = 8 * 1024 * 1024
    ) -> None:
        self._handle, self._max_call_bytes = handle, max_call_bytes
        self._waiting: deque[tuple[T, int, asyncio.Future[R]]] = deque()
        self._in_flight: list[asyncio.Future[R]] = []
        self._running: asyncio.Task[None] | None = None
        #: Items waiting or in flight, in bytes.
        self.pending_bytes = 0
        self.num_calls = 0

    async def submit(self, item: T, num_bytes: int) -> R:
        """The answer for `item`. Raises what `handle` raised for the call it rode in."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, num_bytes, future))
        self.pending_bytes += num_bytes
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def drain(self) -> None:
        """Wait until everything added so far has been answered."""
        futures = [*self._in_flight, *(future for _, _, future in self._waiting)]
        if futures:
            await asyncio.wait(futures)

    async def _run(self) -> None:
        try:
            while self._waiting:
                call: list[tuple[T, int, asyncio.Future[R]]] = []
                size = 0
                while self._waiting and (not call or size + self._waiting[0][1] <= self._max_call_bytes):
                    entry = self._waiting.popleft()
                    call.append(entry)
                    size += entry[1]
                self._in_flight = [future for _, _, future in call]
                try:
                    await self._call(call)
                finally:
                    self._in_flight = []
                    self.pending_bytes -= size
        finally:
            self._running = None
            if self._waiting:  # only when cancelled: nobody may be left waiting for ever
                for _, size, future in self._waiting:
                    self.pending_bytes -= size
                    if not future.done():
                        future.set_exception(Unavailable("the server is shutting down; send the events again"))
                self._waiting.clear()

    async def _call(self, call: list[tuple[T, int, asyncio.Future[R]]]) -> None:
        self.num_calls += 1
        try:
            answers = await self._handle([item for item, _, _ in call])
            if len(answers) != len(call):
                raise RuntimeError(f"{len(answers)} answers for {len(call)} items")
        except asyncio.CancelledError:
            self._fail(call, Unavailable("the server is shutting down; send the events again"))
            raise
        except Exception as error:
            self._fail(call, error)
            return
        for (_, _, future), answer in zip(call, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    @staticmethod
    def _fail(call: Sequence[tuple[T, int, asyncio.Future[R]]], error: Exception) -> None:
        for _, _, future in call:
            if not future.done():
                future.set_exception(error)
