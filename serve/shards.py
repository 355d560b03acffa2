"""The way from a replica to the shard that holds a user's buffer, and around it when it is gone."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from ray.exceptions import RayError

from actors.buckets import shard_of
from actors.coalescer import Coalescer
from actors.event_store import BatchOutcome
from actors.session_buffers import PostgresBuffers
from models.errors import TrailmindError
from models.ingest import IngestBatch

log = structlog.get_logger("serve")


class ShardUnreachable(Exception):
    """The actor is dead, restarting, or does not answer in time."""


class Shard:
    """One shard as a replica sees it: calls are coalesced, at most one is in flight."""

    def __init__(self, index: int, connect: Callable[[int], Any], timeout_s: float) -> None:
        self._index, self._connect, self._timeout_s = index, connect, timeout_s
        self._handle: Any = None
        self._avoid_until = 0.0
        self.calls: Coalescer[IngestBatch, BatchOutcome] = Coalescer(self._append)

    async def call(self, method: str, *args: Any) -> Any:
        """Call the actor. Raises ShardUnreachable, at once while it is known to be away, or what the method raised."""
        if time.monotonic() < self._avoid_until:
            raise ShardUnreachable(self._index)
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(self._connect, self._index)
            async with asyncio.timeout(self._timeout_s):
                return await getattr(self._handle, method).remote(*args)
        except (RayError, TimeoutError, ValueError, ConnectionError) as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, TrailmindError):
                raise cause from None
            # Not again for a moment: a frozen shard would cost every request the whole time-out.
            self._avoid_until, self._handle = time.monotonic() + 1.0, None
            log.warning("shard_unreachable", shard=self._index, error=type(error).__name__)
            raise ShardUnreachable(self._index) from error

    async def _append(self, batches: list[IngestBatch]) -> Sequence[BatchOutcome]:
        outcomes: Sequence[BatchOutcome] = await self.call("append", batches)
        return outcomes


class ShardRouter:
    """Routes each user's batches to their shard; a shard that is away is stood in for by the replica itself.

    The stand-in runs the very same statements on a pool of the replica's own, so recording never depends on an actor
    being up.
    """

    def __init__(
        self, num_shards: int, connect: Callable[[int], Any], stand_in: PostgresBuffers, *, timeout_s: float = 5.0
    ) -> None:
        self._shards = [Shard(i, connect, timeout_s) for i in range(num_shards)]
        self._stand_in = stand_in

    def shard_for(self, user_id: uuid.UUID) -> Shard:
        """The shard with this user's buffer."""
        return self._shards[shard_of(user_id, len(self._shards))]

    async def save(self, batch: IngestBatch) -> BatchOutcome:
        """What became of the batch; when there is no error it is on disk."""
        try:
            return await self.shard_for(batch.user_id).calls.add(batch, batch.num_bytes)
        except ShardUnreachable:
            return (await self._stand_in.append([batch]))[0]

    async def stop(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Flush, close the session and order its map."""
        try:
            await self.shard_for(user_id).call("stop", session_id, user_id)
        except ShardUnreachable:
            await self._stand_in.stop(session_id, user_id)

    async def forget(self, user_id: uuid.UUID) -> None:
        """The user's exclusions changed."""
        self._stand_in.buffers.forget(user_id)
        try:
            await self.shard_for(user_id).call("forget", user_id)
        except ShardUnreachable:
            log.info("shard_away_while_forgetting")

    async def check(self) -> int:
        """How many shards answer."""
        answers = await asyncio.gather(*(s.call("stats") for s in self._shards), return_exceptions=True)
        return sum(not isinstance(a, BaseException) for a in answers)

    async def close(self) -> None:
        """Finish what was accepted."""
        await asyncio.gather(*(s.calls.drained() for s in self._shards))
        await self._stand_in.close()
