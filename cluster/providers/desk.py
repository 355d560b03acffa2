"""Everything a process needs to ask providers: connections, transports, limiters. Opened for one piece of work."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import Limiter, PostgresStore, ProviderLimiter
from cluster.providers.calls import Caller, CallScope
from cluster.providers.chain import Chain
from cluster.providers.configuration import ProviderAccess, open_transport
from cluster.providers.model_provider import ModelProvider
from cluster.providers.protocol import ModelChoice, Transport

LimiterFinder = Callable[[ModelChoice, "Limiter"], "Limiter"]


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What a piece of work may do: for whom, with which models, until when (seconds of the epoch)."""

    scope: CallScope
    choices: tuple[ModelChoice, ...]
    language: str
    deadline: float


@dataclass(frozen=True, slots=True)
class DeskParts:
    """Where things are; small enough to send to another process."""

    dsn: str
    accesses: dict[str, ProviderAccess]
    find_limiter: LimiterFinder | None = None


@dataclass(slots=True)
class Desk:
    """An open desk."""

    pool: AsyncConnectionPool[Any]
    chain: Chain
    transports: dict[str, Transport] = field(default_factory=dict)


@asynccontextmanager
async def open_desk(parts: DeskParts, order: WorkOrder, *, max_connections: int = 4) -> AsyncIterator[Desk]:
    """A desk for `order`, closed at the end."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        parts.dsn, min_size=1, max_size=max_connections, open=False, timeout=15.0, kwargs={"autocommit": True}
    )
    transports: dict[str, Transport] = {}
    limiters: dict[str, Limiter] = {}

    def transport(provider: str) -> Transport:
        if provider not in transports:
            transports[provider] = open_transport(provider, parts.accesses[provider])
        return transports[provider]

    def limiter(choice: ModelChoice) -> Limiter:
        if choice.key not in limiters:
            own = ProviderLimiter(PostgresStore(pool, choice.key))
            limiters[choice.key] = parts.find_limiter(choice, own) if parts.find_limiter else own
        return limiters[choice.key]

    await pool.open()
    caller = Caller(pool, order.scope, transport, limiter, deadline=order.deadline, clock=time.time)
    try:
        chain = Chain([ModelProvider(choice, caller) for choice in order.choices], deadline=order.deadline)
        yield Desk(pool, chain, transports)
    finally:
        await caller.close()
        for one in transports.values():
            await one.close()
        await pool.close()
