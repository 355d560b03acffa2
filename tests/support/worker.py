"""A job worker in the test's own process: it runs what waits, when told to, with the steps inline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.jobs.app import JobResources, create_job_app
from cluster.maps.generation import MapGenerator
from cluster.maps.tasks import InlineMapTasks
from cluster.settings import Settings
from models.jobs import MAINTENANCE, MAPS, PREVIOUS_QUEUES


class Worker:
    """Carries jobs out on request."""

    def __init__(self, settings: Settings, pool: AsyncConnectionPool[Any], valkey: Redis) -> None:
        self.generator = MapGenerator(pool, valkey, InlineMapTasks())
        self._settings, self._resources = settings, JobResources(pool, self.generator)

    async def run(self) -> None:
        """Carry out every job that is due."""
        app = create_job_app(self._settings.database.postgres_dsn)
        async with app.open_async():
            await app.run_worker_async(
                queues=[MAPS, MAINTENANCE, *PREVIOUS_QUEUES],
                wait=False,
                install_signal_handlers=False,
                listen_notify=False,
                additional_context={"resources": self._resources},
            )


@asynccontextmanager
async def job_worker(settings: Settings) -> AsyncIterator[Worker]:
    """A worker on the stores of `settings`."""
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        valkey = Redis.from_url(settings.valkey.connection_url)
        yield Worker(settings, pool, valkey)
        await valkey.aclose()
