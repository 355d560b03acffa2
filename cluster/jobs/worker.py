"""The job worker in a replica of `GenerationWorker`: takes jobs from PostgreSQL; Ray tasks do the heavy steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from cluster.billing.stripe_gateway import StripeGateway
from cluster.billing.sync import CustomerSync
from cluster.jobs.app import JobResources, create_job_app
from cluster.jobs.maintenance import STALLED_AFTER_S, requeue_stalled_jobs
from cluster.jobs.retention import RetentionEnforcer
from cluster.jobs.usage_warnings import UsageWarnings
from cluster.mail.queue import MailQueue
from cluster.mail.session_report import SessionReporter
from cluster.maps.generation import MapGenerator
from cluster.maps.preparation import RecordingPreparer
from cluster.maps.prepared_pages import PreparedPages
from cluster.maps.tasks import RayMapTasks
from cluster.providers.configuration import provider_endpoints
from cluster.providers.enricher import build_enricher
from cluster.providers.planning.user_limits import user_limits_loader
from cluster.providers.tasks import RayProviderTasks
from cluster.runs.operation import RunOperator
from cluster.runs.ray_workers import RayWorkers
from cluster.scheduling.placement import placement_options
from cluster.settings import Settings
from models.jobs import MAPS
from models.recording.browsing_sessions import has_open_recording
from telemetry.metrics import REGISTRY, record_psycopg_pool
from telemetry.ray_export import export_to_ray

log = structlog.get_logger("worker")

#: The interval of heartbeats. Other workers requeue the jobs of one that sends none for STALLED_AFTER_S.
HEARTBEAT_S = 4.0
#: New jobs are notified through PostgreSQL; retries and missed notifications are found by polling.
POLL_INTERVAL_S = 5.0
#: A stopping worker waits this long for its running jobs; other workers requeue those that are cut off.
SHUTDOWN_TIMEOUT_S = 25.0
#: The wait before the next attempt to reach PostgreSQL.
RECONNECT_WAIT_S = 0.5
#: The Ray workers for maps start this long after the replica: earlier they would compete with the API for CPUs while
#: the first users wait for it.
WARM_UP_DELAY_S = 5.0
#: How often the worker looks for open recordings, prepares their maps, and uses the Ray workers for maps while there is
#: one. A local Ray ends such workers after a minute without a task (`launch.ray_environment.single_node_environment`).
KEEP_READY_PERIOD_S = 10.0
#: A recording that has been open for longer without a pause may be forgotten; no user waits for its map.
OPEN_RECORDING_AGE = timedelta(hours=4)


class JobWorker:
    """Runs the jobs of `queues` until `stop` is called."""

    def __init__(self, settings: Settings, queues: Sequence[str]) -> None:
        self._settings = settings
        self._queues = queues
        self._stopping = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run jobs; return after `stop`, when the running jobs have finished."""
        settings = self._settings
        export_to_ray()
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            settings.database.postgres_dsn, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
        )
        await pool.open()
        REGISTRY.add_collector(lambda: record_psycopg_pool("worker", pool.get_stats()))
        valkey = Redis.from_url(settings.valkey.connection_url, socket_timeout=5.0)
        map_tasks = RayMapTasks(**placement_options(settings, "ai"))
        model_tasks = RayProviderTasks(**placement_options(settings, "ai"))
        prepared = PreparedPages()
        resources = _job_resources(settings, pool, valkey, map_tasks, model_tasks, prepared)
        warm_ups: list[asyncio.Task[None]] = []
        if MAPS in self._queues:
            warm_ups = [
                asyncio.create_task(_keep_ready(pool, map_tasks.warm_up, RecordingPreparer(pool, map_tasks, prepared))),
                asyncio.create_task(model_tasks.warm_up(list(provider_endpoints(settings)))),
            ]
        try:
            while not self._stopping.is_set():
                # An error here means that PostgreSQL is unavailable. Jobs are durable: reconnect and continue.
                try:
                    await self._run_jobs(resources)
                except Exception as error:
                    log.warning("worker_interrupted", error=type(error).__name__)
                    await asyncio.sleep(RECONNECT_WAIT_S)
        finally:
            for warm_up in warm_ups:
                warm_up.cancel()
            if resources.billing is not None:
                await resources.billing.gateway.close()
            await valkey.aclose()
            await pool.close()

    async def _run_jobs(self, resources: JobResources) -> None:
        app = create_job_app(self._settings.database.postgres_dsn)
        async with app.open_async():
            await requeue_stalled_jobs(app)
            self._worker = asyncio.create_task(
                app.run_worker_async(
                    queues=list(self._queues),  # psycopg adapts a tuple as a record, a list as an array
                    # More than the maps in progress: long maps do not delay mails and maintenance, nor does a run.
                    concurrency=self._settings.scaling.worker_concurrency + 2,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=POLL_INTERVAL_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=STALLED_AFTER_S,
                    shutdown_graceful_timeout=SHUTDOWN_TIMEOUT_S,
                    delete_jobs="successful",
                    additional_context={"resources": resources},
                )
            )
            await self._worker

    def stop(self) -> None:
        """Take no more jobs; `run` returns when the running ones have finished."""
        self._stopping.set()
        if self._worker is not None:
            # procrastinate answers a cancel by a graceful shutdown: it fetches no more and waits for running jobs.
            self._worker.cancel()


def _job_resources(
    settings: Settings,
    pool: AsyncConnectionPool[Any],
    valkey: Redis,
    map_tasks: RayMapTasks,
    model_tasks: RayProviderTasks,
    prepared: PreparedPages,
) -> JobResources:
    mail_queue = MailQueue(settings)
    enricher = build_enricher(settings, pool, model_tasks)
    retention = RetentionEnforcer(mail_queue, settings.default_plan, settings.server.origin)
    # NullPool: only map jobs that use a model read the limits, a few times a minute.
    engine = create_async_engine(settings.database.sqlalchemy_url, poolclass=NullPool)
    load_limits = user_limits_loader(engine, settings.default_plan)
    return JobResources(
        pool=pool,
        generator=MapGenerator(pool, valkey, map_tasks, enricher, prepared),
        mail_queue=mail_queue,
        idle_timeout_s=settings.recording.idle_timeout_s,
        ai_text_retention_days=settings.privacy.ai_text_retention_days,
        raw_event_retention_days=settings.privacy.raw_event_retention_days,
        account_deletion_delay_s=settings.privacy.account_deletion_delay_s,
        retention=retention if settings.retention_enabled else None,
        billing=_customer_sync(settings, pool, mail_queue),
        reporter=SessionReporter(mail_queue, settings.server.origin),
        usage_warnings=UsageWarnings(mail_queue, load_limits, settings.server.origin) if enricher else None,
        runs=RunOperator(pool, valkey, lambda: RayWorkers(settings), settings.privacy.candidate_retention_days),
    )


def _customer_sync(settings: Settings, pool: AsyncConnectionPool[Any], mail_queue: MailQueue) -> CustomerSync | None:
    if not settings.billing.is_enabled:
        return None
    gateway = StripeGateway(settings.billing, settings.server.origin)
    return CustomerSync(pool, gateway, mail_queue, settings.server.origin)


async def _keep_ready(
    pool: AsyncConnectionPool[Any],
    warm_up: Callable[[], Awaitable[None]],
    preparer: RecordingPreparer,
) -> None:
    """Call `warm_up` soon, and again every `KEEP_READY_PERIOD_S` while a user records; then prepare the maps too."""
    await asyncio.sleep(WARM_UP_DELAY_S)
    await warm_up()
    while True:
        await asyncio.sleep(KEEP_READY_PERIOD_S)
        try:
            async with pool.connection() as connection:
                is_recording = await has_open_recording(connection, OPEN_RECORDING_AGE)
            if is_recording:
                await warm_up()
                await preparer.prepare(OPEN_RECORDING_AGE)
            else:
                preparer.forget()
        except Exception as error:  # without PostgreSQL or Ray the next map only takes longer
            log.info("preparation_failed", error=type(error).__name__)
