"""Routes event batches from a replica to the shard that buffers them; if a shard is unavailable, the replica writes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
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

#: Time between two attempts to reach an unavailable shard, made in the background.
PROBE_PERIOD_S = 1.0


class ShardUnreachable(Exception):
    """The actor is dead, restarting, or does not reply in time."""


class ShardClient:
    """A replica's client of one shard actor. Batches are coalesced: at most one append is in flight.

    After a call has timed out, calls fail at once until a probe in the background succeeds. Only one request waits for
    the time-out of a hung shard; the others fail fast. The log has one line when the shard becomes unreachable, however
    many probes fail, and one when it is back.
    """

    def __init__(
        self, index: int, connect: Callable[[int], Any], timeout_s: float, probe_period_s: float = PROBE_PERIOD_S
    ) -> None:
        self._index, self._connect, self._timeout_s = index, connect, timeout_s
        self._probe_period_s = probe_period_s
        self._handle: Any = None
        self._probing: asyncio.Task[None] | None = None
        self._is_outage_logged = False
        self.calls: RequestBatcher[IngestBatch, BatchOutcome] = RequestBatcher(self._append)

    @property
    def is_unavailable(self) -> bool:
        """Whether calls fail at once for now."""
        return self._probing is not None

    async def call(self, method: str, *args: Any) -> Any:
        """Call the actor. Raises what the method raises, or ShardUnreachable (at once if the shard is unavailable)."""
        if self.is_unavailable:
            raise ShardUnreachable(self._index)
        try:
            return await self._call_actor(method, *args)
        except ShardUnreachable:
            if self._probing is None:
                self._start_probing(self._probe_period_s)
            raise

    def probe_until_started(self) -> None:
        """Fail calls until the actor replies: it is being started, and no request should wait for that."""
        if self._probing is None:
            self._start_probing(0.0)

    def _start_probing(self, first_after_s: float) -> None:
        # Without the context of the request that found the shard unreachable: its ids would be logged with the probes.
        self._probing = asyncio.create_task(self._probe(first_after_s), context=Context())

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
            if not self._is_outage_logged:
                self._is_outage_logged = True
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
                if self._is_outage_logged:
                    self._is_outage_logged = False
                    log.info("shard_recovered", shard=self._index)
                return
        finally:
            self._probing = None

    async def _append(self, batches: list[IngestBatch]) -> Sequence[BatchOutcome]:
        outcomes: Sequence[BatchOutcome] = await self.call("append", batches)
        SHARD_CALLS.labels().inc()
        SHARD_CALL_BATCHES.labels().inc(len(batches))
        return outcomes

    async def close(self) -> None:
        """Wait for accepted batches and stop probing."""
        await self.calls.drain()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])


class ShardRouter:
    """Routes each user's batches to their shard; if a shard is unavailable, the replica writes directly.

    `fallback` runs the same statements as a shard, on a pool of the replica, so that recording does not depend on an
    actor. When the number of shards changes, `resize` reassigns users; calls in flight finish where they are.
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
        """Number of shards that users are distributed over."""
        return len(self._shards)

    def shard_for(self, user_id: uuid.UUID) -> ShardClient:
        """The shard that buffers this user's events."""
        return self._shards[shard_of(user_id, len(self._shards))]

    def resize(self, shard_map: ShardMap) -> bool:
        """Apply a newer shard map; whether the number of shards changed."""
        if shard_map.version <= self._version:
            return False
        self._version = shard_map.version
        num_before = len(self._shards)
        if shard_map.num_shards == num_before:
            return False
        added = [ShardClient(i, self._connect, self._timeout_s) for i in range(num_before, shard_map.num_shards)]
        removed = self._shards[shard_map.num_shards :]
        self._shards = [*self._shards[: shard_map.num_shards], *added]
        for shard in added:
            shard.probe_until_started()
        for shard in removed:
            task = asyncio.create_task(shard.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        SHARD_MAP_CHANGES.labels().inc()
        log.info("shard_map_applied", version=shard_map.version, num_shards=shard_map.num_shards, before=num_before)
        return True

    async def follow_shard_map(self, read_map: Callable[[], Awaitable[ShardMap]], period_s: float) -> None:
        """Poll for newer shard maps every `period_s` seconds. While reading fails, the last map stays in use."""
        has_failed = False
        while True:
            try:
                self.resize(await read_map())
                has_failed = False
            except Exception as error:  # recording does not depend on reading the map
                if not has_failed:
                    log.warning("shard_map_read_failed", error=type(error).__name__)
                has_failed = True
            await asyncio.sleep(period_s)

    async def save(self, batch: IngestBatch) -> BatchOutcome:
        """The outcome of the batch; without an error its events are committed."""
        try:
            return await self.shard_for(batch.user_id).calls.submit(batch, batch.num_bytes)
        except ShardUnreachable:
            SHARD_FALLBACKS.labels().inc()
            return (await self._fallback.append([batch]))[0]

    async def stop(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Flush, close the session and enqueue its map job."""
        try:
            await self.shard_for(user_id).call("close_session", session_id, user_id, current_context_ids())
        except ShardUnreachable:
            SHARD_FALLBACKS.labels().inc()
            await self._fallback.close_session(session_id, user_id)

    async def reload_user(self, user_id: uuid.UUID) -> None:
        """Make this replica and the user's shard read the user's excluded domains and storage limit again."""
        self._fallback.buffers.invalidate_user(user_id)
        try:
            await self.shard_for(user_id).call("invalidate_user", user_id)
        except ShardUnreachable:
            log.info("user_not_reloaded")

    async def count_responding(self) -> tuple[int, int]:
        """How many shards reply, and how many there should be. Missing actors are started by the call."""
        shards = list(self._shards)
        replies = await asyncio.gather(*(s.call("stats") for s in shards), return_exceptions=True)
        return sum(not isinstance(a, BaseException) for a in replies), len(shards)

    async def close(self) -> None:
        """Wait for accepted batches, then close the fallback."""
        await asyncio.gather(*(s.close() for s in self._shards), *self._closing)
        await self._fallback.close()
