"""Checks of readiness end in time, whatever they wait for."""

from __future__ import annotations

import asyncio

from serve.routes.health import check_within


async def test_a_check_that_resists_its_cancellation_is_not_waited_for() -> None:
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
        assert await check_within(0.01, hung()) == "does not answer (TimeoutError)"
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
