"""The session buffer shard as a Ray actor, and how it follows the shard map.

What it holds and what a restart loses is said in `actors.session_buffers`.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import ray
import structlog
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from actors.session_buffers import RAY_NAMESPACE, BufferLimits, PostgresBuffers
from actors.sharding import bucket_of, shard_of_bucket
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import IngestBatch
from models.recording.shard_map import read_shard_map
from telemetry.logs import bind_context, configure_logging
from telemetry.ray_export import export_to_ray

log = structlog.get_logger("shard")

#: How often everybody looks whether the number of shards has changed.
SHARD_MAP_POLL_S = 1.0
#: A shard that is no longer wanted stays this long, until every replica has heard of it.
RETIRE_AFTER_S = 10.0


class SessionBufferShard:
    """The Ray rim: one shard's buffers, reachable by name from every replica.

    It follows the shard map by itself: when buckets move it forgets their users, and when there are to be fewer
    shards and it is one too many, it finishes what it has accepted and ends for good.
    """

    def __init__(
        self,
        index: int,
        num_shards: int,
        dsn: str,
        limits: BufferLimits,
        log_level: str = "INFO",
        *,
        runs_in_ray: bool = True,
    ) -> None:
        self._postgres = PostgresBuffers(dsn, limits, name=str(index))
        self._index, self._default, self._limits = index, num_shards, limits
        self._version = -1
        self._surplus_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        if runs_in_ray:
            configure_logging(log_level)
            export_to_ray()

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """Save the batches (see SessionBuffers.append)."""
        if not self._tasks:
            await self.start()
        return await self._postgres.append(batches)

    async def close_session(self, session_id: uuid.UUID, user_id: uuid.UUID, ids: dict[str, Any] | None = None) -> None:
        """Flush and close a session. `ids` are what the edge bound for the logs."""
        bind_context(ids)
        await self._postgres.close_session(session_id, user_id)
        log.info("session_stopped", session_id=str(session_id), shard=self._index)

    async def invalidate_user(self, user_id: uuid.UUID) -> None:
        """A user's settings changed."""
        self._postgres.buffers.invalidate_user(user_id)

    async def drain(self) -> None:
        """Finish what was accepted."""
        await self._postgres.buffers.drain()

    async def start(self) -> None:
        """Begin to follow the shard map. Safe to call again."""
        if not self._tasks:
            await self._postgres.open()
            self._tasks = [
                asyncio.create_task(self._passivate_periodically()),
                asyncio.create_task(self._poll_shard_map()),
            ]

    async def stats(self) -> dict[str, Any]:
        """Numbers for operators and tests."""
        await self.start()
        buffers = self._postgres.buffers
        return {
            "pid": os.getpid(),
            "map_version": self._version,
            "active_users": buffers.num_active_users,
            "pending_bytes": buffers.pending_bytes,
            "idle_bytes": buffers.idle_bytes,
            "num_events": buffers.num_events,
            "activations": buffers.num_activations,
            "passivations": buffers.num_passivations,
            "last_flush_s": buffers.last_flush_s,
        }

    def apply_shard_map(self, version: int, num_shards: int, now: float) -> bool:
        """Take a version of the map; whether this shard is one too many for long enough to end."""
        if version > self._version:
            self._version = version
            moved = self._postgres.buffers.retain(lambda u: shard_of_bucket(bucket_of(u), num_shards) == self._index)
            log.info("shard_map_applied", shard=self._index, version=version, num_shards=num_shards, num_moved=moved)
            is_surplus = self._index >= num_shards
            self._surplus_since = (self._surplus_since or now) if is_surplus else None
        return self._surplus_since is not None and now - self._surplus_since >= RETIRE_AFTER_S

    async def _poll_shard_map(self) -> None:
        while True:
            try:
                async with self._postgres.pool.connection() as connection:
                    found = await read_shard_map(connection, self._default)
                if self.apply_shard_map(found.version, found.num_shards, time.monotonic()):
                    # An actor can end itself only from within a call.
                    untyped: Any = ray
                    untyped.get_runtime_context().current_actor.retire.remote()
                    return
            except (OperationalError, PoolTimeout, OSError) as error:
                log.warning("shard_map_read_failed", shard=self._index, error=type(error).__name__)
            await asyncio.sleep(SHARD_MAP_POLL_S)

    async def retire(self) -> None:
        """Finish what was accepted and end for good."""
        await self._postgres.buffers.drain()
        log.info("shard_retired", shard=self._index)
        untyped: Any = ray
        # Meant, so Ray does not restart it; the name is free for when there are to be more shards again.
        untyped.actor.exit_actor()

    async def _passivate_periodically(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self._limits.passivate_after_s))
            self._postgres.buffers.passivate()


def shard_name(index: int) -> str:
    """The name a shard is found by."""
    return f"session-buffers-{index}"


def get_or_start_shard(
    index: int, num_shards: int, dsn: str, limits: BufferLimits, log_level: str = "INFO", **options: Any
) -> Any:
    """The cluster's shard number `index`, started on first use. `num_shards` is what holds while nobody has set
    another number; `options` go to Ray (placement)."""
    remote = ray.remote(num_cpus=0, max_restarts=-1)(SessionBufferShard)
    return remote.options(
        name=shard_name(index),
        namespace=RAY_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_concurrency=1000,
        **options,
    ).remote(index, num_shards, dsn, limits, log_level)
