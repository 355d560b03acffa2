"""The database connection that query functions take.

Query functions receive an open connection and never commit: the entry point that owns the transaction (a request, a job
or an actor's save) commits once.
"""

from __future__ import annotations

import errno
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection
from psycopg.errors import DiskFull

#: An open psycopg connection with its default row factory (tuples).
Connection: TypeAlias = AsyncConnection[Any]

PING: Final = "SELECT 1"

SMALL_WORK_MEM: Final = "SET LOCAL work_mem = '64kB'"

# With little memory the rows go to a temporary file of about 0.8 MB, which is gone afterwards: unlike a row in a
# table it finds a full disk, because PostgreSQL keeps free pages and log files in reserve, and leaves nothing behind.
WRITE_TEMPORARY_FILE: Final = "SELECT count(*) FROM generate_series(1, 60000)"


async def ping(connection: Connection) -> None:
    """Raise psycopg.Error unless PostgreSQL replies."""
    await connection.execute(PING)


async def check_disk(connection: Connection) -> None:
    """Raise psycopg.errors.DiskFull when the disk of PostgreSQL has no room for a megabyte."""
    async with connection.transaction():
        await connection.execute(SMALL_WORK_MEM)
        await connection.execute(WRITE_TEMPORARY_FILE)


def outage(error: BaseException) -> str:
    """Why PostgreSQL stores nothing at the moment, as the first part of a sentence for the user."""
    cause = getattr(error, "orig", None) or error
    is_full = isinstance(cause, DiskFull) or (isinstance(cause, OSError) and cause.errno == errno.ENOSPC)
    return "the disk of the database is full" if is_full else "the database cannot be reached"
