"""The connections, the transports and the limiters that a process needs to call providers for one request."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import ProviderLimiter, QuotaLimiter
from actors.quota_store import PostgresQuotaStore
from cluster.providers.calling.metered_client import CallScope, MeteredClient
from cluster.providers.calling.model_client import ModelProvider
from cluster.providers.calling.provider_chain import ProviderChain
from cluster.providers.calling.settlements import SettlementWriter
from cluster.providers.configuration import ProviderEndpoint, open_transport
from cluster.providers.types import ModelTarget, Transport

#: Finds the shared limiter of a target, given a limiter of this process as its fallback.
LimiterFinder = Callable[[ModelTarget, QuotaLimiter], QuotaLimiter]


@dataclass(frozen=True, slots=True)
class CallRequest:
    """Whom to call for, the models in order, the language of the map, and the deadline in epoch seconds."""

    scope: CallScope
    targets: tuple[ModelTarget, ...]
    language: str
    deadline: float


@dataclass(frozen=True, slots=True)
class CallContextConfig:
    """The addresses of the database and the providers, and how limiters and transports are found."""

    dsn: str
    endpoints: dict[str, ProviderEndpoint]
    find_limiter: LimiterFinder | None = None
    open_transport: Callable[[str, ProviderEndpoint], Transport] = open_transport


class ProviderConnections:
    """The database pool and the vendors' transports, for one context or for all contexts of a process."""

    def __init__(self, config: CallContextConfig, max_connections: int = 4) -> None:
        self._config = config
        self._transports: dict[str, Transport] = {}
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            config.dsn,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=15.0,
            # Every call runs the same few statements: prepare them on their first use.
            kwargs={"autocommit": True, "prepare_threshold": 0},
        )
        self.settlements = SettlementWriter(self.pool)

    async def ensure_open(self) -> None:
        """Open the database pool, or replace its broken connections."""
        if self.pool.closed:
            await self.pool.open(wait=True, timeout=15.0)
        else:
            await self.pool.check()

    def transport(self, provider: str) -> Transport:
        """The transport of a provider, opened on the first use."""
        if provider not in self._transports:
            self._transports[provider] = self._config.open_transport(provider, self._config.endpoints[provider])
        return self._transports[provider]

    async def close(self) -> None:
        """Close the transports and the pool."""
        for transport in self._transports.values():
            await transport.close()
        await self.pool.close()


@dataclass(frozen=True, slots=True)
class CallContext:
    """The database pool, the metered client and the model chain of one request."""

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
    """A context for `request`, closed at the end: when every response is charged. Raises if a charge is not stored.

    Args:
        config: The addresses and factories of this process.
        request: The scope, models and deadline of the calls.
        connections: Connections that the caller owns; without them the context opens and closes its own.
        num_pending: Returns the number of calls that will follow those already started. See MeteredClient.
        prefetch: The tokens per call and the number of calls for which permits are requested at once.
    """
    used_connections = connections or ProviderConnections(config)
    limiters: dict[str, QuotaLimiter] = {}

    def limiter(target: ModelTarget) -> QuotaLimiter:
        if target.key not in limiters:
            fallback = ProviderLimiter(PostgresQuotaStore(used_connections.pool, target.key))
            limiters[target.key] = config.find_limiter(target, fallback) if config.find_limiter else fallback
        return limiters[target.key]

    client = MeteredClient(
        used_connections.pool,
        request.scope,
        used_connections.transport,
        limiter,
        deadline=request.deadline,
        clock=time.time,
        num_pending=num_pending,
        settlements=used_connections.settlements,
    )
    try:
        if request.targets:
            client.prefetch_permits(request.targets[0], *prefetch)
        await used_connections.ensure_open()
        chain = ProviderChain([ModelProvider(target, client) for target in request.targets], deadline=request.deadline)
        yield CallContext(used_connections.pool, client, chain)
        await client.wait_until_charged()
    finally:
        await client.close()
        if connections is None:
            await used_connections.close()
