"""Permits asked for ahead: only for what is to come, never used after trouble, never kept."""

from __future__ import annotations

import asyncio

from actors.provider_limiter import CallOutcome, LimiterRefused, Permit, PermitRequest
from actors.quota_state import RateLimit
from cluster.providers.calling.permit_prefetch import PermitPrefetcher
from cluster.providers.types import ModelTarget

CHOICE = ModelTarget("openai", "gpt-5-mini")


class Desk:
    """Permits before a limiter that grants everything but what it is told to refuse, and remembers."""

    def __init__(self, to_come: int) -> None:
        self.to_come, self.is_closed = to_come, False
        self.asked: list[tuple[int, str]] = []
        self.settled: dict[str, str] = {}
        self.permits = PermitPrefetcher(
            lambda _: self, lambda _, tokens, after: PermitRequest("u", tokens, after=after), lambda: self.to_come
        )

    async def reserve(self, ask: PermitRequest, limit: RateLimit) -> Permit:
        if self.is_closed:
            raise LimiterRefused("circuit_open", 5.0)
        self.asked.append((ask.tokens, ask.after))
        return Permit(f"p{len(self.asked)}", 0.0)

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        self.settled[permit_id] = outcome.kind

    async def call(self, tokens: int, kind: str = "ok") -> str:
        self.to_come -= 1
        permit = await self.permits.acquire(CHOICE, tokens)
        self.permits.prefetch_next(CHOICE, tokens, permit)
        await self.permits.settle(CHOICE, permit, CallOutcome(kind))  # type: ignore[arg-type]
        return permit.permit_id


async def test_the_next_permit_is_there_before_it_is_asked_for() -> None:
    desk = Desk(3)
    assert [await desk.call(100) for _ in range(3)] == ["p1", "p2", "p3"]
    # Each follows the one before; after the last there is none.
    assert desk.asked == [(100, ""), (100, "p1"), (100, "p2")]
    await desk.permits.close()
    assert desk.settled == {"p1": "ok", "p2": "ok", "p3": "ok"}


async def test_the_first_calls_are_asked_for_at_once() -> None:
    desk = Desk(2)
    desk.permits.prefetch(CHOICE, 120, 2)
    assert {await desk.call(100), await desk.call(120)} == {"p1", "p2"}
    await desk.permits.close()
    assert len(desk.asked) == 2


async def test_a_permit_of_another_size_is_given_back() -> None:
    desk = Desk(3)
    await desk.call(100)
    assert await desk.call(101) == "p3"
    assert desk.asked[2] == (101, "")
    # Much too large is no use either: it would book what nobody takes.
    assert await desk.call(10) == "p5"
    await desk.permits.close()
    assert desk.settled == {"p1": "ok", "p2": "unused", "p3": "ok", "p4": "unused", "p5": "ok"}


async def test_after_trouble_nothing_goes_on_an_older_permit() -> None:
    desk = Desk(2)
    desk.permits.prefetch(CHOICE, 100, 3)
    await desk.call(100, "throttled")
    await desk.permits.close()
    assert desk.settled["p1"] == "throttled"
    assert sorted(desk.settled.values()) == ["throttled", "unused", "unused"]


async def test_what_was_refused_ahead_is_asked_again() -> None:
    desk = Desk(1)
    desk.is_closed = True
    desk.permits.prefetch(CHOICE, 100, 1)
    await asyncio.sleep(0)
    desk.is_closed = False
    assert await desk.call(100) == "p1"
    await desk.permits.close()


async def test_leave_that_nobody_used_is_given_back_at_the_end() -> None:
    desk = Desk(5)
    desk.permits.prefetch(CHOICE, 100, 2)
    await asyncio.sleep(0)
    await desk.permits.close()
    assert desk.settled == {"p1": "unused", "p2": "unused"}


async def test_closing_ends_the_wait_for_what_nobody_needs() -> None:
    class Busy(Desk):
        async def reserve(self, ask: PermitRequest, limit: RateLimit) -> Permit:
            await asyncio.Event().wait()
            raise AssertionError

    desk = Busy(1)
    desk.permits.prefetch(CHOICE, 100, 1)
    await asyncio.wait_for(desk.permits.close(), 1)
