"""The batcher on its own: order, bounds, vanished callers, failures."""

from __future__ import annotations

import asyncio

import pytest

from actors.batcher import RequestBatcher
from models.errors import Unavailable


class Gate:
    """A handler that answers when told to, and remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = asyncio.Event()

    async def __call__(self, items: list[int]) -> list[int]:
        self.calls.append(items)
        await self.open.wait()
        return [i * 10 for i in items]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_idle_leaves_at_once_and_busy_calls_grow() -> None:
    gate = Gate()
    batcher: RequestBatcher[int, int] = RequestBatcher(gate)
    tasks = [asyncio.create_task(batcher.submit(0, 1))]
    await settle()
    tasks += [asyncio.create_task(batcher.submit(i, 1)) for i in range(1, 6)]
    await settle()
    assert gate.calls == [[0]]
    gate.open.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40, 50]
    assert gate.calls == [[0], [1, 2, 3, 4, 5]]
    assert batcher.pending_bytes == 0


async def test_calls_are_bounded_in_bytes_but_a_big_item_still_goes() -> None:
    gate = Gate()
    gate.open.set()
    batcher: RequestBatcher[int, int] = RequestBatcher(gate, max_call_bytes=100)
    await asyncio.gather(*(batcher.submit(i, size) for i, size in enumerate([60, 60, 500, 30, 30])))
    assert gate.calls == [[0], [1], [2], [3, 4]]


async def test_a_caller_who_hangs_up_does_not_stop_the_others() -> None:
    gate = Gate()
    batcher: RequestBatcher[int, int] = RequestBatcher(gate)
    first, gone, last = (asyncio.create_task(batcher.submit(i, 1)) for i in range(3))
    await settle()
    gone.cancel()
    await settle()
    gate.open.set()
    assert await first == 0
    assert await last == 20
    assert gate.calls == [[0, 1, 2]], "what the vanished caller gave is still handled"
    assert batcher.pending_bytes == 0
    assert await batcher.submit(7, 1) == 70, "the loop is ready for the next"


async def test_a_failure_reaches_its_own_call_only() -> None:
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


async def test_a_handler_that_loses_answers_is_a_bug_nobody_waits_for() -> None:
    async def handle(items: list[int]) -> list[int]:
        return items[:-1]

    with pytest.raises(RuntimeError, match="answers"):
        await RequestBatcher(handle).submit(1, 1)


async def test_drained_waits_for_what_was_there_and_not_for_what_comes() -> None:
    gate = Gate()
    batcher: RequestBatcher[int, int] = RequestBatcher(gate)
    await batcher.drain()
    task = asyncio.create_task(batcher.submit(1, 1))
    await settle()
    draining = asyncio.create_task(batcher.drain())
    await settle()
    assert not draining.done()
    gate.open.set()
    await draining
    assert task.done() or await task == 10


async def test_shutting_down_leaves_nobody_waiting() -> None:
    gate = Gate()
    batcher: RequestBatcher[int, int] = RequestBatcher(gate)
    tasks = [asyncio.create_task(batcher.submit(0, 1))]
    await settle()
    tasks.append(asyncio.create_task(batcher.submit(1, 1)))
    await settle()
    assert batcher._running is not None
    batcher._running.cancel()
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(error, Unavailable)
