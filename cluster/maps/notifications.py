"""Notifies the watchers of a session: a Valkey pub/sub channel per session.

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

#: The `session_status` of the event after which a session has no watchers: it is deleted.
DELETED = "deleted"


def session_channel(session_id: uuid.UUID | str) -> str:
    """The name of a session's channel."""
    return f"trailmind:session:{session_id}"


async def notify(valkey: Redis, session_id: uuid.UUID | str, event: str, data: dict[str, Any]) -> None:
    """Publish an event to the watchers of a session. While Valkey is unavailable the event is dropped and logged."""
    try:
        await valkey.publish(session_channel(session_id), msgspec.json.encode({"event": event, "data": data}))
    except (RedisError, OSError) as error:
        log.warning("notification_publish_failed", error=type(error).__name__)
