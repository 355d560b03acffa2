"""Runs coroutines concurrently and waits for all of them, also on failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


async def gather_all(*calls: Coroutine[Any, Any, Value]) -> list[Value]:
    """The results in the order of `calls`; raises the first error after all calls have ended.

    `asyncio.gather` alone raises while the other calls still record their cancellation in the database. Unlike
    `asyncio.TaskGroup`, this raises the error itself and not an exception group.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except asyncio.CancelledError:
        # `gather` has cancelled the tasks; a second cancel would interrupt their clean-up.
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
