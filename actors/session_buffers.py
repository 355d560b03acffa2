"""Session buffers: many users' unsaved events in one actor.

A shard holds the buffers of every user whose bucket is assigned to it. A user is activated on first touch (their own
exclusions come from PostgreSQL) and let go when idle, as Orleans does with virtual actors. Nothing here is the truth:
a batch is answered only after it is on disk, so a restart loses only what no client was promised. Two incarnations
of a shard at once are harmless, because the database decides what is a repeat.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from actors.closing import close_session
from actors.coalescer import Coalescer
from actors.event_store import BatchOutcome, EventStore, excluded_rows
from models.errors import BufferFull, TrailmindError, Unavailable
from models.ingest import IngestBatch

NAMESPACE = "trailmind"


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """Bytes of unsaved events one user and one shard may hold, and when an idle user is let go."""

    user_bytes: int = 16 * 1024 * 1024
    shard_bytes: int = 128 * 1024 * 1024
    passivate_after_s: float = 300.0
    max_active_users: int = 50_000


@dataclass(slots=True)
class UserBuffer:
    """What a shard knows of one active user: a few hundred bytes, plus the events on their way to disk."""

    excluded_domains: frozenset[str]
    touched_at: float
    pending_bytes: int = 0


class SessionBuffers:
    """Buffers of many users, saved by group commit."""

    def __init__(
        self,
        save: Callable[[Sequence[IngestBatch], Sequence[dict[int, str]]], Awaitable[Sequence[BatchOutcome]]],
        load_exclusions: Callable[[uuid.UUID], Awaitable[frozenset[str]]],
        limits: BufferLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load_exclusions, self._limits, self._clock = load_exclusions, limits or BufferLimits(), clock
        self._save = save
        self._users: OrderedDict[uuid.UUID, UserBuffer] = OrderedDict()
        self._loading: dict[uuid.UUID, asyncio.Task[frozenset[str]]] = {}
        self._commits: Coalescer[tuple[IngestBatch, dict[int, str]], BatchOutcome] = Coalescer(self._flush)
        self.num_activations = self.num_passivations = self.num_events = 0
        self.last_flush_s = 0.0

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """Save the batches; the outcomes run in parallel. Errors ride inside the outcomes: one user's never touch
        another's."""
        return list(await asyncio.gather(*(self._append(batch) for batch in batches)))

    async def _append(self, batch: IngestBatch) -> BatchOutcome:
        try:
            user = self._users.get(batch.user_id) or await self._activate(batch.user_id)
            self._admit(user, batch.num_bytes)
        except TrailmindError as error:
            return BatchOutcome(error=error)
        user.touched_at = self._clock()
        self._users.move_to_end(batch.user_id)
        user.pending_bytes += batch.num_bytes
        try:
            return await self._commits.add((batch, excluded_rows(batch, user.excluded_domains)), batch.num_bytes)
        except TrailmindError as error:
            return BatchOutcome(error=error)
        finally:
            user.pending_bytes -= batch.num_bytes

    def _admit(self, user: UserBuffer, num_bytes: int) -> None:
        if user.pending_bytes + num_bytes > self._limits.user_bytes and user.pending_bytes:
            raise BufferFull("events arrive faster than they can be stored; wait a moment", 1.0)
        if self._commits.pending_bytes + num_bytes > self._limits.shard_bytes and self._commits.pending_bytes:
            raise Unavailable("the server is busy storing events; wait a moment", 1.0)

    async def _flush(self, entries: list[tuple[IngestBatch, dict[int, str]]]) -> Sequence[BatchOutcome]:
        began = self._clock()
        outcomes = await self._save([b for b, _ in entries], [e for _, e in entries])
        self.last_flush_s = self._clock() - began
        self.num_events += sum(len(b.rows) for b, _ in entries)
        return outcomes

    async def _activate(self, user_id: uuid.UUID) -> UserBuffer:
        loading = self._loading.get(user_id)
        if loading is None:
            loading = self._loading[user_id] = asyncio.ensure_future(self._load_exclusions(user_id))
            loading.add_done_callback(lambda _: self._loading.pop(user_id, None))
        # Shielded: the first caller may hang up, the others still want the answer.
        domains = await asyncio.shield(loading)
        if user_id not in self._users:
            self._users[user_id] = UserBuffer(domains, self._clock())
            self.num_activations += 1
            self.passivate()
        return self._users[user_id]

    def passivate(self) -> int:
        """Let go of users idle for too long, and of the longest idle when there are too many; return how many."""
        now, gone = self._clock(), 0
        for user_id, user in list(self._users.items()):
            crowded = len(self._users) > self._limits.max_active_users
            if not crowded and now - user.touched_at < self._limits.passivate_after_s:
                break
            if user.pending_bytes == 0:
                del self._users[user_id]
                gone += 1
        self.num_passivations += gone
        return gone

    def forget(self, user_id: uuid.UUID) -> None:
        """Read the user's exclusions anew at the next touch (they changed). What is on its way to disk goes on."""
        self._users.pop(user_id, None)

    async def drained(self) -> None:
        """Wait until everything accepted so far is on disk or refused."""
        await self._commits.drained()

    @property
    def num_active_users(self) -> int:
        """Users in memory."""
        return len(self._users)

    @property
    def pending_bytes(self) -> int:
        """Bytes accepted and not on disk yet."""
        return self._commits.pending_bytes


class PostgresBuffers:
    """Session buffers on a PostgreSQL pool of their own: what a shard runs, and a replica whose shard is gone."""

    def __init__(self, dsn: str, limits: BufferLimits, *, max_connections: int = 4) -> None:
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn, min_size=1, max_size=max_connections, open=False, timeout=5.0, kwargs={"autocommit": True}
        )
        self._store = EventStore(self.pool)
        self.buffers = SessionBuffers(self._store.save, self._load_exclusions, limits)
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the pool, once; does not wait for PostgreSQL to be up."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self.pool.open())
        await asyncio.shield(self._opening)

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """See SessionBuffers.append."""
        await self.open()
        return await self.buffers.append(batches)

    async def stop(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Save what is buffered, then close the session (see `actors.closing`)."""
        await self.open()
        await self.buffers.drained()
        await close_session(self.pool, session_id, user_id)

    async def close(self) -> None:
        """Finish what was accepted and give the connections back."""
        await self.buffers.drained()
        await self.pool.close()

    async def _load_exclusions(self, user_id: uuid.UUID) -> frozenset[str]:
        try:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT excluded_domains FROM user_settings WHERE user_id = %s", [user_id]
                )
                row = await cursor.fetchone()
        except (OperationalError, PoolTimeout, OSError) as error:
            raise Unavailable("the database cannot be reached; keep the events and send them again", 2.0) from error
        return frozenset(row[0]) if row else frozenset()


class SessionBufferShard:
    """The Ray rim: one shard's buffers, reachable by name from every replica."""

    def __init__(self, dsn: str, limits: BufferLimits) -> None:
        self._postgres = PostgresBuffers(dsn, limits)
        self._limits = limits
        self._sweeper: asyncio.Task[None] | None = None

    async def append(self, batches: Sequence[IngestBatch]) -> list[BatchOutcome]:
        """Save the batches (see SessionBuffers.append)."""
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return await self._postgres.append(batches)

    async def stop(self, session_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Flush and close a session."""
        await self._postgres.stop(session_id, user_id)

    async def forget(self, user_id: uuid.UUID) -> None:
        """A user's settings changed."""
        self._postgres.buffers.forget(user_id)

    async def drain(self) -> None:
        """Finish what was accepted."""
        await self._postgres.buffers.drained()

    async def stats(self) -> dict[str, Any]:
        """Numbers for operators and tests."""
        buffers = self._postgres.buffers
        return {
            "pid": os.getpid(),
            "active_users": buffers.num_active_users,
            "pending_bytes": buffers.pending_bytes,
            "num_events": buffers.num_events,
            "activations": buffers.num_activations,
            "passivations": buffers.num_passivations,
            "last_flush_s": buffers.last_flush_s,
        }

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self._limits.passivate_after_s))
            self._postgres.buffers.passivate()


def shard_name(index: int) -> str:
    """The name a shard is found by."""
    return f"session-buffers-{index}"


def session_buffer_shard(index: int, dsn: str, limits: BufferLimits, **options: Any) -> Any:
    """The cluster's shard number `index`, started on first use. `options` go to Ray (placement)."""
    remote = ray.remote(num_cpus=0, max_restarts=-1)(SessionBufferShard)
    return remote.options(
        name=shard_name(index),
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_concurrency=1000,
        **options,
    ).remote(dsn, limits)
