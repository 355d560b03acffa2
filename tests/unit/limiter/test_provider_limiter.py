"""The limiter in virtual time: within the quota, fair, adaptive, and without hangs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from actors.fair_queue import FairQueue
from actors.provider_limiter import LimiterRefused, Permit, PermitRequest, ProviderLimiter
from actors.quota_state import (
    FAILURES_TO_OPEN,
    PAUSE_S,
    CallOutcome,
    QuotaState,
    RateLimit,
    rate_and_burst,
)
from tests.support.quota_store import MemoryQuotaStore

# No real I/O: idle cycles before the clock jumps are not needed, and make the tests ten times slower.
pytestmark = pytest.mark.looptime(noop_cycles=0)
LIMIT = RateLimit(60.0, 30_000.0, 8)


def now() -> float:
    return asyncio.get_running_loop().time()


class Grants:
    """Every granted call: the time and its upper bound of tokens."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def check(self, limit: RateLimit, largest: float) -> None:
        """In any interval of `t` seconds at most burst + rate * t, for requests and tokens."""
        for per_minute, amount, extra in (
            (limit.requests_per_minute, lambda call: 1.0, 0.0),
            (limit.tokens_per_minute, lambda call: call[1], largest),
        ):
            assert per_minute is not None
            rate, burst = rate_and_burst(per_minute)
            burst = max(burst, extra)
            # The minimum of "used so far minus rate * t" bounds every later value.
            used, lowest = 0.0, 0.0
            for at, tokens in self.calls:
                lowest = min(lowest, used - rate * at)
                used += amount((at, tokens))
                assert used - rate * at - lowest <= burst + 1e-6, f"over the quota at {at}"


class Crashed(Exception):
    """The error that callers get when the limiter's process ends."""


class Process:
    """A limiter in a process: `crash` cancels its serving loop and all calls to it."""

    def __init__(self, store: MemoryQuotaStore) -> None:
        self.limiter = ProviderLimiter(store, now)
        self.calls: set[asyncio.Future[Any]] = set()
        self.is_alive = True

    async def call(self, work: Awaitable[Any]) -> Any:
        """Run `work` in the process. Raises Crashed; how far the work came is then unknown."""
        task = asyncio.ensure_future(work)
        self.calls.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self.is_alive:
                raise
            raise Crashed from None
        finally:
            self.calls.discard(task)

    def crash(self) -> None:
        self.is_alive = False
        serving = self.limiter._serving
        for task in (*self.calls, *([serving] if serving is not None else [])):
            task.cancel()


class SlowStore(MemoryQuotaStore):
    """Delays updates before and after, as a database does, so that crashes can fall in between."""

    async def update(self, change: Callable[[QuotaState, float], Any]) -> Any:
        await asyncio.sleep(0.004)
        result = await super().update(change)
        await asyncio.sleep(0.004)
        return result


@pytest.mark.parametrize("seed", range(6))
async def test_four_crashing_replicas_never_exceed_the_quota_in_ten_minutes(seed: int) -> None:
    rng = random.Random(seed)
    store, grants = SlowStore(now), Grants()
    replicas = [Process(store) for _ in range(4)]
    crashed = interrupted = 0
    last_permit = ""

    async def caller(number: int) -> None:
        nonlocal interrupted, last_permit
        while now() < 600:
            await asyncio.sleep(rng.expovariate(0.4))
            replica = replicas[rng.randrange(4)]
            request = PermitRequest(
                f"user{number % 7}", rng.randint(50, 7_000), rng.random() < 0.6, 1.0, rng.choice([2, 20]), 30
            )
            # Some requests name a predecessor: a call of any user, running or ended.
            request = replace(request, after=rng.choice(["", last_permit]))
            try:
                permit = await replica.call(replica.limiter.reserve(request, LIMIT))
            except LimiterRefused as refused:
                await asyncio.sleep(min(refused.wait_s, 10))
                continue
            except Crashed:
                interrupted += 1
                continue
            last_permit = permit.permit_id
            grants.calls.append((now(), request.tokens))
            await asyncio.sleep(rng.uniform(0.2, 8))
            kind: Any = rng.choice(["ok", "ok", "ok", "throttled", "down", "refused"])
            outcome = CallOutcome(kind, retry_after_s=rng.uniform(0, 5))
            try:
                await replica.call(replica.limiter.settle(permit.permit_id, outcome))
            except Crashed:
                interrupted += 1

    async def crasher() -> None:
        nonlocal crashed
        while now() < 600:
            await asyncio.sleep(rng.expovariate(1 / 15))
            number = rng.randrange(4)
            replicas[number].crash()
            replicas[number] = Process(store)
            crashed += 1
            if rng.random() < 0.2:
                store.state = None  # The shared state is lost too: all limiters start cold.

    await asyncio.gather(crasher(), *(caller(number) for number in range(40)))
    grants.check(LIMIT, largest=7_000)
    assert crashed > 20
    assert interrupted > 10
    assert len(grants.calls) > 60


async def test_steady_demand_uses_nearly_the_whole_refill() -> None:
    store, grants = MemoryQuotaStore(now), Grants()
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(60.0, None, 100)

    async def caller() -> None:
        while now() < 600:
            try:
                permit = await limiter.reserve(PermitRequest("a", 1, max_wait_s=60), limit)
            except LimiterRefused as refused:
                await asyncio.sleep(refused.wait_s)
                continue
            grants.calls.append((now(), 1))
            await asyncio.sleep(1)
            await limiter.settle(permit.permit_id, CallOutcome("ok"))

    await asyncio.gather(*(caller() for _ in range(5)))
    rate, _ = rate_and_burst(60.0)
    assert len(grants.calls) >= 0.95 * rate * 600


async def test_lost_state_starts_with_empty_buckets() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    started = now()
    await limiter.reserve(PermitRequest("a", 100), LIMIT)
    assert now() - started > 0.5


async def test_interactive_precedes_batch_and_users_alternate() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 1)
    first = await limiter.reserve(PermitRequest("x", 10), limit)
    order: list[str] = []

    async def call(name: str, user: str, is_interactive: bool, weight: float = 1.0) -> None:
        permit = await limiter.reserve(PermitRequest(user, 10, is_interactive, weight, max_wait_s=1000), limit)
        order.append(name)
        await limiter.settle(permit.permit_id, CallOutcome("ok"))

    calls = [("batch", "c", False), *((f"a{n}", "a", True) for n in range(4)), ("b0", "b", True), ("b1", "b", True)]
    tasks = []
    for arguments in calls:
        tasks.append(asyncio.ensure_future(call(*arguments)))
        await asyncio.sleep(0)
    await limiter.settle(first.permit_id, CallOutcome("ok"))
    await asyncio.gather(*tasks)
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3", "batch"]


async def _batch_calls(limiter: ProviderLimiter, limit: RateLimit, starts: list[float], tokens: int) -> None:
    """Call without end, as one worker of a batch run does; each call takes five seconds."""
    while True:
        try:
            permit = await limiter.reserve(PermitRequest("run", tokens, is_interactive=False, max_wait_s=60), limit)
        except LimiterRefused as refused:
            await asyncio.sleep(refused.wait_s)
            continue
        starts.append(now())
        await asyncio.sleep(5)
        await limiter.settle(permit.permit_id, CallOutcome("ok"))


@pytest.mark.parametrize("limit", [RateLimit(60.0, 30_000.0, 8), RateLimit(None, None, 8), RateLimit(60.0, None, 100)])
async def test_a_batch_run_leaves_half_of_each_limit_to_the_users_of_another_cluster(limit: RateLimit) -> None:
    store = MemoryQuotaStore(now)
    batch, users = ProviderLimiter(store, now), ProviderLimiter(store, now)
    starts: list[float] = []
    workers = [asyncio.ensure_future(_batch_calls(batch, limit, starts, 500)) for _ in range(20)]
    await asyncio.sleep(300)
    assert len(starts) > 100, "the run gets what is left"
    for _ in range(5):
        sent_at = now()
        # At once: up to half of the burst and of the concurrent calls are free at any time.
        permits = [await users.reserve(PermitRequest("ann", 800), limit) for _ in range(4)]
        assert now() == sent_at
        for permit in permits:
            await users.settle(permit.permit_id, CallOutcome("ok"))
        await asyncio.sleep(60)
    for worker in workers:
        worker.cancel()


async def test_no_batch_call_starts_while_a_user_of_another_cluster_waits() -> None:
    """A call of nearly the whole burst would never start if batch calls took each refill."""
    store, limit = MemoryQuotaStore(now), RateLimit(None, 30_000.0, 8)
    batch, users = ProviderLimiter(store, now), ProviderLimiter(store, now)
    starts: list[float] = []
    workers = [asyncio.ensure_future(_batch_calls(batch, limit, starts, 1_500)) for _ in range(8)]
    await asyncio.sleep(120)
    sent_at = now()
    await users.reserve(PermitRequest("ann", 7_400), limit)
    granted_at = now()
    assert granted_at > sent_at
    assert not [at for at in starts if sent_at < at < granted_at]
    await asyncio.sleep(120)
    assert [at for at in starts if at > granted_at], "afterwards the run goes on"
    for worker in workers:
        worker.cancel()


def test_a_state_without_waiting_users_is_readable_by_the_version_before() -> None:
    state = QuotaState(at=10.0)
    state.hold_batch_calls(3.0)
    assert QuotaState.from_json(state.to_json(), 10.0) == state
    state.advance(LIMIT, 60.0)
    assert "users_wait_until" not in state.to_json()


def test_service_is_shared_by_weight() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(60):
        queue.push("heavy", user="h", cost=10, weight=3.0)
        queue.push("light", user="l", cost=10, weight=1.0)
    served = [queue.pop() for _ in range(40)]
    assert served.count("heavy") == pytest.approx(30, abs=1)


def test_idle_user_accumulates_no_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(50):
        queue.push("a", user="a", cost=10)
    for _ in range(30):
        queue.pop()
    for _ in range(20):
        queue.push("b", user="b", cost=10)
    served = [queue.pop() for _ in range(10)]
    assert 4 <= served.count("a") <= 6


async def test_refusal_is_immediate_and_names_the_reset_time() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    await limiter.reserve(PermitRequest("a", 7_500, max_wait_s=60), LIMIT)
    started = now()
    with pytest.raises(LimiterRefused) as refused:
        await limiter.reserve(PermitRequest("a", 7_500, max_wait_s=5), LIMIT)
    assert now() - started < 1
    assert refused.value.wait_s == pytest.approx(7_500 / rate_and_burst(30_000)[0], rel=0.1)
    # The named time is sufficient.
    await asyncio.sleep(refused.value.wait_s)
    await limiter.reserve(PermitRequest("a", 7_500, max_wait_s=0.5), LIMIT)


async def test_long_queue_serves_the_first_and_refuses_the_last() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(60.0, None, 100)
    results = await asyncio.gather(
        *(limiter.reserve(PermitRequest(f"u{n}", 1, max_wait_s=20), limit) for n in range(60)), return_exceptions=True
    )
    granted = [result for result in results if isinstance(result, Permit)]
    refused = [result for result in results if isinstance(result, LimiterRefused)]
    assert len(granted) + len(refused) == 60
    assert granted
    assert refused
    assert max(permit.waited_s for permit in granted) <= 20.01
    assert now() < 21


async def test_throttling_blocks_halves_the_rate_and_recovers() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    await asyncio.sleep(100)
    permits = [await limiter.reserve(PermitRequest("a", 10), LIMIT) for _ in range(3)]
    throttled_at = now()
    for permit in permits:
        await limiter.settle(permit.permit_id, CallOutcome("throttled", retry_after_s=7))
    assert store.state is not None
    # Three calls of one incident halve the rate once.
    assert store.state.backoff_factor(now()) == 0.5
    permit = await limiter.reserve(PermitRequest("a", 10), LIMIT)
    assert now() - throttled_at >= 7
    await limiter.settle(permit.permit_id, CallOutcome("ok"))
    await asyncio.sleep(60)
    assert 0.6 < store.state.backoff_factor(now()) < 0.8
    await asyncio.sleep(200)
    assert store.state.backoff_factor(now()) == 1.0


async def test_circuit_opens_probes_once_and_closes() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 8)
    for _ in range(FAILURES_TO_OPEN):
        permit = await limiter.reserve(PermitRequest("a", 1), limit)
        await limiter.settle(permit.permit_id, CallOutcome("down"))
    opened_at = now()
    with pytest.raises(LimiterRefused) as refused:
        await limiter.reserve(PermitRequest("a", 1, max_wait_s=1), limit)
    assert refused.value.reason == "circuit_open"
    probe = await limiter.reserve(PermitRequest("a", 1, max_wait_s=30), limit)
    assert now() - opened_at >= PAUSE_S
    with pytest.raises(LimiterRefused):
        await limiter.reserve(PermitRequest("b", 1, max_wait_s=1), limit)
    await limiter.settle(probe.permit_id, CallOutcome("ok"))
    await asyncio.gather(*(limiter.reserve(PermitRequest("a", 1, max_wait_s=1), limit) for _ in range(8)))


async def test_failed_probe_doubles_the_pause() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 8)
    pauses: list[float] = []
    for _ in range(FAILURES_TO_OPEN + 2):
        permit = await limiter.reserve(PermitRequest("a", 1, max_wait_s=500), limit)
        await limiter.settle(permit.permit_id, CallOutcome("down"))
        pauses.append(now())
    waits = [b - a for a, b in pairwise(pauses)]
    assert waits[-1] > waits[-2] > 0


async def test_response_headers_lower_the_remaining_quota() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    await asyncio.sleep(200)
    permit = await limiter.reserve(PermitRequest("a", 10), LIMIT)
    hints = {"requests_per_minute": 6.0, "requests_left": 0.0, "tokens_left": 3.0}
    await limiter.settle(permit.permit_id, CallOutcome("ok", hints=hints))
    with pytest.raises(LimiterRefused):
        await limiter.reserve(PermitRequest("a", 10, max_wait_s=2), LIMIT)
    started = now()
    await limiter.reserve(PermitRequest("a", 10, max_wait_s=60), LIMIT)
    assert now() - started >= 1 / rate_and_burst(6.0)[0] * 0.99


async def test_unused_permits_are_released_and_lost_ones_expire() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 1)
    lost = await limiter.reserve(PermitRequest("a", 1, lease_s=30), limit)
    started = now()
    unused = await limiter.reserve(PermitRequest("a", 1, max_wait_s=100), limit)
    assert now() - started == pytest.approx(30, abs=1)
    await limiter.settle(unused.permit_id, CallOutcome("unused"))
    again = await limiter.reserve(PermitRequest("a", 1, max_wait_s=0.1), limit)
    await limiter.settle(lost.permit_id, CallOutcome("ok"))
    assert store.state is not None
    assert set(store.state.leases) == {again.permit_id}


async def test_successor_takes_the_slot_of_its_predecessor() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 1)
    first = await limiter.reserve(PermitRequest("a", 1), limit)
    second = await limiter.reserve(PermitRequest("a", 1, after=first.permit_id), limit)
    # The slot is promised once: neither a second successor nor another user gets it.
    for request in (
        PermitRequest("a", 1, max_wait_s=0.1, after=first.permit_id),
        PermitRequest("b", 1, max_wait_s=0.1),
    ):
        with pytest.raises(LimiterRefused) as refused:
            await limiter.reserve(request, limit)
        assert refused.value.reason == "concurrency"
    assert limiter.stats()["in_flight"] == 1
    await limiter.settle(first.permit_id, CallOutcome("ok"))
    assert limiter.stats()["in_flight"] == 1
    waiting = asyncio.ensure_future(limiter.reserve(PermitRequest("b", 1, max_wait_s=5), limit))
    await asyncio.sleep(0)
    # Waiting requests come first: a successor does not bypass the queue.
    with pytest.raises(LimiterRefused):
        await limiter.reserve(PermitRequest("c", 1, max_wait_s=0.1, after=second.permit_id), limit)
    await limiter.settle(second.permit_id, CallOutcome("ok"))
    await waiting
    assert limiter.stats()["in_flight"] == 1


def test_successor_gets_no_slot_that_backoff_removes() -> None:
    state, limit = QuotaState(at=0.0), RateLimit(None, None, 4)
    for name in "abcd":
        assert state.try_acquire(limit, name, 1, 60).is_granted
    state.release(limit, "d", CallOutcome("throttled"))
    # Two calls may run now, and three do.
    assert state.try_acquire(limit, "after a", 1, 60, "a").reason == "concurrency"
    state.release(limit, "b", CallOutcome("ok"))
    state.release(limit, "c", CallOutcome("ok"))
    assert state.try_acquire(limit, "after a", 1, 60, "a").is_granted


async def test_cancelled_request_leaves_the_queue() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    limit = RateLimit(None, None, 1)
    first = await limiter.reserve(PermitRequest("a", 1), limit)
    waiting = asyncio.ensure_future(limiter.reserve(PermitRequest("b", 1, max_wait_s=100), limit))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await limiter.settle(first.permit_id, CallOutcome("ok"))
    assert await limiter.reserve(PermitRequest("c", 1, max_wait_s=1), limit)
    assert limiter.stats()["queue_length"] == 0


async def test_unavailable_store_refuses_all_waiters() -> None:
    class UnavailableStore:
        async def update(self, change: Any) -> Any:
            raise OSError("no route")

    limiter = ProviderLimiter(UnavailableStore(), now)
    with pytest.raises(LimiterRefused) as refused:
        await limiter.reserve(PermitRequest("a", 1), LIMIT)
    assert refused.value.reason == "unreachable_OSError"


def test_state_survives_json() -> None:
    state = QuotaState(at=5.0)
    state.advance(LIMIT, 100.0)
    assert state.try_acquire(LIMIT, "p", 500, 30).is_granted
    state.release(LIMIT, "q", CallOutcome("throttled", retry_after_s=3))
    assert QuotaState.from_json(state.to_json(), 0.0) == state
    assert QuotaState.from_json({"at": 1, "of another version": 2}, 9.0) == QuotaState(at=9.0)


async def test_guessed_limit_is_replaced_by_a_higher_tier() -> None:
    """The vendor names a larger quota than guessed: it is used and never exceeded."""
    store, grants = MemoryQuotaStore(now), Grants()
    limiter = ProviderLimiter(store, now)
    guess = RateLimit(50.0, 40_000.0, 100, are_requests_guessed=True, are_tokens_guessed=True)
    permit = await limiter.reserve(PermitRequest("a", 100), guess)
    hints = {"requests_per_minute": 1000.0, "tokens_per_minute": 450_000.0, "requests_left": 999.0}
    await limiter.settle(permit.permit_id, CallOutcome("ok", hints=hints))
    started = now()

    async def caller() -> None:
        while now() - started < 60:
            try:
                permit = await limiter.reserve(PermitRequest("a", 100, max_wait_s=60), guess)
            except LimiterRefused as refused:
                await asyncio.sleep(refused.wait_s)
                continue
            grants.calls.append((now(), 100))
            await asyncio.sleep(1)
            await limiter.settle(permit.permit_id, CallOutcome("ok"))

    await asyncio.gather(*(caller() for _ in range(40)))
    assert len(grants.calls) > 10 * 50
    grants.check(RateLimit(1000.0, 450_000.0, 100), largest=100)


async def test_configured_limit_is_a_ceiling() -> None:
    store = MemoryQuotaStore(now)
    limiter = ProviderLimiter(store, now)
    hints = {"requests_per_minute": 1000.0, "tokens_per_minute": 450_000.0}
    permit = await limiter.reserve(PermitRequest("a", 10), LIMIT)
    await limiter.settle(permit.permit_id, CallOutcome("ok", hints=hints))
    assert store.state is not None
    assert store.state.limits(LIMIT, now()) == (60.0, 30_000.0)
    # A smaller learned quota applies below the configured one; a limit that is not named again is remembered.
    await limiter.settle("gone", CallOutcome("throttled", hints={"requests_per_minute": 10.0}))
    assert store.state.limits(LIMIT, now()) == (10.0, 30_000.0)
    assert store.state.limits(RateLimit(None, None, 1), now()) == (10.0, 450_000.0)
