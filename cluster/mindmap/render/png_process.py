"""An SVG drawn as PNG in a process of its own: the library that draws holds Python's global lock."""

from __future__ import annotations

import asyncio
import sys

import structlog

from models.errors import Unavailable

log = structlog.get_logger("render")

TIMEOUT_S = 40.0
#: Address space of the process: four times what the largest picture needs, because fonts are mapped into it.
MAX_MEMORY_BYTES = 1_500_000_000
RETRY_AFTER_S = 5.0


async def draw_in_process(svg: str, width: int | None) -> bytes:
    """The PNG of `svg`; see `cluster.mindmap.render.png.to_png` for its size. Raises Unavailable."""
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
