"""Whether PostgreSQL answers at all.

A database whose machine hangs accepts connections and answers nothing. A statement sent there waits until the time
limit of the request, and no time limit of the statement helps, because the server enforces that. So a request that
waits long asks on another connection: long work of a database that answers goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.errors import ConnectionTimeout

from models.database import ping

log = structlog.get_logger("serve")

T = TypeVar("T")

#: A database that is busy answers a simple statement within this time.
LIMIT_S = 3.0
#: Work that was cancelled and has not ended: the event loop itself holds tasks weakly.
_ending: set[asyncio.Task[Any]] = set()


async def within(limit_s: float, work: Coroutine[None, None, T]) -> T:
    """The result of `work`, or TimeoutError after at most `limit_s` seconds. Raises what `work` raises."""
    # Not `asyncio.timeout`, which waits until the work has ended: when PostgreSQL accepts connections and answers
    # nothing, psycopg tries for ten more seconds to cancel the statement.
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            _ending.add(task)
            task.add_done_callback(_forget)
            task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        task.exception()  # otherwise asyncio would log it as never retrieved


class DatabaseProbe:
    """Asks PostgreSQL at `dsn` for a sign of life, once for all who want to know at the same time."""

    def __init__(self, dsn: str, limit_s: float = LIMIT_S) -> None:
        self._dsn, self._limit_s = dsn, limit_s
        self._asking: asyncio.Task[bool] | None = None

    async def is_silent(self) -> bool:
        """Whether PostgreSQL answers nothing within the limit. A refusal is an answer: the request gets it itself."""
        if self._asking is None or self._asking.done():
            # Without the context of the request that asks first: the answer is for others, too.
            self._asking = asyncio.create_task(self._ask(), context=Context())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            await within(self._limit_s, self._connect())
        except (TimeoutError, ConnectionTimeout):
            log.warning("database_silent", after_s=self._limit_s)
            return True
        except psycopg.Error:
            return False
        return False

    async def _connect(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            await ping(connection)
