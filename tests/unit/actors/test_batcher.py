"""RequestBatcher: order, size limits, cancelled callers, errors."""

from __future__ import annotations

import asyncio

import pytest

from actors.batcher import RequestBatcher
from models.errors import Unavailable


class BlockingHandler:
    """Returns results once `open` is set, and records its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = asyncio.Event()

    async def __call__(self, items: list[int]) -> list[int]:
        self.calls.append(items)
        await self.open.wait()
        return [i * 10 for i in items]


async def settle() -> None:
    """Let other tasks run until they block."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_idle_batcher_calls_at_once_and_a_busy_one_batches() -> None:
    handler = BlockingHandler()
    batcher: RequestBatcher[int, int] = RequestBatcher(handler)
    tasks = [asyncio.create_task(batcher.submit(0, 1))]
    await settle()
    tasks += [asyncio.create_task(batcher.submit(i, 1)) for i in range(1, 6)]
    await settle()
    assert handler.calls == [[0]]
    handler.open.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40, 50]
    assert handler.calls == [[0], [1, 2, 3, 4, 5]]
    assert batcher.pending_bytes == 0


async def test_batches_are_bounded_in_bytes_and_a_larger_item_is_sent_alone() -> None:
    handler = BlockingHandler()
    handler.open.set()
    batcher: RequestBatcher[int, int] = RequestBatcher(handler, max_call_bytes=100)
    await asyncio.gather(*(batcher.submit(i, size) for i, size in enumerate([60, 60, 500, 30, 30])))
    assert handler.calls == [[0], [1], [2], [3, 4]]


async def test_a_cancelled_caller_does_not_affect_others() -> None:
    handler = BlockingHandler()
    batcher: RequestBatcher[int, int] = RequestBatcher(handler)
    first, cancelled, last = (asyncio.create_task(batcher.submit(i, 1)) for i in range(3))
    await settle()
    cancelled.cancel()
    await settle()
    handler.open.set()
    assert await first == 0
    assert await last == 20
    assert handler.calls == [[0, 1, 2]], "the item of the cancelled caller is still handled"
    assert batcher.pending_bytes == 0
    assert await batcher.submit(7, 1) == 70, "the loop continues"


async def test_an_error_reaches_only_the_callers_of_its_batch() -> None:
    failing = True

    async def handle(items: list[int]) -> list[int]:
        if failing:
            raise Unavailable("no", 1.0)
        return items

    batcher: RequestBatcher[int, int] = RequestBatcher(handle)
    for error in await asyncio.gather(*(batcher.submit(i, 1) for i in range(3)), return_exceptions=True):
        assert isinstance(error, Unavailable)
    failing = False
    assert await batcher.submit(1, 1) == 1
    assert batcher.pending_bytes == 0


async def test_a_missing_result_raises_instead_of_blocking() -> None:
    async def handle(items: list[int]) -> list[int]:
        return items[:-1]

    with pytest.raises(RuntimeError, match="answers"):
        await RequestBatcher(handle).submit(1, 1)


async def test_drain_waits_for_submitted_items() -> None:
    handler = BlockingHandler()
    batcher: RequestBatcher[int, int] = RequestBatcher(handler)
    await batcher.drain()
    task = asyncio.create_task(batcher.submit(1, 1))
    await settle()
    draining = asyncio.create_task(batcher.drain())
    await settle()
    assert not draining.done()
    handler.open.set()
    await draining
    assert task.done() or await task == 10


async def test_a_cancelled_loop_fails_every_waiting_caller() -> None:
    handler = BlockingHandler()
    batcher: RequestBatcher[int, int] = RequestBatcher(handler)
    tasks = [asyncio.create_task(batcher.submit(0, 1))]
    await settle()
    tasks.append(asyncio.create_task(batcher.submit(1, 1)))
    await settle()
    assert batcher._running is not None
    batcher._running.cancel()
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(error, Unavailable)
