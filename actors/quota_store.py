"""The shared quota state in PostgreSQL, with optimistic locking and one writer at a time per process.

All clusters of one database share the row of `models.provider_quota`, and PostgreSQL's clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from psycopg_pool import AsyncConnectionPool

from actors.quota_state import QuotaState
from models.provider_quota import load_quota, save_quota

Result = TypeVar("Result")


class QuotaStore(Protocol):
    """Where the shared quota state is stored."""

    async def update(self, change: Callable[[QuotaState, float], Result]) -> Result:
        """Run `change(state, now)` exclusively, store the changed state and return the result.

        `now` is the time of the clock that all limiters share. `change` may run more than once; the last run counts.
        """
        ...


@dataclass(slots=True, eq=False)
class _PendingUpdate:
    change: Callable[[QuotaState, float], Any]
    result: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PostgresQuotaStore:
    """The state of one key as a row of PostgreSQL.

    A write names the version that it is based on, and starts again when another writer was faster. A limiter is
    usually the only writer, so that an update is one statement on the last version seen; updates that arrive during a
    write are batched into the next one.

    Args:
        pool: Autocommit database connections.
        key: `provider/model`.
        clock: Replaces PostgreSQL's clock in tests, in seconds.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], key: str, clock: Callable[[], float] | None = None) -> None:
        self._pool, self._key, self._clock = pool, key, clock
        self._pending: list[_PendingUpdate] = []
        self._writing: asyncio.Task[None] | None = None
        # The last version seen with its state, and the offset of PostgreSQL's clock to the monotonic one.
        self._last_read: tuple[int, Any] | None = None
        self._clock_offset_s = 0.0

    async def update(self, change: Callable[[QuotaState, float], Result]) -> Result:
        """See QuotaStore."""
        pending = _PendingUpdate(change)
        self._pending.append(pending)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        result: Result = await asyncio.shield(pending.result)
        return result

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                results = await self._apply(batch)
            except Exception as error:
                self._last_read = None
                for pending in batch:
                    if not pending.result.done():
                        pending.result.set_exception(error)
                continue
            for pending, result in zip(batch, results, strict=True):
                if not pending.result.done():
                    pending.result.set_result(result)

    async def _apply(self, batch: Sequence[_PendingUpdate]) -> list[Any]:
        async with self._pool.connection() as connection:
            while True:
                if self._last_read is None:
                    stored = await load_quota(connection, self._key)
                    self._last_read = (stored.version, stored.state)
                    self._clock_offset_s = stored.now_s - time.monotonic()
                version, state_json = self._last_read
                now = self._clock() if self._clock is not None else time.monotonic() + self._clock_offset_s
                state = QuotaState.from_json(state_json, now)
                results = [pending.change(state, now) for pending in batch]
                new_json = state.to_json()
                if await save_quota(connection, self._key, version, new_json):
                    self._last_read = (version + 1, new_json)
                    return results
                self._last_read = None
