"""PNG images drawn in a process of their own, one at a time in each replica.

Drawing takes seconds of a core and some hundred megabytes. One at a time bounds the memory of a replica, and a process
leaves the event loop free: the library that draws holds Python's global lock. A job with a file to fetch later was
considered and rejected: with a bounded area every picture is ready within a request.
"""

from __future__ import annotations

import asyncio
import uuid

from cluster.mindmap.render.png_process import RETRY_AFTER_S, draw_in_process
from models.errors import RateLimited, Unavailable

#: Requests that wait for their turn in one replica; further ones are answered 503.
MAX_WAITING = 8


class PngDrawer:
    """Draws the PNG images of one replica."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._users: set[uuid.UUID] = set()

    async def draw(self, user_id: uuid.UUID, svg: str, width: int | None) -> bytes:
        """The PNG of `svg`; see `cluster.mindmap.render.png.to_png` for its size.

        Raises RateLimited while another picture of the same user is drawn or waits, so that one user cannot occupy the
        queue, and Unavailable when the queue is full or drawing fails.
        """
        if user_id in self._users:
            raise RateLimited("another picture of yours is being drawn; try again when it is ready", RETRY_AFTER_S)
        if len(self._users) > MAX_WAITING:
            raise Unavailable("many pictures are being drawn; try again in a moment", RETRY_AFTER_S)
        self._users.add(user_id)
        try:
            async with self._turn:
                return await draw_in_process(svg, width)
        finally:
            self._users.discard(user_id)
