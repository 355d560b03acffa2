"""A job worker in the test's own process. It runs due jobs on request, with the steps inline instead of in Ray."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.jobs.app import JobResources, create_job_app
from cluster.maps.generation import MapGenerator
from cluster.runs.operation import RunOperator
from cluster.settings import Settings
from models.jobs import MAINTENANCE, MAPS, PREVIOUS_QUEUES, RUNS
from tests.support.inline_map_tasks import InlineMapTasks
from tests.support.run_workers import InlineWorkers


class InProcessWorker:
    """Runs due jobs on request; mails are not among them."""

    def __init__(self, settings: Settings, pool: AsyncConnectionPool[Any], valkey: Redis) -> None:
        self.valkey = valkey
        self.generator = MapGenerator(pool, valkey, InlineMapTasks())
        self.pool = pool
        runs = RunOperator(pool, valkey, lambda: InlineWorkers(settings), settings.privacy.candidate_retention_days)
        self._settings, self._resources = settings, JobResources(pool, self.generator, runs=runs)

    async def run(self) -> None:
        """Run every job that is due, and return."""
        app = create_job_app(self._settings.database.postgres_dsn)
        async with app.open_async():
            await app.run_worker_async(
                queues=[MAPS, MAINTENANCE, RUNS, *PREVIOUS_QUEUES],
                wait=False,
                install_signal_handlers=False,
                listen_notify=False,
                additional_context={"resources": self._resources},
            )


@asynccontextmanager
async def job_worker(settings: Settings) -> AsyncIterator[InProcessWorker]:
    """A worker on the stores of `settings`."""
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        valkey = Redis.from_url(settings.valkey.connection_url)
        yield InProcessWorker(settings, pool, valkey)
        await valkey.aclose()
