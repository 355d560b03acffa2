"""What happens to a session, told to whoever watches: a Valkey channel per session.

Only news travels here. Whoever comes late, or misses a message, reads the state from PostgreSQL.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger("notifications")


def session_channel(session_id: uuid.UUID | str) -> str:
    """The channel of one session."""
    return f"trailmind:session:{session_id}"


async def notify(valkey: Redis, session_id: uuid.UUID | str, event: str, data: dict[str, Any]) -> None:
    """Tell the watchers. News that cannot be told is not worth failing for."""
    try:
        await valkey.publish(session_channel(session_id), msgspec.json.encode({"event": event, "data": data}))
    except (RedisError, OSError) as error:
        log.warning("notification_publish_failed", error=type(error).__name__)
