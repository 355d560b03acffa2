"""A worker of a regeneration run: claims items one after the other until its time is up or none is left.

It runs as a Ray task of some seconds. Between two tasks the driver can stop, and Ray can move work to a new node.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.pipeline import MapPipeline
from cluster.maps.tasks import MapTasks, ThreadMapTasks
from cluster.mindmap.clustering.communities import TopicOptions
from cluster.providers.configuration import ModelChoice
from cluster.providers.enricher import Enricher, build_enricher
from cluster.providers.tasks import ProviderTasks, ThreadProviderTasks
from cluster.providers.types import LOCAL_PROVIDER
from cluster.runs.item import LEASE_S, ItemProcessor
from cluster.settings import Settings
from models.lifecycle.run_state import claim_item
from models.runs.parameters import RunParameters
from models.runs.run_store import load_run

#: How long a worker goes on claiming, in seconds.
WORK_S = 15.0


def options_digest(parameters: RunParameters) -> str:
    """What stands for the options of a run in the digest of its input; empty for the default options."""
    options = asdict(TopicOptions(**parameters.options))
    changed = {name: value for name, value in options.items() if value != asdict(TopicOptions())[name]}
    return ",".join(f"{name}={value:g}" for name, value in sorted(changed.items()))


def run_enricher(
    settings: Settings, pool: AsyncConnectionPool[Any], run_id: str, parameters: RunParameters, tasks: ProviderTasks
) -> Enricher | None:
    """The enricher of a run, whose calls the run pays for; None for a run without models."""
    if parameters.provider == LOCAL_PROVIDER:
        return None
    choice = ModelChoice(parameters.provider, parameters.model) if parameters.provider else None
    return build_enricher(settings, pool, tasks, run_id=run_id, choice=choice)


async def work(
    settings: Settings,
    run_id: str,
    owner: uuid.UUID,
    *,
    node: str = "",
    work_s: float = WORK_S,
    map_tasks: MapTasks | None = None,
    provider_tasks: ProviderTasks | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Process items of the run for `work_s` seconds, at least one if there is one; return how many.

    `node` is recorded with each item; by default it is the host name.
    """
    deadline = clock() + work_s
    num_processed = 0
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        settings.database.postgres_dsn, min_size=1, max_size=4, open=False, kwargs={"autocommit": True}
    )
    async with pool:
        valkey = Redis.from_url(settings.valkey.connection_url, socket_timeout=5.0)
        try:
            async with pool.connection() as connection:
                parameters = (await load_run(connection, run_id)).parameters
            enricher = run_enricher(settings, pool, run_id, parameters, provider_tasks or ThreadProviderTasks())
            options = TopicOptions(**parameters.options)
            processor = ItemProcessor(
                pool,
                MapPipeline(map_tasks or ThreadMapTasks(), valkey, enricher, options),
                enricher,
                options_digest(parameters),
                parameters.force,
            )
            while num_processed == 0 or clock() < deadline:
                async with pool.connection() as connection:
                    item = await claim_item(
                        connection, run_id, owner, lease_s=LEASE_S, node=node or os.uname().nodename
                    )
                if item is None:
                    break
                await processor.process(item)
                num_processed += 1
        finally:
            await valkey.aclose()
    return num_processed
