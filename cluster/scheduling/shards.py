"""Starts, finds, drains and counts the cluster's session buffer shards."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import ray

from actors.ray_actors import RAY_NAMESPACE
from actors.session_buffers import BufferLimits
from actors.session_shard import get_or_start_shard, shard_name
from cluster.scheduling.placement import spread_options
from cluster.settings import Settings
from models.recording.shard_map import ShardMap, read_shard_map, set_num_shards


def buffer_limits(settings: Settings) -> BufferLimits:
    """The limits of a shard's memory, from the settings."""
    return BufferLimits(
        settings.recording.user_buffer_bytes,
        settings.recording.shard_buffer_bytes,
        settings.recording.user_idle_timeout_s,
        settings.recording.shard_idle_bytes,
        settings.default_plan,
    )


def connect_shard(settings: Settings, index: int) -> Any:
    """The handle of shard number `index`, which is started on first use. Returns before the actor is ready."""
    return get_or_start_shard(
        index,
        settings.scaling.num_shards,
        settings.database.postgres_dsn,
        buffer_limits(settings),
        settings.log_level,
        settings.traces_url,
        **spread_options(settings, "state"),
    )


def drain_shards(timeout_s: float = 10.0) -> int:
    """Let every shard save its accepted events for up to `timeout_s`, then kill it; return how many there were."""
    untyped: Any = ray
    named = untyped.util.list_named_actors(all_namespaces=True)
    names = [actor["name"] for actor in named if actor["namespace"] == RAY_NAMESPACE]
    shards = [untyped.get_actor(n, namespace=RAY_NAMESPACE) for n in names if n.startswith(shard_name(0)[:-1])]
    for shard in shards:
        # Unresponsive or dead: unacknowledged events were never confirmed to a client, who sends them again.
        with contextlib.suppress(untyped.exceptions.RayError):
            untyped.get(shard.drain.remote(), timeout=timeout_s)
        untyped.kill(shard)
    return len(shards)


async def current_shard_map(settings: Settings) -> ShardMap:
    """The requested number of shards, with the version of the request."""
    async with await psycopg.AsyncConnection.connect(settings.database.postgres_dsn, autocommit=True) as connection:
        return await read_shard_map(connection, settings.scaling.num_shards)


async def request_num_shards(settings: Settings, num_shards: int) -> ShardMap:
    """Request another number of shards. Replicas and shards apply it within seconds, without a restart.

    Raises BadRequest for a number out of range.
    """
    async with await psycopg.AsyncConnection.connect(settings.database.postgres_dsn, autocommit=True) as connection:
        return await set_num_shards(connection, num_shards)
