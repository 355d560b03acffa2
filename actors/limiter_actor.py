"""The Ray rim of the limiter: one actor for one provider's model, found by name from everywhere in the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from typing import Any

import ray
import structlog
from psycopg_pool import AsyncConnectionPool
from ray.exceptions import RayActorError

from actors.provider_limiter import (
    CallOutcome,
    LimiterRefused,
    Permit,
    PermitRequest,
    PostgresQuotaStore,
    ProviderLimiter,
    QuotaLimiter,
)
from actors.quota_state import RateLimit
from actors.session_buffers import RAY_NAMESPACE
from telemetry.metrics import (
    PROVIDER_QUEUE_LENGTH,
    PROVIDER_REFUSALS,
    PROVIDER_UTILISATION,
    PROVIDER_WAIT_P95,
    REGISTRY,
)
from telemetry.ray_export import export_to_ray

log = structlog.get_logger("limiter")

#: A permit, and how its call went.
SettledPermit = tuple[str, CallOutcome]

#: Beyond the wait that was asked for; starting the actor takes seconds on a busy machine.
_RPC_TIMEOUT_S = 15.0
#: How long the news of a call that went well waits for a question to go with.
_SETTLE_PIGGYBACK_S = 0.01


def limiter_name(key: str) -> str:
    """The name a limiter is found by; `key` is `provider/model`."""
    return f"provider-limiter:{key}"


class ProviderLimiterActor:
    """See ProviderLimiter. Refusals are returned, not raised: across processes an exception is no longer itself."""

    def __init__(self, dsn: str, key: str, *, runs_in_ray: bool = True) -> None:
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn, min_size=1, max_size=2, open=False, timeout=5.0, kwargs={"autocommit": True}
        )
        self._is_open = False
        self._settling: set[asyncio.Task[None]] = set()
        self._limiter = ProviderLimiter(PostgresQuotaStore(self._pool, key))
        provider, _, model = key.partition("/")
        self._provider, self._model = provider, model
        REGISTRY.add_collector(self._set_gauges)
        if runs_in_ray:
            export_to_ray()

    async def reserve(
        self, request: PermitRequest, limit: RateLimit, settled: Sequence[SettledPermit] = ()
    ) -> Permit | LimiterRefused:
        """See Limiter; `ended` are calls of the client's that came back meanwhile."""
        await self._open()
        for permit_id, outcome in settled:
            # Before the question is looked at: it may need what they give back. Both are written in one go.
            settling = asyncio.ensure_future(self._settle_or_log(permit_id, outcome))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
        try:
            return await self._limiter.reserve(request, limit)
        except LimiterRefused as refused:
            PROVIDER_REFUSALS.labels(provider=self._provider, model=self._model).inc()
            return refused

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See Limiter."""
        # The first thing a restarted limiter hears may be how a call went that its former life let go.
        await self._open()
        await self._limiter.settle(permit_id, outcome)

    async def _settle_or_log(self, permit_id: str, outcome: CallOutcome) -> None:
        try:
            await self._limiter.settle(permit_id, outcome)
        except Exception as error:
            # The lease ends by itself.
            log.warning("permit_not_settled", error=type(error).__name__)

    async def _open(self) -> None:
        if not self._is_open:
            await self._pool.open()
            self._is_open = True

    async def close(self) -> None:
        """Let go of the database; for tests, an actor ends with its process."""
        REGISTRY.remove_collector(self._set_gauges)
        await self._pool.close()

    async def stats(self) -> dict[str, Any]:
        """Numbers for operators and tests."""
        return {**self._limiter.stats(), "pid": os.getpid()}

    def _set_gauges(self) -> None:
        stats = self._limiter.stats()
        PROVIDER_QUEUE_LENGTH.labels(provider=self._provider, model=self._model).set(stats["queue_length"])
        PROVIDER_UTILISATION.labels(provider=self._provider, model=self._model).set(stats["utilisation"])
        PROVIDER_WAIT_P95.labels(provider=self._provider, model=self._model).set(stats["wait_p95_s"])


class RemoteLimiter:
    """A limiter that is an actor elsewhere. While it is away, `own` works in its place, on the same shared state.

    Who ends a call well mostly begins another: the news waits a moment, and goes with the next question.
    """

    def __init__(self, handle: Any, fallback: QuotaLimiter) -> None:
        self._handle, self._fallback = handle, fallback
        self._unsent_settlements: dict[str, tuple[CallOutcome, asyncio.Event]] = {}

    async def reserve(self, request: PermitRequest, limit: RateLimit) -> Permit:
        """See Limiter."""
        ended = [(permit_id, outcome) for permit_id, (outcome, _) in self._unsent_settlements.items()]
        for _, taken in self._unsent_settlements.values():
            taken.set()
        self._unsent_settlements.clear()
        asking = self._handle.reserve.remote(request, limit, ended)
        try:
            # An actor on a node that was lost answers nothing at all until Ray has noticed.
            async with asyncio.timeout(request.max_wait_s + _RPC_TIMEOUT_S):
                answer = await asking
        except asyncio.CancelledError:
            # Whoever gave up does not stay in the queue.
            ray.cancel(asking)
            raise
        except (RayActorError, TimeoutError) as error:
            # What it may have granted meanwhile counts as out until its lease ends: less than the quota, never more.
            log.warning("limiter_away", error=type(error).__name__)
            for permit_id, outcome in ended:
                await self._fallback.settle(permit_id, outcome)
            return await self._fallback.reserve(request, limit)
        if isinstance(answer, LimiterRefused):
            raise answer
        permit: Permit = answer
        return permit

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See Limiter."""
        if outcome.kind == "ok":
            taken = asyncio.Event()
            self._unsent_settlements[permit_id] = (outcome, taken)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SETTLE_PIGGYBACK_S):
                    await taken.wait()
            if self._unsent_settlements.pop(permit_id, None) is None:
                return
        try:
            async with asyncio.timeout(_RPC_TIMEOUT_S):
                await self._handle.settle.remote(permit_id, outcome)
        except (RayActorError, TimeoutError):
            await self._fallback.settle(permit_id, outcome)


def provider_limiter(key: str, dsn: str, **options: Any) -> Any:
    """The cluster's one limiter for `key`, started on first use. `options` go to Ray (placement)."""
    remote = ray.remote(num_cpus=0, max_restarts=-1)(ProviderLimiterActor)
    return remote.options(
        name=limiter_name(key),
        namespace=RAY_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_concurrency=1000,
        **options,
    ).remote(dsn, key)
