"""The steps of map generation in the test's own process, without Ray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.maps.tasks import MapTasks


class InlineMapTasks(MapTasks):
    """Runs each step in the event loop's thread."""

    async def run_step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """See MapTasks."""
        return step(*arguments)
