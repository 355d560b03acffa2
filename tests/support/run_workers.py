"""The workers of regeneration runs in the test's own process, without Ray."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.providers.tasks import ProviderTasks
from cluster.runs.driver import RunDriver
from cluster.runs.promotion import Promoter
from cluster.runs.worker import work
from cluster.settings import Settings


class InlineWorkers:
    """See `cluster.runs.driver.WorkerPool`."""

    def __init__(self, settings: Settings, num_workers: int = 2, provider_tasks: ProviderTasks | None = None) -> None:
        self._settings, self._num_workers, self._provider_tasks = settings, num_workers, provider_tasks

    def size(self) -> int:
        """See WorkerPool."""
        return self._num_workers

    async def work(self, run_id: str, owner: uuid.UUID) -> int:
        """See WorkerPool."""
        return await work(self._settings, run_id, owner, work_s=0.0, provider_tasks=self._provider_tasks)


@asynccontextmanager
async def run_driver(
    settings: Settings, workers: InlineWorkers | None = None
) -> AsyncIterator[tuple[RunDriver, Promoter]]:
    """A driver and a promoter on the stores of `settings`."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        settings.database.postgres_dsn, min_size=1, max_size=3, open=False, kwargs={"autocommit": True}
    )
    async with pool:
        valkey = Redis.from_url(settings.valkey.connection_url)
        promoter = Promoter(pool, valkey)
        yield RunDriver(pool, workers or InlineWorkers(settings), promoter, poll_s=0.05), promoter
        await valkey.aclose()
