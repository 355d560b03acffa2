"""The way from a replica to the shard that holds a user's buffer, and around it when it is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from ray.exceptions import RayError

from actors.batcher import RequestBatcher
from actors.session_buffers import PostgresBuffers
from actors.sharding import shard_of
from models.errors import TrailmindError
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import IngestBatch
from models.recording.shard_map import ShardMap
from telemetry.logs import current_context_ids
from telemetry.metrics import SHARD_CALL_BATCHES, SHARD_CALLS, SHARD_FALLBACKS, SHARD_MAP_CHANGES

log = structlog.get_logger("serve")

#: How long between two attempts to reach a shard that is away; no request waits for them.
PROBE_PERIOD_S = 1.0


class ShardUnreachable(Exception):
    """The actor is dead, restarting, or does not answer in time."""


class ShardClient:
    """One shard as a replica sees it: calls are coalesced, at most one is in flight.

    One request finds out that the shard is away, by waiting for the time-out; the others are turned away at once
    until a probe in the background has had an answer. A frozen shard thus costs one request its patience, not all.
    """

    def __init__(
        self, index: int, connect: Callable[[int], Any], timeout_s: float, probe_period_s: float = PROBE_PERIOD_S
    ) -> None:
        self._index, self._connect, self._timeout_s = index, connect, timeout_s
        self._probe_period_s = probe_period_s
        self._handle: Any = None
        self._probing: asyncio.Task[None] | None = None
        self.calls: RequestBatcher[IngestBatch, BatchOutcome] = RequestBatcher(self._append)

    @property
    def is_unavailable(self) -> bool:
        """Whether calls are turned away for now."""
        return self._probing is not None

    async def call(self, method: str, *args: Any) -> Any:
        """Call the actor. Raises ShardUnreachable, at once while it is known to be away, or what the method raised."""
        if self.is_unavailable:
            raise ShardUnreachable(self._index)
        try:
            return await self._call_actor(method, *args)
        except ShardUnreachable:
            if self._probing is None:
                self._probing = asyncio.create_task(self._probe(self._probe_period_s))
            raise

    def probe_until_started(self) -> None:
        """The actor is only now being started: turn calls away until it answers, so that none waits for that."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe(0.0))

    async def _call_actor(self, method: str, *args: Any) -> Any:
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(self._connect, self._index)
            async with asyncio.timeout(self._timeout_s):
                return await getattr(self._handle, method).remote(*args)
        except (RayError, TimeoutError, ValueError, ConnectionError) as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, TrailmindError):
                raise cause from None
            self._handle = None
            log.warning("shard_unreachable", shard=self._index, error=type(error).__name__)
            raise ShardUnreachable(self._index) from error

    async def _probe(self, first_after_s: float) -> None:
        try:
            await asyncio.sleep(first_after_s)
            while True:
                try:
                    await self._call_actor("stats")
                except ShardUnreachable:
                    await asyncio.sleep(self._probe_period_s)
                    continue
                log.info("shard_back", shard=self._index)
                return
        finally:
            self._probing = None

    async def _append(self, batches: list[IngestBatch]) -> Sequence[BatchOutcome]:
        outcomes: Sequence[BatchOutcome] = await self.call("append", batches)
        SHARD_CALLS.labels().inc()
        SHARD_CALL_BATCHES.labels().inc(len(batches))
        return outcomes

    async def close(self) -> None:
        """Wait for what was accepted, and look for the shard no more."""
        await self.calls.drain()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])


class ShardRouter:
    """Routes each user's batches to their shard; a shard that is away is stood in for by the replica itself.

    The stand-in runs the very same statements on a pool of the replica's own, so recording never depends on an actor
    being up. When the number of shards changes, `resize` moves the buckets; calls on their way finish where they are.
    """

    def __init__(
        self, num_shards: int, connect: Callable[[int], Any], fallback: PostgresBuffers, *, timeout_s: float = 5.0
    ) -> None:
        self._connect, self._timeout_s = connect, timeout_s
        self._shards = [ShardClient(i, connect, timeout_s) for i in range(num_shards)]
        self._closing: set[asyncio.Task[None]] = set()
        self._version = 0
        self._fallback = fallback

    @property
    def num_shards(self) -> int:
        """How many shards the buckets are dealt out among."""
        return len(self._shards)

    def shard_for(self, user_id: uuid.UUID) -> ShardClient:
        """The shard with this user's buffer."""
        return self._shards[shard_of(user_id, len(self._shards))]

    def resize(self, wanted: ShardMap) -> bool:
        """Follow a newer map; whether anything changed."""
        if wanted.version <= self._version:
            return False
        self._version = wanted.version
        now = len(self._shards)
        if wanted.num_shards == now:
            return False
        added = [ShardClient(i, self._connect, self._timeout_s) for i in range(now, wanted.num_shards)]
        leaving = self._shards[wanted.num_shards :]
        self._shards = [*self._shards[: wanted.num_shards], *added]
        for shard in added:
            shard.probe_until_started()
        for shard in leaving:
            task = asyncio.create_task(shard.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        SHARD_MAP_CHANGES.labels().inc()
        log.info("shard_map_applied", version=wanted.version, num_shards=wanted.num_shards, before=now)
        return True

    async def follow(self, read_map: Callable[[], Awaitable[ShardMap]], period_s: float) -> None:
        """Keep looking for a newer map. While it cannot be read the last one holds."""
        is_blind = False
        while True:
            try:
                self.resize(await read_map())
                is_blind = False
            except Exception as error:  # whatever is wrong with the database, recording goes on
                if not is_blind:
                    log.warning("shard_map_read_failed", error=type(error).__name__)
                is_blind = True
            await asyncio.sleep(period_s)

    async def save(self, batch: IngestBatch) -> BatchOutcome:
        """What became of the batch; when there is no error it is on disk."""
        try:
            return await self.shard_for(batch.user_id).calls.submit(batch, batch.num_bytes)
        except ShardUnreachable:
            SHARD_FALLBACKS.labels().inc()
            return (await self._fallback.append([batch]))[0]

    async def stop(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Flush, close the session and order its map."""
        try:
            await self.shard_for(user_id).call("close_session", session_id, user_id, current_context_ids())
        except ShardUnreachable:
            SHARD_FALLBACKS.labels().inc()
            await self._fallback.close_session(session_id, user_id)

    async def reload_exclusions(self, user_id: uuid.UUID) -> None:
        """The user's exclusions changed."""
        self._fallback.buffers.invalidate_user(user_id)
        try:
            await self.shard_for(user_id).call("invalidate_user", user_id)
        except ShardUnreachable:
            log.info("shard_away_while_forgetting")

    async def count_responding(self) -> tuple[int, int]:
        """How many shards answer, and how many there shall be. Also has those that are missing started."""
        shards = list(self._shards)
        answers = await asyncio.gather(*(s.call("stats") for s in shards), return_exceptions=True)
        return sum(not isinstance(a, BaseException) for a in answers), len(shards)

    async def close(self) -> None:
        """Finish what was accepted."""
        await asyncio.gather(*(s.close() for s in self._shards), *self._closing)
        await self._fallback.close()
