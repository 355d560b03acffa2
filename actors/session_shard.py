"""The session buffer shard as a Ray actor, and how it applies the shard map.

`actors.session_buffers` describes its state and what a restart loses.
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

from actors.garbage_collection import collect_garbage_seldom
from actors.ray_actors import get_or_start_actor
from actors.session_buffers import BufferLimits, PostgresBuffers
from actors.sharding import bucket_of, shard_of_bucket
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import IngestBatch
from models.recording.shard_map import read_shard_map
from telemetry.logs import bind_context, configure_logging
from telemetry.ray_export import export_to_ray
from telemetry.traces import configure_traces, span

log = structlog.get_logger("shard")

#: How often shards and replicas read the shard map.
SHARD_MAP_POLL_S = 3.0
#: A shard beyond the number of shards stays this long, so that every replica has read the new map before it ends.
RETIRE_AFTER_S = 10.0


class SessionBufferShard:
    """The Ray actor around one shard's buffers, found by name from every replica.

    It polls the shard map: when buckets move to other shards it evicts their users, and when the number of shards
    shrinks below its index it saves what it has accepted and ends.
    """

    def __init__(
        self,
        index: int,
        num_shards: int,
        dsn: str,
        limits: BufferLimits,
        log_level: str = "INFO",
        traces_url: str | None = None,
        *,
        runs_in_ray: bool = True,
    ) -> None:
        self._postgres = PostgresBuffers(dsn, limits, name=str(index))
        self._index, self._default_num_shards, self._limits = index, num_shards, limits
        self._version = -1
        self._surplus_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        if runs_in_ray:
            configure_logging(log_level)
            configure_traces(traces_url)
            export_to_ray()
            collect_garbage_seldom()

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """Save the batches (see SessionBuffers.append)."""
        if not self._tasks:
            await self.start()
        return await self._postgres.append(batches)

    async def close_session(self, session_id: uuid.UUID, user_id: uuid.UUID, ids: dict[str, Any] | None = None) -> None:
        """Save what is buffered and close a session. `ids` are the log context of the request.

        Raises as `models.lifecycle.close_session` does.
        """
        bind_context(ids)
        with span("session_stop", shard=self._index):
            await self._postgres.close_session(session_id, user_id)
        log.info("session_stopped", session_id=str(session_id), shard=self._index)

    async def invalidate_user(self, user_id: uuid.UUID) -> None:
        """Reload the user's exclusions with their next batch."""
        self._postgres.buffers.invalidate_user(user_id)

    async def drain(self) -> None:
        """Wait until every accepted batch is committed or has failed."""
        await self._postgres.buffers.drain()
        await self._postgres.record_stored_bytes()

    async def start(self) -> None:
        """Open the pool and start the background tasks. Safe to repeat."""
        if not self._tasks:
            await self._postgres.open()
            self._tasks = [
                asyncio.create_task(self._passivate_periodically()),
                asyncio.create_task(self._poll_shard_map()),
            ]

    async def stats(self) -> dict[str, Any]:
        """Counters and sizes, for operators and tests; a reply also shows that the shard is alive."""
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
        """Apply a version of the map; return whether this shard has been surplus for `RETIRE_AFTER_S`.

        `now` is a monotonic time in seconds. A version that is not newer changes nothing.
        """
        if version > self._version:
            self._version = version
            num_moved = self._postgres.buffers.retain(
                lambda user_id: shard_of_bucket(bucket_of(user_id), num_shards) == self._index
            )
            log.info(
                "shard_map_applied", shard=self._index, version=version, num_shards=num_shards, num_moved=num_moved
            )
            is_surplus = self._index >= num_shards
            self._surplus_since = (self._surplus_since or now) if is_surplus else None
        return self._surplus_since is not None and now - self._surplus_since >= RETIRE_AFTER_S

    async def _poll_shard_map(self) -> None:
        while True:
            try:
                async with self._postgres.pool.connection() as connection:
                    shard_map = await read_shard_map(connection, self._default_num_shards)
                if self.apply_shard_map(shard_map.version, shard_map.num_shards, time.monotonic()):
                    # `exit_actor` works only inside an actor call, so the actor calls itself.
                    untyped: Any = ray
                    untyped.get_runtime_context().current_actor.retire.remote()
                    return
            except (OperationalError, PoolTimeout, OSError) as error:
                log.warning("shard_map_read_failed", shard=self._index, error=type(error).__name__)
            await asyncio.sleep(SHARD_MAP_POLL_S)

    async def retire(self) -> None:
        """Save what was accepted, then end this actor permanently."""
        await self._postgres.buffers.drain()
        await self._postgres.record_stored_bytes()
        log.info("shard_retired", shard=self._index)
        untyped: Any = ray
        # An intended exit: Ray does not restart the actor, and its name is free for a later shard of this index.
        untyped.actor.exit_actor()

    async def _passivate_periodically(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self._limits.passivate_after_s))
            self._postgres.buffers.passivate()
            await self._postgres.record_stored_bytes()


def shard_name(index: int) -> str:
    """The actor name of shard number `index`."""
    return f"session-buffers-{index}"


def get_or_start_shard(
    index: int,
    num_shards: int,
    dsn: str,
    limits: BufferLimits,
    log_level: str = "INFO",
    traces_url: str | None = None,
    **options: Any,
) -> Any:
    """The handle of shard number `index`; starts the actor if there is none.

    `num_shards` is the default while the database has no shard map. `options` go to Ray (placement).
    """
    return get_or_start_actor(
        SessionBufferShard, shard_name(index), index, num_shards, dsn, limits, log_level, traces_url, **options
    )
