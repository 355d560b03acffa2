"""What a replica of `GenerationWorker` does: it takes jobs from PostgreSQL and has Ray carry them out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.jobs.app import HEARTBEAT_S, STALLED_AFTER_S, JobParts, job_app, rescue
from cluster.jobs.retention import Retention
from cluster.mail.queue import Post
from cluster.maps.generation import MapGenerator
from cluster.maps.tasks import RayMapTasks
from cluster.providers.configuration import provider_endpoints
from cluster.providers.enricher import build_enricher
from cluster.providers.tasks import RayProviderTasks
from cluster.scheduling.placement import placed
from cluster.settings import Settings
from models.jobs import MAIL, MAPS, UPKEEP
from telemetry.metrics import METERS, export_to_ray

log = structlog.get_logger("worker")


def _connections(pool: AsyncConnectionPool[Any]) -> list[tuple[str, float, tuple[str, ...]]]:
    numbers = pool.get_stats()
    idle = numbers.get("pool_available", 0)
    return [
        ("trailmind_database_connections", numbers.get("pool_size", 0) - idle, ("worker", "used")),
        ("trailmind_database_connections", idle, ("worker", "idle")),
    ]


#: Starting the worker processes for maps at once would take the CPUs from the API, which people wait for.
WARM_UP_DELAY_S = 5.0


async def _after(delay_s: float, action: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(delay_s)
    await action()


class JobLoop:
    """Takes jobs until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Return when stopped and the jobs at hand are done."""
        settings = self._settings
        export_to_ray()
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            settings.postgres_dsn, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
        )
        await pool.open()
        METERS.watch(partial(_connections, pool))
        valkey = Redis.from_url(settings.valkey_url, socket_timeout=5.0)
        tasks = RayMapTasks(**placed(settings, "ai"))
        model_tasks = RayProviderTasks(**placed(settings, "ai"))
        enricher = build_enricher(settings, pool, model_tasks)
        post = Post(settings)
        parts = JobParts(
            pool,
            MapGenerator(pool, valkey, tasks, enricher),
            post,
            settings.forgotten_after_s,
            settings.ai_text_retention_days,
            settings.account_deletion_delay_s,
            Retention(post, settings.default_plan, settings.origin) if settings.limits_retention else None,
        )
        warm_up = asyncio.create_task(_after(WARM_UP_DELAY_S, tasks.warm_up))
        models_warm_up = asyncio.create_task(model_tasks.warm_up(list(provider_endpoints(settings))))
        try:
            while not self._stopping.is_set():
                # PostgreSQL may go away under a worker; the jobs are safe there, so simply begin again.
                try:
                    await self._work(parts)
                except Exception as error:
                    log.warning("worker_interrupted", error=type(error).__name__)
                    await asyncio.sleep(0.5)
        finally:
            warm_up.cancel()
            models_warm_up.cancel()
            await valkey.aclose()
            await pool.close()

    async def _work(self, parts: JobParts) -> None:
        app = job_app(self._settings.postgres_dsn)
        async with app.open_async():
            await rescue(app)
            self._worker = asyncio.create_task(
                app.run_worker_async(
                    queues=[MAPS, UPKEEP, MAIL],
                    concurrency=self._settings.worker_concurrency + 1,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=2.0,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=STALLED_AFTER_S,
                    shutdown_graceful_timeout=25.0,
                    delete_jobs="successful",
                    additional_context={"parts": parts},
                )
            )
            await self._worker

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those at hand are done."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.cancel()  # procrastinate: stop taking jobs, finish those at hand
