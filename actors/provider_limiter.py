"""The limiter of one provider's model: grants permits within the quota, queues requests, refuses those that expire.

The quota is a row in PostgreSQL (`actors.quota_store`) that all clusters share; the queue is in memory. A restart loses
the queue, and waiting callers request again. The leases of running calls survive and expire on their own.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.fair_queue import FairQueue
from actors.quota_state import CallOutcome, Decision, QuotaState, RateLimit
from actors.quota_store import QuotaStore
from models.errors import TrailmindError

__all__ = [
    "CallOutcome",
    "LimiterRefused",
    "Permit",
    "PermitRequest",
    "ProviderLimiter",
    "QuotaLimiter",
    "RateLimit",
]

#: How often the shared state is read while a request waits for calls of other clusters to end.
_POLL_S = 0.25
#: Permits granted by one update of the shared state.
_BATCH = 16


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """A call that a client wants to make.

    `tokens` is the upper bound of its usage, `weight` the user's share, `max_wait_s` the longest wait in the queue and
    `lease_s` the time after which an unsettled call no longer counts as running. `after` is the permit of a call that
    ends before this one starts, whose concurrency slot this one takes. A user waits for an interactive call; the others
    use what the users of all clusters leave.
    """

    user: str
    tokens: int
    is_interactive: bool = True
    weight: float = 1.0
    max_wait_s: float = 20.0
    lease_s: float = 120.0
    after: str = ""


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to make one call. Must be settled; otherwise the call counts as running until its lease expires."""

    permit_id: str
    waited_s: float


class LimiterRefused(TrailmindError):
    """The call cannot start within its waiting time. `reason` names the limit; retry after `wait_s` seconds."""

    code, status = "PROVIDER_THROTTLED", 429

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason, wait_s)
        self.reason, self.wait_s = reason, wait_s
        self.retry_after_s = wait_s

    def __str__(self) -> str:
        return f"the provider's quota is used up ({self.reason}); retry in {self.wait_s:.0f} s"


class QuotaLimiter(Protocol):
    """A limiter as its clients see it: the actor, or one in their own process."""

    async def reserve(self, request: PermitRequest, limit: RateLimit) -> Permit:
        """Wait until the call may start. Raises LimiterRefused."""
        ...

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """Report how the call ended."""
        ...


@dataclass(slots=True, eq=False)
class _Waiter:
    request: PermitRequest
    since: float
    granted: asyncio.Future[Permit] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def time_left_s(self, now: float) -> float:
        return self.since + self.request.max_wait_s - now


class ProviderLimiter:
    """Queues permit requests and grants them within the quota. See QuotaLimiter.

    Args:
        store: The shared quota state.
        clock: Measures waiting times, in seconds.
        new_id: Makes unique permit ids.
    """

    def __init__(
        self,
        store: QuotaStore,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:16],
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._limit = RateLimit(None, None, 1)
        self._serving: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.num_granted = self.num_refused = 0
        self.recent_waits_s: list[float] = []
        self.in_flight = 0
        self.blocked_by = ""

    async def reserve(self, request: PermitRequest, limit: RateLimit) -> Permit:
        """See QuotaLimiter. The limit of the latest request applies to all."""
        if limit != self._limit:
            self._limit = limit
            self._changed.set()
        waiter = _Waiter(request, self._clock())
        self._enqueue(waiter)
        self._ensure_serving()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                # Granted at the moment of the cancellation: the call will not be made.
                await self.settle(waiter.granted.result().permit_id, CallOutcome("unused"))
            raise

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See QuotaLimiter."""
        limit = self._limit

        def change(state: QuotaState, now: float) -> None:
            state.advance(limit, now)
            state.release(limit, permit_id, outcome)
            # Set inside the update, in the order of the updates: the return of `update` may be delayed past the next.
            self.in_flight = state.num_in_flight()

        await self._store.update(change)
        self._changed.set()

    def stats(self) -> dict[str, Any]:
        """Numbers for operators: the queue, the waits in seconds, and the limit that blocks the queue."""
        waits_s = sorted(self.recent_waits_s)
        return {
            "queue_length": len(self._queue),
            "in_flight": self.in_flight,
            "utilisation": self.in_flight / max(1, self._limit.max_concurrent),
            "num_granted": self.num_granted,
            "num_refused": self.num_refused,
            "wait_p95_s": waits_s[int(len(waits_s) * 0.95)] if waits_s else 0.0,
            "blocked_by": self.blocked_by,
        }

    def _enqueue(self, waiter: _Waiter) -> None:
        request = waiter.request
        self._queue.push(
            waiter,
            user=request.user,
            cost=request.tokens,
            weight=request.weight,
            is_interactive=request.is_interactive,
        )

    def _ensure_serving(self) -> None:
        self._changed.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.ensure_future(self._serve_loop())

    async def _serve_loop(self) -> None:
        while len(self._queue):
            self._changed.clear()
            try:
                wait_s = await self._serve_batch()
            except Exception as error:
                # The quota store is unavailable: fail all waiters instead of blocking them.
                self._refuse_all(error)
                return
            if wait_s > 0 and len(self._queue):
                now = self._clock()
                first_expiry_s = min(waiter.time_left_s(now) for waiter in self._queue.waiting())
                try:
                    async with asyncio.timeout(max(0.001, min(wait_s, first_expiry_s + 0.001))):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _serve_batch(self) -> float:
        """Grant up to a batch of permits and refuse expired requests; returns the seconds until a retry is useful."""
        self._queue.remove({id(waiter) for waiter in self._queue.waiting() if waiter.granted.done()})
        if not len(self._queue):
            return 0.0
        chosen: list[tuple[_Waiter, str]] = []
        limit = self._limit

        def decide(state: QuotaState, now: float) -> tuple[Decision, list[tuple[_Waiter, float]]]:
            # The store runs this again when another cluster was faster.
            self._return_to_queue(chosen)
            state.advance(limit, now)
            decision = Decision()
            while len(chosen) < _BATCH and (head := self._queue.peek()) is not None:
                permit_id, request = self._new_id(), head.request
                decision = state.try_acquire(
                    limit,
                    permit_id,
                    request.tokens,
                    request.lease_s,
                    request.after,
                    is_interactive=request.is_interactive,
                )
                if not decision.is_granted:
                    if request.is_interactive and decision.wait_s <= head.time_left_s(self._clock()):
                        state.hold_batch_calls(decision.wait_s)
                    break
                self._queue.pop()
                chosen.append((head, permit_id))
            self.in_flight = state.num_in_flight()
            return decision, self._expected_waits(state, limit)

        try:
            decision, expected_waits = await self._store.update(decide)
        except BaseException:
            # The update was not stored.
            self._return_to_queue(chosen)
            raise
        await self._grant(chosen)
        self.blocked_by = decision.reason
        if decision.is_granted:
            return 0.0
        self._refuse_late(decision, expected_waits)
        # Calls of other clusters end without a signal to this process.
        return min(decision.wait_s, _POLL_S) if decision.reason in ("concurrency", "circuit_open") else decision.wait_s

    def _return_to_queue(self, chosen: list[tuple[_Waiter, str]]) -> None:
        for waiter, _ in chosen:
            self._enqueue(waiter)
        chosen.clear()

    def _expected_waits(self, state: QuotaState, limit: RateLimit) -> list[tuple[_Waiter, float]]:
        """The waiters with the seconds until each may start by the quota alone."""
        expected = []
        tokens = 0
        order = sorted(self._queue.waiting(), key=lambda waiter: (not waiter.request.is_interactive, waiter.since))
        for position, waiter in enumerate(order, 1):
            tokens += waiter.request.tokens
            is_interactive = waiter.request.is_interactive
            wait_s = state.estimated_wait_s(limit, position, tokens, is_interactive=is_interactive)
            expected.append((waiter, wait_s))
        return expected

    async def _grant(self, chosen: Sequence[tuple[_Waiter, str]]) -> None:
        now = self._clock()
        for waiter, permit_id in chosen:
            if waiter.granted.done():  # Cancelled while the state was being written.
                await self.settle(permit_id, CallOutcome("unused"))
                continue
            waited_s = now - waiter.since
            self.num_granted += 1
            self.recent_waits_s = [*self.recent_waits_s[-199:], waited_s]
            waiter.granted.set_result(Permit(permit_id, waited_s))

    def _refuse_late(self, decision: Decision, expected_waits: Sequence[tuple[_Waiter, float]]) -> None:
        """Refuse requests that cannot start within their waiting time now, instead of after a useless wait."""
        now = self._clock()
        refused_ids: set[int] = set()
        for waiter, wait_s in expected_waits:
            time_left_s = waiter.time_left_s(now)
            if time_left_s <= 0 or wait_s > time_left_s:
                refused_ids.add(id(waiter))
                retry_s = max(wait_s, min(decision.wait_s, 5.0))
                self._refuse(waiter, LimiterRefused(decision.reason, retry_s))
        self._queue.remove(refused_ids)

    def _refuse_all(self, error: Exception) -> None:
        for waiter in self._queue.waiting():
            self._refuse(waiter, LimiterRefused(f"unreachable_{type(error).__name__}", 5.0))
        self._queue = FairQueue()

    def _refuse(self, waiter: _Waiter, refusal: LimiterRefused) -> None:
        if not waiter.granted.done():
            waiter.granted.set_exception(refusal)
            self.num_refused += 1
