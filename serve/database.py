"""Access to PostgreSQL from a replica: SQLAlchemy's pool, and the psycopg connections under it.

This is the only module that unwraps SQLAlchemy's `driver_connection`. Query functions of `models` take either an
`AsyncSession` or a psycopg `Connection`; both kinds run in the same transaction when they belong to one request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from models.database import Connection


async def session_connection(db: AsyncSession) -> Connection:
    """The psycopg connection of the session's current transaction.

    It is valid until the session commits or rolls back: then it returns to the pool, where another request takes it.
    """
    return await _driver_connection(await db.connection())


@asynccontextmanager
async def pooled_connection(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A psycopg connection from the pool. Uncommitted work is rolled back at the end."""
    async with engine.connect() as connection:
        yield await _driver_connection(connection)


async def _driver_connection(connection: AsyncConnection) -> Connection:
    raw = await connection.get_raw_connection()
    driver_connection: Connection = raw.driver_connection  # type: ignore[assignment]
    return driver_connection
