"""Session buffers: the unsaved events of many users in one actor.

A shard holds the buffers of every user whose bucket is assigned to it. A user is activated by their first batch, which
loads their exclusions from PostgreSQL, and passivated when idle, as Orleans does with virtual actors
(https://learn.microsoft.com/dotnet/orleans/grains/grain-lifecycle). PostgreSQL is the store of record: a batch is
acknowledged only after its commit, so a restart loses only unacknowledged events, which clients send again. Two
instances of one shard at the same time are harmless, because the database detects duplicates.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

import structlog
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from actors.batcher import RequestBatcher
from models.billing.storage import ROW_BYTES, Storage, StorageFull, load_storage
from models.database import outage
from models.errors import BufferFull, TrailmindError, Unavailable
from models.lifecycle.close_session import close_session
from models.recording.event_writer import BatchOutcome, EventWriter, excluded_rows, set_transaction_timeouts
from models.recording.exclusions import SiteLists
from models.recording.ingest import IngestBatch
from models.recording.user_exclusions import load_site_lists
from telemetry.metrics import (
    ACTIVATIONS,
    ACTIVE_USERS,
    BUFFERED_BYTES,
    FLUSH_EVENTS,
    FLUSH_FAILURES,
    FLUSH_SECONDS,
    PASSIVATIONS,
    REGISTRY,
    BufferWriter,
    record_psycopg_pool,
)

log = structlog.get_logger("shard")


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """How much a shard keeps in memory, and for how long."""

    #: Unsaved events of one user.
    user_bytes: int = 16 * 1024 * 1024
    #: Unsaved events of all users of the shard.
    shard_bytes: int = 128 * 1024 * 1024
    #: An idle user is evicted after this time …
    passivate_after_s: float = 300.0
    #: … or sooner, the longest idle first, when the entries of all users take more than this.
    idle_bytes: int = 32 * 1024 * 1024
    #: The plan of users without a subscription: it says how much they may store.
    default_plan: str = "free"


#: The id, the buffer, the timestamps and the dictionary entries of one user, as measured with tracemalloc.
_BYTES_PER_USER = 350


@dataclass(slots=True)
class UserBuffer:
    """The state of one active user: a few hundred bytes, plus the events that are not committed yet."""

    sites: SiteLists
    touched_at: float
    pending_bytes: int = 0
    storage: Storage = field(default_factory=Storage)
    #: Bytes stored since the user was activated.
    stored_bytes: int = 0

    @property
    def idle_bytes(self) -> int:
        """The approximate memory of this entry without unsaved events."""
        lists = (self.sites.excluded, self.sites.allowed)
        return _BYTES_PER_USER + sum(getsizeof(entries) + sum(map(getsizeof, entries)) for entries in lists)


class SessionBuffers:
    """Buffers of many users, saved by group commit.

    `save` writes batches with the rows to exclude from each, in one transaction, and returns an outcome for each.
    `load_storage` reads how much a user has stored and may store; without it there is no limit.
    `writer` labels the metrics: a shard, or a replica that writes directly.
    """

    def __init__(
        self,
        save: Callable[[Sequence[IngestBatch], Sequence[dict[int, str]]], Awaitable[Sequence[BatchOutcome]]],
        load_exclusions: Callable[[uuid.UUID], Awaitable[SiteLists]],
        limits: BufferLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        load_storage: Callable[[uuid.UUID], Awaitable[Storage]] | None = None,
        writer: BufferWriter = "shard",
    ) -> None:
        self._load_storage = load_storage
        self._load_exclusions, self._limits, self._clock = load_exclusions, limits or BufferLimits(), clock
        self._writer = writer
        self._is_owned: Callable[[uuid.UUID], bool] = lambda _: True
        self._save = save
        self._users: OrderedDict[uuid.UUID, UserBuffer] = OrderedDict()
        self._idle_bytes = 0
        self._loading: dict[uuid.UUID, asyncio.Task[SiteLists]] = {}
        self._batcher: RequestBatcher[tuple[IngestBatch, dict[int, str]], BatchOutcome] = RequestBatcher(self._flush)
        self.num_activations = self.num_passivations = self.num_events = 0
        self.last_flush_s = 0.0

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """Save the batches; return one outcome for each, in the same order.

        Does not raise TrailmindError: an error is part of its outcome, so that one user's error does not affect
        the batches of others. When an outcome has no error, its events are committed.
        """
        return list(await asyncio.gather(*(self._append(batch) for batch in batches)))

    async def _append(self, batch: IngestBatch) -> BatchOutcome:
        try:
            user = self._users.get(batch.user_id) or await self._activate(batch.user_id)
            # Rows and index entries take more than the body; what is pending is counted in full.
            num_bytes = batch.num_bytes + 2 * ROW_BYTES * len(batch.order)
            if not user.storage.has_room(user.pending_bytes + num_bytes) and self._load_storage is not None:
                # Recordings may have been deleted, or the plan changed, since the last look.
                stored_before = user.stored_bytes
                storage = await self._load_storage(batch.user_id)
                storage.num_bytes += user.stored_bytes - stored_before
                user.storage = storage
            self._check_limits(user, num_bytes)
        except TrailmindError as error:
            return BatchOutcome(error=error)
        user.touched_at = self._clock()
        if batch.user_id in self._users:
            self._users.move_to_end(batch.user_id)
        user.pending_bytes += num_bytes
        try:
            entry = (batch, excluded_rows(batch, user.sites))
            outcome = await self._batcher.submit(entry, batch.num_bytes)
            user.storage.num_bytes += outcome.stored_bytes
            user.stored_bytes += outcome.stored_bytes
            return outcome
        except TrailmindError as error:
            return BatchOutcome(error=error)
        finally:
            user.pending_bytes -= num_bytes

    def _check_limits(self, user: UserBuffer, num_bytes: int) -> None:
        if not user.storage.has_room(user.pending_bytes + num_bytes):
            raise StorageFull(user.storage.plan, user.storage.limit_bytes or 0)
        if user.pending_bytes + num_bytes > self._limits.user_bytes and user.pending_bytes:
            raise BufferFull("events arrive faster than they can be stored; wait a moment", 1.0)
        if self._batcher.pending_bytes + num_bytes > self._limits.shard_bytes and self._batcher.pending_bytes:
            raise Unavailable("the server is busy storing events; wait a moment", 1.0)

    async def _flush(self, entries: list[tuple[IngestBatch, dict[int, str]]]) -> Sequence[BatchOutcome]:
        began = self._clock()
        try:
            outcomes = await self._save([b for b, _ in entries], [e for _, e in entries])
        except TrailmindError:
            FLUSH_FAILURES.labels(writer=self._writer).inc()
            raise
        self.last_flush_s = self._clock() - began
        num_events = sum(len(b.rows) for b, _ in entries)
        self.num_events += num_events
        FLUSH_SECONDS.labels(writer=self._writer).observe(self.last_flush_s)
        FLUSH_EVENTS.labels(writer=self._writer).observe(num_events)
        return outcomes

    async def _activate(self, user_id: uuid.UUID) -> UserBuffer:
        loading = self._loading.get(user_id)
        if loading is None:
            loading = self._loading[user_id] = asyncio.ensure_future(self._load_exclusions(user_id))
            loading.add_done_callback(lambda _: self._loading.pop(user_id, None))
        # Shielded: the first caller may be cancelled while others wait for the same load.
        sites = await asyncio.shield(loading)
        storage = await self._load_storage(user_id) if self._load_storage is not None else Storage()
        if not self._is_owned(user_id):
            # A replica with an older shard map sent this batch. Serve it, but do not keep the user: only the shard
            # that owns them is notified when their exclusions change.
            return UserBuffer(sites, self._clock(), storage=storage)
        if user_id not in self._users:
            user = self._users[user_id] = UserBuffer(sites, self._clock(), storage=storage)
            self._idle_bytes += user.idle_bytes
            self.num_activations += 1
            ACTIVATIONS.labels(writer=self._writer).inc()
            self.passivate()
            return user
        return self._users[user_id]

    def passivate(self) -> int:
        """Evict users that were idle for too long, and the longest idle while all entries exceed `idle_bytes`.

        Returns how many. A user with unsaved events stays.
        """
        now, num_evicted = self._clock(), 0
        for user_id, user in list(self._users.items()):
            is_over_budget = self._idle_bytes > self._limits.idle_bytes
            if not is_over_budget and now - user.touched_at < self._limits.passivate_after_s:
                break
            if user.pending_bytes == 0:
                self._evict(user_id)
                num_evicted += 1
        if num_evicted:
            self.num_passivations += num_evicted
            PASSIVATIONS.labels(writer=self._writer).inc(num_evicted)
        return num_evicted

    def retain(self, is_owned: Callable[[uuid.UUID], bool]) -> int:
        """Keep only users for whom `is_owned` is true, now and in future; evict the others and return how many.

        No event is lost: batches that were submitted already are still saved.
        """
        self._is_owned = is_owned
        moved = [user_id for user_id in self._users if not is_owned(user_id)]
        for user_id in moved:
            self._evict(user_id)
        if moved:
            self.num_passivations += len(moved)
            PASSIVATIONS.labels(writer=self._writer).inc(len(moved))
        return len(moved)

    def invalidate_user(self, user_id: uuid.UUID) -> None:
        """Reload the user's exclusions with their next batch. Batches that were submitted already are still saved."""
        self._evict(user_id)

    def _evict(self, user_id: uuid.UUID) -> None:
        user = self._users.pop(user_id, None)
        if user is not None:
            self._idle_bytes -= user.idle_bytes

    async def drain(self) -> None:
        """Wait until every batch accepted so far is committed or has failed."""
        await self._batcher.drain()

    @property
    def num_active_users(self) -> int:
        """Users in memory."""
        return len(self._users)

    @property
    def idle_bytes(self) -> int:
        """The approximate memory of all entries without unsaved events."""
        return self._idle_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes accepted and not committed yet."""
        return self._batcher.pending_bytes


class PostgresBuffers:
    """Session buffers with a PostgreSQL pool of their own, for a shard, or for a replica whose shard is unavailable."""

    def __init__(
        self,
        dsn: str,
        limits: BufferLimits,
        *,
        max_connections: int = 4,
        writer: BufferWriter = "shard",
        name: str = "",
    ) -> None:
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=5.0,
            kwargs={"autocommit": True},
            configure=set_transaction_timeouts,
        )
        self._store = EventWriter(self.pool)
        self._default_plan = limits.default_plan
        self.buffers = SessionBuffers(
            self._store.save, self._load_exclusions, limits, load_storage=self._load_storage, writer=writer
        )
        self._writer, self._name = writer, name
        REGISTRY.add_collector(self._set_gauges)
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the pool, once. Does not wait for PostgreSQL to be available."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self.pool.open())
        await asyncio.shield(self._opening)

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """See SessionBuffers.append."""
        await self.open()
        return await self.buffers.append(batches)

    async def close_session(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Save what is buffered, then close the session. Raises as `models.lifecycle.close_session` does."""
        await self.open()
        await self.buffers.drain()
        await self.record_stored_bytes()
        await close_session(self.pool, session_id, user_id)

    async def record_stored_bytes(self) -> None:
        """Record how much was stored for each user since the last time; an unavailable database is only logged."""
        try:
            await self._store.record_stored_bytes()
        except (OperationalError, PoolTimeout, OSError) as error:
            log.warning("stored_bytes_not_recorded", error=type(error).__name__)

    def _set_gauges(self) -> None:
        BUFFERED_BYTES.labels(writer=self._writer, shard=self._name).set(self.buffers.pending_bytes)
        ACTIVE_USERS.labels(writer=self._writer, shard=self._name).set(self.buffers.num_active_users)
        if self._writer == "shard":
            record_psycopg_pool("shard", self.pool.get_stats())

    async def close(self) -> None:
        """Save what was accepted, then close the pool."""
        REGISTRY.remove_collector(self._set_gauges)
        await self.buffers.drain()
        if self._opening is not None:
            await self.record_stored_bytes()
        await self.pool.close()

    async def _load_exclusions(self, user_id: uuid.UUID) -> SiteLists:
        try:
            async with self.pool.connection() as connection:
                return await load_site_lists(connection, user_id)
        except (OperationalError, PoolTimeout, OSError) as error:
            raise Unavailable(f"{outage(error)}; keep the events and send them again", 2.0) from error

    async def _load_storage(self, user_id: uuid.UUID) -> Storage:
        # Read first: what is recorded meanwhile counts twice until the next look, rather than not at all.
        unrecorded_bytes = self._store.unrecorded_bytes(user_id)
        try:
            async with self.pool.connection() as connection:
                storage = await load_storage(connection, user_id, self._default_plan)
        except (OperationalError, PoolTimeout, OSError) as error:
            raise Unavailable(f"{outage(error)}; keep the events and send them again", 2.0) from error
        storage.num_bytes += unrecorded_bytes
        return storage
