"""PNG images are drawn one at a time, in processes that leave the event loop free and are bounded in memory."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import psutil
import pytest

from cluster.mindmap.render import png_process
from models.errors import RateLimited, Unavailable
from serve import png_drawing
from serve.png_drawing import MAX_WAITING, PngDrawer


def large_svg(num_pages: int = 1_500, side: int = 13_800) -> str:
    """About what the radial layout draws for a long session."""
    spots = [(i * 7919 % side, i * 104_729 % side) for i in range(num_pages)]
    shapes = "".join(
        f'<circle cx="{x}" cy="{y}" r="8" fill="#0a7"/><text x="{x}" y="{y}" font-size="12">Page {x}</text>'
        for x, y in spots
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side}" height="{side}" '
        f'font-family="Pretendard">{shapes}</svg>'
    )


async def test_the_event_loop_stays_free_and_memory_is_bounded() -> None:
    num_turns, most_bytes = 0, 0

    async def watch() -> None:
        nonlocal num_turns, most_bytes
        while True:
            await asyncio.sleep(0.005)
            num_turns += 1
            # Not RUSAGE_CHILDREN: it counts every process that this test process has ever started.
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if any("render.png" in word for word in child.cmdline()):
                        most_bytes = max(most_bytes, child.memory_info().rss)

    watching = asyncio.create_task(watch())
    png = await PngDrawer().draw(uuid.uuid4(), large_svg(), None)
    watching.cancel()
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (4000, 4000)
    # A thread would stop the loop for the whole time of drawing: it would turn once or twice. Turns are counted and not
    # timed, because a busy machine makes both slower.
    assert num_turns >= 10
    assert 0 < most_bytes < 600 * 1024 * 1024


async def test_one_picture_is_drawn_at_a_time_and_one_user_cannot_fill_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    active, most, may_finish = 0, 0, asyncio.Event()

    async def draw(svg: str, width: int | None) -> bytes:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await may_finish.wait()
        active -= 1
        return svg.encode()

    monkeypatch.setattr(png_drawing, "draw_in_process", draw)
    drawer, users = PngDrawer(), [uuid.uuid4() for _ in range(MAX_WAITING + 1)]
    waiting = [asyncio.create_task(drawer.draw(user, str(i), None)) for i, user in enumerate(users)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await drawer.draw(users[3], "again", None)
    with pytest.raises(Unavailable):
        await drawer.draw(uuid.uuid4(), "one too many", None)
    # A client that disconnects makes room for another.
    waiting[5].cancel()
    await asyncio.wait([waiting[5]])
    waiting.append(asyncio.create_task(drawer.draw(uuid.uuid4(), "instead", None)))
    await asyncio.sleep(0)
    may_finish.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [d for d in done if isinstance(d, bytes)] == [b"0", b"1", b"2", b"3", b"4", b"6", b"7", b"8", b"instead"]
    assert most == 1


async def test_a_process_that_fails_or_takes_too_long_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    drawer, user = PngDrawer(), uuid.uuid4()
    with pytest.raises(Unavailable):
        await drawer.draw(user, "no image", None)
    with monkeypatch.context() as little_memory:
        little_memory.setattr(png_process, "MAX_MEMORY_BYTES", 60_000_000)
        with pytest.raises(Unavailable):
            await drawer.draw(user, large_svg(10), None)
    monkeypatch.setattr(png_process, "TIMEOUT_S", 0.01)
    with pytest.raises(Unavailable, match="too long"):
        await drawer.draw(user, large_svg(), None)
    monkeypatch.undo()
    # The turn is free again.
    assert (await drawer.draw(user, large_svg(10, 100), None)).startswith(b"\x89PNG")
