"""One limiter for one provider's model: who may call now, who waits, who is told to come back later.

The quota itself is a row in PostgreSQL (`actors.quota_state`), so that all clusters share one truth; the queue is
in memory. A restart loses the queue: those who waited ask again. Calls that were out come back when their lease ends.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from psycopg_pool import AsyncConnectionPool

from actors.fair_queue import FairQueue
from actors.quota_state import CallOutcome, Decision, QuotaState, RateLimit
from models.errors import TrailmindError
from models.provider_quota import load_quota, save_quota

__all__ = [
    "CallOutcome",
    "LimiterRefused",
    "Permit",
    "PermitRequest",
    "ProviderLimiter",
    "QuotaLimiter",
    "QuotaStore",
    "RateLimit",
]

#: How often what other clusters did is looked at while somebody waits for a call of theirs to come back.
_POLL_S = 0.25
_BATCH = 16

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """A call somebody wants to make. `tokens` is the most it may use; `max_wait_s` how long it is worth waiting.

    `after` is the permit of a call that will have ended before this one begins: this one takes over its slot.
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
    """Leave to make one call. To be settled; otherwise it counts as out until the lease ends."""

    permit_id: str
    waited_s: float


class LimiterRefused(TrailmindError):
    """The call cannot go in the time it has. `reason` is what is in the way, `wait_s` when it will be gone."""

    code, status = "PROVIDER_THROTTLED", 429

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason, wait_s)
        self.reason, self.wait_s = reason, wait_s
        self.retry_after_s = wait_s

    def __str__(self) -> str:
        return f"the provider's quota is used up ({self.reason}); again in {self.wait_s:.0f} s"


class QuotaLimiter(Protocol):
    """What a caller sees: the actor, or one in its own process."""

    async def reserve(self, request: PermitRequest, limit: RateLimit) -> Permit:
        """Wait for one's turn. Raises LimiterRefused."""
        ...

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """Say how the call went."""
        ...


class QuotaStore(Protocol):
    """Where the shared state lives."""

    async def update(self, change: Callable[[QuotaState, float], Result]) -> Result:
        """Run `change(state, now)`, alone, and keep what it made of the state. `now` is the clock all share.

        It may be run more than once; the last run counts.
        """
        ...


@dataclass(slots=True, eq=False)
class _Waiter:
    request: PermitRequest
    since: float
    granted: asyncio.Future[Permit] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class ProviderLimiter:
    """Queues calls and lets them go within the quota."""

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
        """See Limiter. The newest limit given is the one that holds."""
        if limit != self._limit:
            self._limit = limit
            self._changed.set()
        waiting = _Waiter(request, self._clock())
        self._push(waiting)
        self._ensure_serving()
        try:
            return await waiting.granted
        except asyncio.CancelledError:
            if waiting.granted.done() and not waiting.granted.cancelled() and waiting.granted.exception() is None:
                # Granted in the very moment the caller gave up: nobody will call.
                await self.settle(waiting.granted.result().permit_id, CallOutcome("unused"))
            raise

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See Limiter."""
        limit = self._limit

        def change(state: QuotaState, now: float) -> None:
            # Here, in the order of the changes: what comes back later may be older than the next permit.
            self.in_flight = _apply_settlement(state, now, limit, permit_id, outcome)

        await self._store.update(change)
        self._changed.set()

    def stats(self) -> dict[str, Any]:
        """Numbers for operators: the queue, the waits, what is in the way."""
        waits = sorted(self.recent_waits_s)
        return {
            "queue_length": len(self._queue),
            "in_flight": self.in_flight,
            "utilisation": self.in_flight / max(1, self._limit.max_concurrent),
            "num_granted": self.num_granted,
            "num_refused": self.num_refused,
            "wait_p95_s": waits[int(len(waits) * 0.95)] if waits else 0.0,
            "blocked_by": self.blocked_by,
        }

    def _push(self, one: _Waiter) -> None:
        ask = one.request
        self._queue.push(one, user=ask.user, cost=ask.tokens, weight=ask.weight, is_interactive=ask.is_interactive)

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
                # The truth cannot be reached: nobody goes, and nobody hangs.
                self._refuse_all(error)
                return
            if wait_s > 0 and len(self._queue):
                soonest = min(one.since + one.request.max_wait_s for one in self._queue.waiting()) - self._clock()
                try:
                    async with asyncio.timeout(max(0.001, min(wait_s, soonest + 0.001))):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _serve_batch(self) -> float:
        """Let go whoever may, up to a batch; refuse whose time is over; return how long nothing more can go."""
        self._queue.remove({id(one) for one in self._queue.waiting() if one.granted.done()})
        if not len(self._queue):
            return 0.0
        chosen: list[tuple[_Waiter, str]] = []
        limit = self._limit

        def decide(state: QuotaState, now: float) -> tuple[Decision, list[tuple[_Waiter, float]]]:
            # The store may run this again when another cluster was faster.
            for one, _ in chosen:
                self._push(one)
            chosen.clear()
            state.advance(limit, now)
            verdict = Decision()
            while len(chosen) < _BATCH and (head := self._queue.peek()) is not None:
                permit_id = self._new_id()
                verdict = state.try_acquire(
                    limit, permit_id, head.request.tokens, head.request.lease_s, head.request.after
                )
                if not verdict.is_granted:
                    break
                self._queue.pop()
                chosen.append((head, permit_id))
            self.in_flight = state.num_in_flight()
            return verdict, self._expected_waits(state, limit)

        try:
            verdict, expected = await self._store.update(decide)
        except BaseException:
            # Nothing was kept of what we decided.
            for one, _ in chosen:
                self._push(one)
            raise
        await self._grant(chosen)
        self.blocked_by = verdict.reason
        if verdict.is_granted:
            return 0.0
        self._refuse_late(verdict, expected)
        return min(verdict.wait_s, _POLL_S) if verdict.reason in ("concurrency", "circuit_open") else verdict.wait_s

    def _expected_waits(self, state: QuotaState, limit: RateLimit) -> list[tuple[_Waiter, float]]:
        """Who waits, and when each may expect to go by the quota alone."""
        found = []
        tokens = 0
        order = sorted(self._queue.waiting(), key=lambda one: (not one.request.is_interactive, one.since))
        for number, one in enumerate(order, 1):
            tokens += one.request.tokens
            found.append((one, state.estimated_wait_s(limit, number, tokens)))
        return found

    async def _grant(self, chosen: Sequence[tuple[_Waiter, str]]) -> None:
        now = self._clock()
        for one, permit_id in chosen:
            if one.granted.done():  # Gave up while the state was being written.
                await self.settle(permit_id, CallOutcome("unused"))
                continue
            waited = now - one.since
            self.num_granted += 1
            self.recent_waits_s = [*self.recent_waits_s[-199:], waited]
            one.granted.set_result(Permit(permit_id, waited))

    def _refuse_late(self, verdict: Decision, expected: Sequence[tuple[_Waiter, float]]) -> None:
        """Refuse whoever cannot go in time, at once rather than after a wait in vain."""
        now = self._clock()
        late: set[int] = set()
        for one, wait_s in expected:
            left = one.since + one.request.max_wait_s - now
            if left <= 0 or wait_s > left:
                late.add(id(one))
                self.num_refused += 1
                if not one.granted.done():
                    one.granted.set_exception(LimiterRefused(verdict.reason, max(wait_s, min(verdict.wait_s, 5.0))))
        self._queue.remove(late)

    def _refuse_all(self, error: Exception) -> None:
        for one in self._queue.waiting():
            if not one.granted.done():
                one.granted.set_exception(LimiterRefused(f"unreachable_{type(error).__name__}", 5.0))
                self.num_refused += 1
        self._queue = FairQueue()


def _apply_settlement(state: QuotaState, now: float, limit: RateLimit, permit_id: str, outcome: CallOutcome) -> int:
    state.advance(limit, now)
    state.release(limit, permit_id, outcome)
    return state.num_in_flight()


class PostgresQuotaStore:
    """The state as a row, which all clusters of this database share. The clock is PostgreSQL's.

    Whoever writes says which version they changed, and begins again when somebody else was faster. A limiter is nearly
    always alone, so that a change is one statement; changes that wait for it go together in the next.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], key: str, clock: Callable[[], float] | None = None) -> None:
        self._pool, self._key, self._clock = pool, key, clock
        self._pending: list[_PendingUpdate] = []
        self._writing: asyncio.Task[None] | None = None
        # The last version seen, its state, and how far PostgreSQL's clock is ahead of ours.
        self._last_read: tuple[int, Any] | None = None
        self._clock_offset_s = 0.0

    async def update(self, change: Callable[[QuotaState, float], Result]) -> Result:
        """See WindowStore. `change` may be run more than once; the last run counts."""
        mine = _PendingUpdate(change)
        self._pending.append(mine)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        result: Result = await asyncio.shield(mine.done)
        return result

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                results = await self._apply(batch)
            except Exception as error:
                self._last_read = None
                for one in batch:
                    if not one.done.done():
                        one.done.set_exception(error)
                continue
            for one, result in zip(batch, results, strict=True):
                if not one.done.done():
                    one.done.set_result(result)

    async def _apply(self, batch: Sequence[_PendingUpdate]) -> list[Any]:
        async with self._pool.connection() as connection:
            while True:
                if self._last_read is None:
                    stored = await load_quota(connection, self._key)
                    self._last_read = (stored.version, stored.state)
                    self._clock_offset_s = stored.now_s - time.monotonic()
                version, state_json = self._last_read
                now = self._clock() if self._clock is not None else time.monotonic() + self._clock_offset_s
                state = QuotaState.from_json(state_json, now)
                results = [pending.update(state, now) for pending in batch]
                new_json = state.to_json()
                if await save_quota(connection, self._key, version, new_json):
                    self._last_read = (version + 1, new_json)
                    return results
                self._last_read = None


@dataclass(slots=True, eq=False)
class _PendingUpdate:
    update: Callable[[QuotaState, float], Any]
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
