"""The database connection that query functions take.

Query functions receive an open connection and never commit: the entry point that owns the transaction (a request, a job
or an actor's save) commits once.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection

#: An open psycopg connection with its default row factory (tuples).
Connection: TypeAlias = AsyncConnection[Any]

PING: Final = "SELECT 1"


async def ping(connection: Connection) -> None:
    """Raise psycopg.Error unless PostgreSQL replies."""
    await connection.execute(PING)
