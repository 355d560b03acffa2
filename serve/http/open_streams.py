"""The open event streams of each user: how many there may be, over all replicas."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from redis.asyncio import Redis

from models.errors import RateLimited

#: A stream that did not renew its entry for this long has ended, with its replica.
_TTL_S = 60


class OpenStreams:
    """Counts the streams of each user in Valkey, which a stream needs anyway.

    `open` and `renew` are safe to repeat with the same stream id.
    """

    def __init__(self, valkey: Redis, limit: int, *, clock: Callable[[], float] = time.time) -> None:
        self._valkey, self._limit, self._clock = valkey, limit, clock

    async def open(self, user_id: uuid.UUID, stream_id: str) -> None:
        """Count a new stream. Raises RateLimited when the user has `limit` streams already."""
        if await self._add(user_id, stream_id) > self._limit:
            await self.close(user_id, stream_id)
            raise RateLimited(f"you have {self._limit} open streams already; close one first", 5.0)

    async def renew(self, user_id: uuid.UUID, stream_id: str) -> None:
        """Keep the entry of an open stream; call it at least every 30 s."""
        await self._add(user_id, stream_id)

    async def close(self, user_id: uuid.UUID, stream_id: str) -> None:
        """Stop counting a stream."""
        await self._valkey.zrem(_key(user_id), stream_id)

    async def _add(self, user_id: uuid.UUID, stream_id: str) -> int:
        now, key = self._clock(), _key(user_id)
        async with self._valkey.pipeline(transaction=True) as pipe:
            pipe.zremrangebyscore(key, "-inf", now - _TTL_S)
            pipe.zadd(key, {stream_id: now})
            pipe.zcard(key)
            pipe.expire(key, 2 * _TTL_S)
            return int((await pipe.execute())[2])


def _key(user_id: uuid.UUID) -> str:
    return f"streams:{user_id}"
