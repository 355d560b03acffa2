"""Waits for a condition instead of a number of event loop iterations or a fixed time, and how long tests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: How long a test waits for what takes a second or two on a free machine. A wait ends when its condition is true, so a
#: long limit costs nothing while tests pass, and a machine that is busy or slow fails none.
PATIENCE_S: Final = 90.0
#: The same for what takes up to 20 seconds: a map, the end of a recording after faults.
LONG_PATIENCE_S: Final = 180.0


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Let other tasks run until `condition` is true. Raises TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0)
