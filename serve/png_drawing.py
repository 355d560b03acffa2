"""PNG images drawn in a process of their own, one at a time in each replica.

Drawing takes seconds of a core and some hundred megabytes. One at a time bounds the memory of a replica, and a process
leaves the event loop free: the library that draws holds Python's global lock. A job with a file to fetch later was
considered and rejected: with a bounded area every picture is ready within a request.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import structlog

from models.errors import RateLimited, Unavailable

log = structlog.get_logger("serve")

#: Requests that wait for their turn in one replica; further ones are answered 503.
MAX_WAITING = 8
TIMEOUT_S = 40.0
#: Address space of the process: four times what the largest picture needs, because fonts are mapped into it.
MAX_MEMORY_BYTES = 1_500_000_000
RETRY_AFTER_S = 5.0


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
                return await _draw_in_process(svg, width)
        finally:
            self._users.discard(user_id)


async def _draw_in_process(svg: str, width: int | None) -> bytes:
    arguments = ["-m", "cluster.mindmap.render.png", "--max-memory-bytes", str(MAX_MEMORY_BYTES)]
    arguments += [] if width is None else ["--width", str(width)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        png, _ = await asyncio.wait_for(process.communicate(svg.encode()), TIMEOUT_S)
    except TimeoutError:
        log.warning("png_failed", reason="timeout")
        raise Unavailable("drawing the picture takes too long; choose a smaller width", RETRY_AFTER_S) from None
    finally:
        # Also when the client has gone or the request's deadline has passed.
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not png.startswith(b"\x89PNG"):
        log.warning("png_failed", reason="exit", exit_code=process.returncode)
        raise Unavailable("the picture could not be drawn; try again in a moment", RETRY_AFTER_S)
    return png
