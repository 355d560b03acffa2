"""The open event streams of each user: how many there may be, over all replicas."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

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
        async with self._valkey.pipeline(transaction=True) as pipe:
            self._add(pipe, user_id, stream_id)
            pipe.zcard(_key(user_id))
            num_open = int((await pipe.execute())[-1])
        if num_open > self._limit:
            await self.close(user_id, stream_id)
            raise RateLimited(f"you have {self._limit} open streams already; close one first", 5.0)

    async def renew(self, streams: Iterable[tuple[uuid.UUID, str]]) -> None:
        """Keep the entries of open streams, each a user id and a stream id; call it at least every 30 s."""
        async with self._valkey.pipeline(transaction=False) as pipe:
            for user_id, stream_id in streams:
                self._add(pipe, user_id, stream_id)
            await pipe.execute()

    async def close(self, user_id: uuid.UUID, stream_id: str) -> None:
        """Stop counting a stream."""
        await self._valkey.zrem(_key(user_id), stream_id)

    def _add(self, pipe: Pipeline, user_id: uuid.UUID, stream_id: str) -> None:
        now, key = self._clock(), _key(user_id)
        pipe.zremrangebyscore(key, "-inf", now - _TTL_S)
        pipe.zadd(key, {stream_id: now})
        pipe.expire(key, 2 * _TTL_S)


def _key(user_id: uuid.UUID) -> str:
    return f"streams:{user_id}"
