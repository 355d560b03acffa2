"""Everything a process needs to ask providers: connections, transports, limiters. Opened for one piece of work."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from actors.provider_limiter import Limiter, PostgresStore, ProviderLimiter
from cluster.providers.calling.metered_client import Caller, CallScope
from cluster.providers.calling.model_client import ModelProvider
from cluster.providers.calling.provider_chain import Chain
from cluster.providers.configuration import ProviderAccess, open_transport
from cluster.providers.types import ModelChoice, Transport

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
    open_transport: Callable[[str, ProviderAccess], Transport] = open_transport


class Connections:
    """The ways to the database and to the vendors: of one desk, or kept by a process for all its desks."""

    def __init__(self, parts: DeskParts, max_connections: int = 4) -> None:
        self._parts = parts
        self._transports: dict[str, Transport] = {}
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            parts.dsn,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=15.0,
            # The same few statements, again and again: planned on their first use.
            kwargs={"autocommit": True, "prepare_threshold": 0},
        )

    async def ready(self) -> None:
        """Open the database's, or make sure that they still are."""
        if self.pool.closed:
            await self.pool.open(wait=True, timeout=15.0)
        else:
            await self.pool.check()

    def transport(self, provider: str) -> Transport:
        """The way to a vendor, opened on first use."""
        if provider not in self._transports:
            self._transports[provider] = self._parts.open_transport(provider, self._parts.accesses[provider])
        return self._transports[provider]

    async def close(self) -> None:
        """For good."""
        for one in self._transports.values():
            await one.close()
        await self.pool.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """An open desk."""

    pool: AsyncConnectionPool[Any]
    caller: Caller
    chain: Chain


@asynccontextmanager
async def open_desk(
    parts: DeskParts,
    order: WorkOrder,
    *,
    connections: Connections | None = None,
    more: Callable[[], int] = lambda: 0,
    expect: tuple[int, int] = (0, 0),
) -> AsyncIterator[Desk]:
    """A desk for `order`, closed at the end. `more`, and `expect` of the first model (tokens, calls): see Caller.

    `connections` belong to the caller; without them the desk has its own.
    """
    ways = connections or Connections(parts)
    limiters: dict[str, Limiter] = {}

    def limiter(choice: ModelChoice) -> Limiter:
        if choice.key not in limiters:
            own = ProviderLimiter(PostgresStore(ways.pool, choice.key))
            limiters[choice.key] = parts.find_limiter(choice, own) if parts.find_limiter else own
        return limiters[choice.key]

    caller = Caller(
        ways.pool, order.scope, ways.transport, limiter, deadline=order.deadline, clock=time.time, more=more
    )
    try:
        if order.choices:
            caller.expect(order.choices[0], *expect)
        await ways.ready()
        chain = Chain([ModelProvider(choice, caller) for choice in order.choices], deadline=order.deadline)
        yield Desk(ways.pool, caller, chain)
    finally:
        await caller.close()
        if connections is None:
            await ways.close()
