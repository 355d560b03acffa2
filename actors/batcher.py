"""At most one call in flight; items that arrive meanwhile are batched into the next call.

While idle, an item is sent at once; under load, batches grow instead of the queue. It is used twice: by a replica in
front of each shard, and by a shard in front of PostgreSQL, where it is group commit (DeWitt et al., "Implementation
Techniques for Main Memory Database Systems", SIGMOD 1984).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from models.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class RequestBatcher(Generic[Item, Result]):
    """Batches items into calls of `handle`, which returns one result for each item, in order.

    A restart of the process loses unanswered items; their callers get an error and retry. A caller may be cancelled
    at any moment (a client that disconnects cancels its request): its item is handled all the same, and the loop
    continues.
    """

    def __init__(
        self, handle: Callable[[list[Item]], Awaitable[Sequence[Result]]], *, max_call_bytes: int = 8 * 1024 * 1024
    ) -> None:
        self._handle, self._max_call_bytes = handle, max_call_bytes
        self._queue: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._in_flight: list[asyncio.Future[Result]] = []
        self._running: asyncio.Task[None] | None = None
        #: Bytes of the items that are queued or in flight.
        self.pending_bytes = 0
        self.num_calls = 0

    async def submit(self, item: Item, num_bytes: int) -> Result:
        """The result for `item`. Raises what `handle` raised for the batch of this item, or Unavailable at shutdown.

        An item larger than `max_call_bytes` is sent in a batch of its own.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, num_bytes, future))
        self.pending_bytes += num_bytes
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def drain(self) -> None:
        """Wait until every item submitted so far has a result or an error."""
        futures = [*self._in_flight, *(future for _, _, future in self._queue)]
        if futures:
            await asyncio.wait(futures)

    async def _run(self) -> None:
        try:
            while self._queue:
                batch: list[tuple[Item, int, asyncio.Future[Result]]] = []
                batch_bytes = 0
                while self._queue and (not batch or batch_bytes + self._queue[0][1] <= self._max_call_bytes):
                    entry = self._queue.popleft()
                    batch.append(entry)
                    batch_bytes += entry[1]
                self._in_flight = [future for _, _, future in batch]
                try:
                    await self._call(batch)
                finally:
                    self._in_flight = []
                    self.pending_bytes -= batch_bytes
        finally:
            self._running = None
            if self._queue:  # Only after a cancellation: no caller may wait for a loop that has ended.
                for _, num_bytes, future in self._queue:
                    self.pending_bytes -= num_bytes
                    if not future.done():
                        future.set_exception(Unavailable("the server is shutting down; send the events again"))
                self._queue.clear()

    async def _call(self, batch: list[tuple[Item, int, asyncio.Future[Result]]]) -> None:
        self.num_calls += 1
        try:
            results = await self._handle([item for item, _, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} answers for {len(batch)} items")
        except asyncio.CancelledError:
            self._fail(batch, Unavailable("the server is shutting down; send the events again"))
            raise
        except Exception as error:
            self._fail(batch, error)
            return
        for (_, _, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    @staticmethod
    def _fail(batch: Sequence[tuple[Item, int, asyncio.Future[Result]]], error: Exception) -> None:
        for _, _, future in batch:
            if not future.done():
                future.set_exception(error)
