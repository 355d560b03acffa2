"""Workers that receive SIGKILL at one point, in processes of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.generation import MapGenerator
from cluster.maps.loader import MapRequest
from cluster.providers.calling.call_context import CallContextConfig
from cluster.providers.configuration import ProviderEndpoint, provider_endpoints
from cluster.providers.enricher import Enricher
from cluster.providers.planning.user_limits import UserLimits
from cluster.runs.worker import work
from cluster.settings import Settings
from models.billing.ledger import TokenAllowance
from tests.conftest import Stores
from tests.support.conditions import LONG_PATIENCE_S
from tests.support.inline_map_tasks import InlineMapTasks
from tests.support.provider_tasks import InlineProviderTasks


async def _work_on_run(settings: Settings, run_id: str, owner: uuid.UUID) -> None:
    tasks = InlineProviderTasks(CallContextConfig(settings.database.postgres_dsn, provider_endpoints(settings)))
    await work(settings, run_id, owner, work_s=0.0, provider_tasks=tasks)


async def _make_map(stores: Stores, endpoints: dict[str, ProviderEndpoint], session_id: uuid.UUID) -> None:
    start = datetime.now(UTC) - timedelta(days=3)
    limits = UserLimits(TokenAllowance(start, start + timedelta(days=30), None))

    async def limits_of(user_id: uuid.UUID) -> UserLimits:
        return limits

    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(stores.libpq, open=False, kwargs={"autocommit": True})
    async with pool, Redis.from_url(stores.redis_url) as valkey:
        tasks = InlineProviderTasks(CallContextConfig(stores.libpq, endpoints))
        enricher = Enricher(pool, endpoints, tasks, limits_of)
        await MapGenerator(pool, valkey, InlineMapTasks(), enricher).generate(MapRequest(session_id))


def _work_until(point: str, begin: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    async def killed(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch(point, killed):
        asyncio.run(begin(*arguments))


async def killed_at(point: str, begin: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    """`begin(*arguments)` runs in another process, which is killed when it calls the function `point`.

    Raises AssertionError when it is not.
    """
    # Its processes are forked from one that has imported this module, and no test's threads.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    process = processes.Process(target=_work_until, args=(point, begin, *arguments))
    process.start()
    await asyncio.to_thread(process.join, LONG_PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL, point
    process.close()


async def run_worker_killed_at(settings: Settings, run_id: str, owner: uuid.UUID, point: str) -> None:
    """A worker claims an item of a run for `owner`, and is killed at `point`."""
    await killed_at(point, _work_on_run, settings, run_id, owner)


async def map_worker_killed_at(
    stores: Stores, endpoints: dict[str, ProviderEndpoint], session_id: uuid.UUID, point: str
) -> None:
    """A worker makes the map that a user waits for, and is killed at `point`."""
    await killed_at(point, _make_map, stores, endpoints, session_id)
