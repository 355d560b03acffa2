"""Checks all open streams of one replica together: their logins, their entries, and what they watch.

Each stream for itself would query Valkey every few seconds and PostgreSQL several times a minute: with 1,000 open
streams that took more than a third of a core, and a replica that was already busy answered seconds late.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from models.errors import TrailmindError
from serve.identity.login_cache import LoginCache
from serve.streams.open_streams import OpenStreams

log = structlog.get_logger("serve")

#: Intervals at which the logins of open streams are verified, and their entries renewed and their sessions looked for.
CHECK_S, RENEW_S = 2.5, 15.0

#: Returns those of the ids that still exist.
FindExisting = Callable[[AsyncSession, Collection[uuid.UUID]], Awaitable[set[uuid.UUID]]]


@dataclass(eq=False, slots=True)
class OpenStream:
    """One open stream: whose it is, what it watches, and how its login is verified.

    `authenticate` raises a TrailmindError when `credentials`, the `Authorization` header, are no longer accepted.
    `login_id` is None for an API key. `end` is called once the stream may not go on.
    """

    user_id: uuid.UUID
    watched_id: uuid.UUID
    find_existing: FindExisting
    credentials: str
    login_id: uuid.UUID | None
    authenticate: Callable[[], Awaitable[object]]
    end: Callable[[], None] = lambda: None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    renewed_at: float = field(default_factory=time.monotonic)

    async def is_permitted(self) -> bool:
        """Whether the login is valid. A store that cannot be reached does not end a stream."""
        try:
            # The status of a login is cached for two seconds, so this costs the verification of a signature.
            await self.authenticate()
        except TrailmindError:
            return False
        except (RedisError, SQLAlchemyError, OSError) as error:
            log.warning("stream_not_verified", error=type(error).__name__)
        return True


class StreamChecks:
    """Ends each open stream whose login has ended or whose session is deleted. `open_streams` is None without limits.

    A store that cannot be reached ends no stream.
    """

    def __init__(
        self,
        session_factory: async_sessionmaker[AsyncSession],
        login_cache: LoginCache,
        open_streams: OpenStreams | None,
        *,
        check_s: float = CHECK_S,
        renew_s: float = RENEW_S,
    ) -> None:
        self._session_factory, self._login_cache, self._open_streams = session_factory, login_cache, open_streams
        self._check_s, self._renew_s = check_s, renew_s
        self._streams: set[OpenStream] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def include(self, stream: OpenStream) -> Iterator[None]:
        """Check `stream` inside the block."""
        self._streams.add(stream)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._streams.discard(stream)

    async def close(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Check until no stream is open."""
        while self._streams:
            await asyncio.sleep(self._check_s)
            for check in (self._check_logins, self._renew):
                try:
                    await check(list(self._streams))
                except (RedisError, SQLAlchemyError, OSError) as error:
                    log.warning("stream_not_verified", error=type(error).__name__)

    async def _check_logins(self, streams: list[OpenStream]) -> None:
        await self._login_cache.get_many({s.login_id for s in streams if s.login_id is not None})
        by_credentials: dict[tuple[str, FindExisting], list[OpenStream]] = defaultdict(list)
        for stream in streams:
            # What is watched belongs to the key because each kind has its route, and each route its access rule.
            by_credentials[stream.credentials, stream.find_existing].append(stream)
        for same in by_credentials.values():
            if not await same[0].is_permitted():
                for stream in same:
                    stream.end()

    async def _renew(self, streams: list[OpenStream]) -> None:
        now = time.monotonic()
        due = [stream for stream in streams if now - stream.renewed_at >= self._renew_s]
        for stream in due:
            stream.renewed_at = now
        if due and self._open_streams is not None:
            await self._open_streams.renew([(stream.user_id, stream.id) for stream in due])
        by_kind: dict[FindExisting, list[OpenStream]] = defaultdict(list)
        for stream in due:
            by_kind[stream.find_existing].append(stream)
        for find_existing, same in by_kind.items():
            async with self._session_factory() as db:
                existing = await find_existing(db, {stream.watched_id for stream in same})
            for stream in same:
                if stream.watched_id not in existing:
                    stream.end()
