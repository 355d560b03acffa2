"""The Ray rim of the limiter: one actor for one provider's model, found by name from everywhere in the cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

import ray
import structlog
from psycopg_pool import AsyncConnectionPool
from ray.exceptions import RayActorError

from actors.metrics import METERS, export_to_ray
from actors.provider_limiter import Ask, Limiter, LimiterRefused, Outcome, Permit, PostgresStore, ProviderLimiter
from actors.provider_window import RateLimit
from actors.session_buffers import NAMESPACE

log = structlog.get_logger("limiter")

#: Beyond the wait that was asked for; starting the actor takes seconds on a busy machine.
_ANSWERS_WITHIN_S = 15.0


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
        self._limiter = ProviderLimiter(PostgresStore(self._pool, key))
        provider, _, model = key.partition("/")
        self._labels = (provider, model)
        METERS.watch(self._gauges)
        if runs_in_ray:
            export_to_ray()

    async def reserve(self, ask: Ask, limit: RateLimit) -> Permit | LimiterRefused:
        """See Limiter."""
        await self._open()
        try:
            return await self._limiter.reserve(ask, limit)
        except LimiterRefused as refused:
            METERS.count("trailmind_provider_refusals_total", 1.0, *self._labels)
            return refused

    async def settle(self, permit_id: str, outcome: Outcome) -> None:
        """See Limiter."""
        # The first thing a restarted limiter hears may be how a call went that its former life let go.
        await self._open()
        await self._limiter.settle(permit_id, outcome)

    async def _open(self) -> None:
        if not self._is_open:
            await self._pool.open()
            self._is_open = True

    async def close(self) -> None:
        """Let go of the database; for tests, an actor ends with its process."""
        METERS.unwatch(self._gauges)
        await self._pool.close()

    async def stats(self) -> dict[str, Any]:
        """Numbers for operators and tests."""
        return {**self._limiter.stats(), "pid": os.getpid()}

    def _gauges(self) -> Iterable[tuple[str, float, tuple[str, ...]]]:
        numbers = self._limiter.stats()
        return [
            ("trailmind_provider_queue_length", numbers["queue_length"], self._labels),
            ("trailmind_provider_utilisation_ratio", numbers["utilisation"], self._labels),
            ("trailmind_provider_wait_p95_seconds", numbers["wait_p95_s"], self._labels),
        ]


class RemoteLimiter:
    """A limiter that is an actor elsewhere. While it is away, `own` works in its place, on the same shared state."""

    def __init__(self, handle: Any, own: Limiter) -> None:
        self._handle, self._own = handle, own

    async def reserve(self, ask: Ask, limit: RateLimit) -> Permit:
        """See Limiter."""
        asking = self._handle.reserve.remote(ask, limit)
        try:
            # An actor on a node that was lost answers nothing at all until Ray has noticed.
            async with asyncio.timeout(ask.max_wait_s + _ANSWERS_WITHIN_S):
                answer = await asking
        except asyncio.CancelledError:
            # Whoever gave up does not stay in the queue.
            ray.cancel(asking)
            raise
        except (RayActorError, TimeoutError) as error:
            # What it may have granted meanwhile counts as out until its lease ends: less than the quota, never more.
            log.warning("limiter_away", error=type(error).__name__)
            return await self._own.reserve(ask, limit)
        if isinstance(answer, LimiterRefused):
            raise answer
        permit: Permit = answer
        return permit

    async def settle(self, permit_id: str, outcome: Outcome) -> None:
        """See Limiter."""
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                await self._handle.settle.remote(permit_id, outcome)
        except (RayActorError, TimeoutError):
            await self._own.settle(permit_id, outcome)


def provider_limiter(key: str, dsn: str, **options: Any) -> Any:
    """The cluster's one limiter for `key`, started on first use. `options` go to Ray (placement)."""
    remote = ray.remote(num_cpus=0, max_restarts=-1)(ProviderLimiterActor)
    return remote.options(
        name=limiter_name(key),
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_concurrency=1000,
        **options,
    ).remote(dsn, key)
