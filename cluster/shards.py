"""Finding, or starting, the cluster's session buffer shards."""

from __future__ import annotations

from typing import Any

from actors.session_buffers import BufferLimits, session_buffer_shard
from cluster.settings import Settings


def buffer_limits(settings: Settings) -> BufferLimits:
    """The shards' bounds."""
    return BufferLimits(settings.user_buffer_bytes, settings.shard_buffer_bytes, settings.passivate_after_s)


def connect_shard(settings: Settings, index: int) -> Any:
    """The actor of shard number `index`, started on first use; returns at once, the actor needs a moment more."""
    return session_buffer_shard(index, settings.postgres_dsn, buffer_limits(settings))
