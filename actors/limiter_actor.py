"""The limiter as a Ray actor: one per provider's model, found by name from any process of the cluster."""

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
    ProviderLimiter,
    QuotaLimiter,
)
from actors.quota_state import RateLimit
from actors.quota_store import PostgresQuotaStore
from actors.ray_actors import get_or_start_actor
from telemetry.metrics import (
    PROVIDER_QUEUE_LENGTH,
    PROVIDER_REFUSALS,
    PROVIDER_UTILISATION,
    PROVIDER_WAIT_P95,
    REGISTRY,
)
from telemetry.ray_export import export_to_ray

log = structlog.get_logger("limiter")

#: A permit id and the outcome of its call.
SettledPermit = tuple[str, CallOutcome]

#: In addition to the requested wait: starting the actor takes seconds on a busy machine.
_RPC_TIMEOUT_S = 15.0
#: How long the settlement of a successful call waits to be sent with the next request.
_SETTLE_PIGGYBACK_S = 0.01


def limiter_name(key: str) -> str:
    """The name of a limiter's actor; `key` is `provider/model`."""
    return f"provider-limiter:{key}"


class ProviderLimiterActor:
    """See ProviderLimiter. Refusals are returned, because Ray wraps an exception in a class of its own.

    A restart loses the queue; the quota is in PostgreSQL.
    """

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
        """See QuotaLimiter. `settled` are calls of the same client that have ended since its last request."""
        await self._open()
        for permit_id, outcome in settled:
            # Started before the request, which may need the released quota; the store batches both into one write.
            settling = asyncio.ensure_future(self._settle_or_log(permit_id, outcome))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
        try:
            return await self._limiter.reserve(request, limit)
        except LimiterRefused as refused:
            PROVIDER_REFUSALS.labels(provider=self._provider, model=self._model).inc()
            return refused

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See QuotaLimiter."""
        # The first call to a restarted actor may settle a permit that it granted before the restart.
        await self._open()
        await self._limiter.settle(permit_id, outcome)

    async def _settle_or_log(self, permit_id: str, outcome: CallOutcome) -> None:
        try:
            await self._limiter.settle(permit_id, outcome)
        except Exception as error:
            # The lease expires on its own.
            log.warning("permit_settlement_failed", error=type(error).__name__)

    async def _open(self) -> None:
        if not self._is_open:
            await self._pool.open()
            self._is_open = True

    async def close(self) -> None:
        """Close the database pool. For tests: an actor ends with its process."""
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
    """The client of a limiter actor. While the actor is unavailable, `fallback` is used, on the same shared state.

    A successful call is usually followed by another: its settlement waits for _SETTLE_PIGGYBACK_S to be sent with the
    next request.
    """

    def __init__(self, handle: Any, fallback: QuotaLimiter) -> None:
        self._handle, self._fallback = handle, fallback
        self._unsent_settlements: dict[str, tuple[CallOutcome, asyncio.Event]] = {}

    async def reserve(self, request: PermitRequest, limit: RateLimit) -> Permit:
        """See QuotaLimiter."""
        settled = self._take_unsent_settlements()
        reply = self._handle.reserve.remote(request, limit, settled)
        try:
            # An actor on a lost node does not respond until Ray has detected the loss.
            async with asyncio.timeout(request.max_wait_s + _RPC_TIMEOUT_S):
                result = await reply
        except asyncio.CancelledError:
            # Removes the request from the actor's queue.
            ray.cancel(reply)
            raise
        except (RayActorError, TimeoutError) as error:
            # A permit that the actor has granted meanwhile counts as running until its lease expires: the quota is
            # underused, never exceeded.
            log.warning("limiter_unavailable", error=type(error).__name__)
            for permit_id, outcome in settled:
                await self._fallback.settle(permit_id, outcome)
            return await self._fallback.reserve(request, limit)
        if isinstance(result, LimiterRefused):
            raise result
        permit: Permit = result
        return permit

    async def settle(self, permit_id: str, outcome: CallOutcome) -> None:
        """See QuotaLimiter."""
        if outcome.kind == "ok":
            is_taken = asyncio.Event()
            self._unsent_settlements[permit_id] = (outcome, is_taken)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SETTLE_PIGGYBACK_S):
                    await is_taken.wait()
            if self._unsent_settlements.pop(permit_id, None) is None:
                return
        try:
            async with asyncio.timeout(_RPC_TIMEOUT_S):
                await self._handle.settle.remote(permit_id, outcome)
        except (RayActorError, TimeoutError):
            await self._fallback.settle(permit_id, outcome)

    def _take_unsent_settlements(self) -> list[SettledPermit]:
        settled = [(permit_id, outcome) for permit_id, (outcome, _) in self._unsent_settlements.items()]
        for _, is_taken in self._unsent_settlements.values():
            is_taken.set()
        self._unsent_settlements.clear()
        return settled


def get_or_start_limiter(key: str, dsn: str, **options: Any) -> Any:
    """The handle of the limiter of `key`; starts the actor if there is none. `options` are Ray actor options."""
    return get_or_start_actor(ProviderLimiterActor, limiter_name(key), dsn, key, **options)
