"""What a replica of `GenerationWorker` does: it takes jobs from PostgreSQL and has Ray carry them out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.jobs.app import JobResources, create_job_app
from cluster.jobs.maintenance import STALLED_AFTER_S, requeue_stalled_jobs
from cluster.jobs.retention import RetentionEnforcer
from cluster.mail.queue import MailQueue
from cluster.maps.generation import MapGenerator
from cluster.maps.tasks import RayMapTasks
from cluster.providers.configuration import provider_endpoints
from cluster.providers.enricher import build_enricher
from cluster.providers.tasks import RayProviderTasks
from cluster.scheduling.placement import placement_options
from cluster.settings import Settings
from models.jobs import QUEUES
from telemetry.metrics import REGISTRY, record_psycopg_pool
from telemetry.ray_export import export_to_ray

log = structlog.get_logger("worker")

#: A worker reports that it is alive this often; see STALLED_AFTER_S.
HEARTBEAT_S = 2.0


#: Starting the worker processes for maps at once would take the CPUs from the API, which people wait for.
WARM_UP_DELAY_S = 5.0


async def _call_after(delay_s: float, action: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(delay_s)
    await action()


class JobWorker:
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
            settings.database.postgres_dsn, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
        )
        await pool.open()
        REGISTRY.add_collector(lambda: record_psycopg_pool("worker", pool.get_stats()))
        valkey = Redis.from_url(settings.valkey.connection_url, socket_timeout=5.0)
        tasks = RayMapTasks(**placement_options(settings, "ai"))
        model_tasks = RayProviderTasks(**placement_options(settings, "ai"))
        enricher = build_enricher(settings, pool, model_tasks)
        mail_queue = MailQueue(settings)
        retention = RetentionEnforcer(mail_queue, settings.limits.default_plan, settings.server.origin)
        resources = JobResources(
            pool,
            MapGenerator(pool, valkey, tasks, enricher),
            mail_queue,
            settings.recording.idle_timeout_s,
            settings.privacy.ai_text_retention_days,
            settings.privacy.account_deletion_delay_s,
            retention if settings.retention_enabled else None,
        )
        warm_up = asyncio.create_task(_call_after(WARM_UP_DELAY_S, tasks.warm_up))
        models_warm_up = asyncio.create_task(model_tasks.warm_up(list(provider_endpoints(settings))))
        try:
            while not self._stopping.is_set():
                # PostgreSQL may go away under a worker; the jobs are safe there, so simply begin again.
                try:
                    await self._work(resources)
                except Exception as error:
                    log.warning("worker_interrupted", error=type(error).__name__)
                    await asyncio.sleep(0.5)
        finally:
            warm_up.cancel()
            models_warm_up.cancel()
            await valkey.aclose()
            await pool.close()

    async def _work(self, resources: JobResources) -> None:
        app = create_job_app(self._settings.database.postgres_dsn)
        async with app.open_async():
            await requeue_stalled_jobs(app)
            self._worker = asyncio.create_task(
                app.run_worker_async(
                    queues=QUEUES,
                    concurrency=self._settings.scaling.worker_concurrency + 1,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=2.0,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=STALLED_AFTER_S,
                    shutdown_graceful_timeout=25.0,
                    delete_jobs="successful",
                    additional_context={"resources": resources},
                )
            )
            await self._worker

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those at hand are done."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.cancel()  # procrastinate: stop taking jobs, finish those at hand
