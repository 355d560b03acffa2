"""Permit prefetching: only for pending calls, discarded after a failure, released at the end."""

from __future__ import annotations

import asyncio

from actors.provider_limiter import CallOutcome, LimiterRefused, Permit, PermitRequest
from actors.quota_state import RateLimit
from cluster.providers.calling.permit_prefetch import PermitPrefetcher
from cluster.providers.types import ModelTarget

CHOICE = ModelTarget("openai", "gpt-5-mini")


class PrefetchHarness:
    """A prefetcher and its limiter, which grants all requests unless `is_closed` and records them."""

    def __init__(self, num_pending: int) -> None:
        self.num_pending, self.is_closed = num_pending, False
        self.requested: list[tuple[int, str]] = []
        self.settled: dict[str, str] = {}
        self.permits = PermitPrefetcher(
            lambda _: self, lambda _, tokens, after: PermitRequest("u", tokens, after=after), lambda: self.num_pending
        )

    async def reserve(self, ask: PermitRequest, limit: RateLimit) -> Permit:
        if self.is_closed:
            raise LimiterRefused("circuit_open", 5.0)
        self.requested.append((ask.tokens, ask.after))
        return Permit(f"p{len(self.requested)}", 0.0)

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        self.settled[permit_id] = outcome.kind

    async def call(self, tokens: int, kind: str = "ok") -> str:
        self.num_pending -= 1
        permit = await self.permits.acquire(CHOICE, tokens)
        self.permits.prefetch_next(CHOICE, tokens, permit)
        await self.permits.settle(CHOICE, permit, CallOutcome(kind))  # type: ignore[arg-type]
        return permit.permit_id


async def test_next_permit_is_prefetched() -> None:
    harness = PrefetchHarness(3)
    assert [await harness.call(100) for _ in range(3)] == ["p1", "p2", "p3"]
    # Each permit names its predecessor; no permit is prefetched after the last call.
    assert harness.requested == [(100, ""), (100, "p1"), (100, "p2")]
    await harness.permits.close()
    assert harness.settled == {"p1": "ok", "p2": "ok", "p3": "ok"}


async def test_permits_of_the_first_calls_are_requested_at_once() -> None:
    harness = PrefetchHarness(2)
    harness.permits.prefetch(CHOICE, 120, 2)
    assert {await harness.call(100), await harness.call(120)} == {"p1", "p2"}
    await harness.permits.close()
    assert len(harness.requested) == 2


async def test_permit_of_unsuitable_size_is_released() -> None:
    harness = PrefetchHarness(3)
    await harness.call(100)
    assert await harness.call(101) == "p3"
    assert harness.requested[2] == (101, "")
    # A much larger permit is released too: it would book unused tokens.
    assert await harness.call(10) == "p5"
    await harness.permits.close()
    assert harness.settled == {"p1": "ok", "p2": "unused", "p3": "ok", "p4": "unused", "p5": "ok"}


async def test_failure_releases_prefetched_permits() -> None:
    harness = PrefetchHarness(2)
    harness.permits.prefetch(CHOICE, 100, 3)
    await harness.call(100, "throttled")
    await harness.permits.close()
    assert harness.settled["p1"] == "throttled"
    assert sorted(harness.settled.values()) == ["throttled", "unused", "unused"]


async def test_refused_prefetch_is_requested_again() -> None:
    harness = PrefetchHarness(1)
    harness.is_closed = True
    harness.permits.prefetch(CHOICE, 100, 1)
    await asyncio.sleep(0)
    harness.is_closed = False
    assert await harness.call(100) == "p1"
    await harness.permits.close()


async def test_close_releases_unused_permits() -> None:
    harness = PrefetchHarness(5)
    harness.permits.prefetch(CHOICE, 100, 2)
    await asyncio.sleep(0)
    await harness.permits.close()
    assert harness.settled == {"p1": "unused", "p2": "unused"}


async def test_close_cancels_waiting_requests() -> None:
    class BusyHarness(PrefetchHarness):
        async def reserve(self, ask: PermitRequest, limit: RateLimit) -> Permit:
            await asyncio.Event().wait()
            raise AssertionError

    harness = BusyHarness(1)
    harness.permits.prefetch(CHOICE, 100, 1)
    await asyncio.wait_for(harness.permits.close(), 1)
