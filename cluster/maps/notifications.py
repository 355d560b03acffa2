"""Notifies the watchers of a session or of a joint map: a Valkey pub/sub channel for each.

Valkey delivers each event at most once (https://valkey.io/topics/pubsub/). A watcher that connects late or misses an
event reads the state from PostgreSQL.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger("notifications")

#: The status in the event after which a session or a joint map has no watchers: it is deleted.
DELETED = "deleted"


def session_channel(session_id: uuid.UUID | str) -> str:
    """The name of a session's channel."""
    return f"trailmind:session:{session_id}"


def joint_map_channel(map_id: uuid.UUID | str) -> str:
    """The name of a joint map's channel."""
    return f"trailmind:map:{map_id}"


async def notify(valkey: Redis, session_id: uuid.UUID | str, event: str, data: dict[str, Any]) -> None:
    """Publish an event to the watchers of a session. While Valkey is unavailable the event is dropped and logged."""
    await _publish(valkey, session_channel(session_id), event, data)


async def notify_joint_map(valkey: Redis, map_id: uuid.UUID | str, event: str, data: dict[str, Any]) -> None:
    """Publish an event to the watchers of a joint map, by the same rules."""
    await _publish(valkey, joint_map_channel(map_id), event, data)


async def _publish(valkey: Redis, channel: str, event: str, data: dict[str, Any]) -> None:
    try:
        await valkey.publish(channel, msgspec.json.encode({"event": event, "data": data}))
    except (RedisError, OSError) as error:
        log.warning("notification_publish_failed", error=type(error).__name__)
