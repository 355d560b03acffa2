"""Waits for the database end in time, whatever they wait for."""

from __future__ import annotations

import asyncio

import pytest

from serve.http.database_probe import DatabaseProbe, within
from serve.routes.health import check_within


async def test_work_that_resists_its_cancellation_is_not_waited_for() -> None:
    """As psycopg does, which tries to cancel the statement at a server that answers nothing."""
    released, has_ended = asyncio.Event(), asyncio.Event()

    async def hung() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()
            has_ended.set()
        raise AssertionError("it never answers")

    async with asyncio.timeout(30):
        with pytest.raises(TimeoutError):
            await within(0.01, hung())
        assert not has_ended.is_set()
        released.set()
        await has_ended.wait()


async def test_a_check_says_what_it_found_or_why_it_failed() -> None:
    async def found() -> str:
        return "ok"

    async def fails() -> str:
        raise ConnectionRefusedError

    assert await check_within(30, found()) == "ok"
    assert await check_within(30, fails()) == "does not answer (ConnectionRefusedError)"
    assert await check_within(0, asyncio.sleep(30, "late")) == "does not answer (TimeoutError)"


async def test_a_server_that_accepts_and_answers_nothing_is_silent_and_tried_once() -> None:
    connections = list[asyncio.StreamWriter]()
    server = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    probe = DatabaseProbe(f"postgresql://reader@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable", limit_s=0.3)
    assert all(await asyncio.gather(probe.is_silent(), probe.is_silent(), probe.is_silent()))
    assert len(connections) == 1
    # A refused connection is an answer: the request gets the error itself.
    server.close()
    for writer in connections:
        writer.close()
    await server.wait_closed()
    assert await probe.is_silent() is False
