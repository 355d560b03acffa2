"""Everything a process needs to ask providers: connections, transports, limiters. Opened for one piece of work."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import PostgresQuotaStore, ProviderLimiter, QuotaLimiter
from cluster.providers.calling.metered_client import CallScope, MeteredClient
from cluster.providers.calling.model_client import ModelProvider
from cluster.providers.calling.provider_chain import ProviderChain
from cluster.providers.configuration import ProviderEndpoint, open_transport
from cluster.providers.types import ModelTarget, Transport

LimiterFinder = Callable[[ModelTarget, "QuotaLimiter"], "QuotaLimiter"]


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a piece of work may do: for whom, with which models, until when (seconds of the epoch)."""

    scope: CallScope
    targets: tuple[ModelTarget, ...]
    language: str
    deadline: float


@dataclass(frozen=True, slots=True)
class CallContextConfig:
    """Where things are; small enough to send to another process."""

    dsn: str
    endpoints: dict[str, ProviderEndpoint]
    find_limiter: LimiterFinder | None = None
    open_transport: Callable[[str, ProviderEndpoint], Transport] = open_transport


class ProviderConnections:
    """The ways to the database and to the vendors: of one desk, or kept by a process for all its desks."""

    def __init__(self, config: CallContextConfig, max_connections: int = 4) -> None:
        self._parts = config
        self._transports: dict[str, Transport] = {}
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            config.dsn,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=15.0,
            # The same few statements, again and again: planned on their first use.
            kwargs={"autocommit": True, "prepare_threshold": 0},
        )

    async def ensure_open(self) -> None:
        """Open the database's, or make sure that they still are."""
        if self.pool.closed:
            await self.pool.open(wait=True, timeout=15.0)
        else:
            await self.pool.check()

    def transport(self, provider: str) -> Transport:
        """The way to a vendor, opened on first use."""
        if provider not in self._transports:
            self._transports[provider] = self._parts.open_transport(provider, self._parts.endpoints[provider])
        return self._transports[provider]

    async def close(self) -> None:
        """For good."""
        for one in self._transports.values():
            await one.close()
        await self.pool.close()


@dataclass(frozen=True, slots=True)
class CallContext:
    """An open desk."""

    pool: AsyncConnectionPool[Any]
    client: MeteredClient
    chain: ProviderChain


@asynccontextmanager
async def open_call_context(
    config: CallContextConfig,
    request: CallRequest,
    *,
    connections: ProviderConnections | None = None,
    num_pending: Callable[[], int] = lambda: 0,
    prefetch: tuple[int, int] = (0, 0),
) -> AsyncIterator[CallContext]:
    """A desk for `order`, closed at the end. `more`, and `expect` of the first model (tokens, calls): see Caller.

    `connections` belong to the caller; without them the desk has its own.
    """
    ways = connections or ProviderConnections(config)
    limiters: dict[str, QuotaLimiter] = {}

    def limiter(target: ModelTarget) -> QuotaLimiter:
        if target.key not in limiters:
            own = ProviderLimiter(PostgresQuotaStore(ways.pool, target.key))
            limiters[target.key] = config.find_limiter(target, own) if config.find_limiter else own
        return limiters[target.key]

    caller = MeteredClient(
        ways.pool,
        request.scope,
        ways.transport,
        limiter,
        deadline=request.deadline,
        clock=time.time,
        num_pending=num_pending,
    )
    try:
        if request.targets:
            caller.prefetch_permits(request.targets[0], *prefetch)
        await ways.ensure_open()
        chain = ProviderChain([ModelProvider(target, caller) for target in request.targets], deadline=request.deadline)
        yield CallContext(ways.pool, caller, chain)
    finally:
        await caller.close()
        if connections is None:
            await ways.close()
