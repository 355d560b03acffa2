"""Several calls at once that end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


async def gather_all(*calls: Coroutine[Any, Any, Value]) -> list[Value]:
    """Everything or nothing: when one fails, or the caller is cancelled, all have ended before the error goes on.

    `asyncio.gather` alone goes on with the first that was cancelled, while others still write down that they were.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except asyncio.CancelledError:
        # They have been told already; told twice, they would not finish what they do about it.
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
