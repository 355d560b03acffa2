"""The shared quota state of each provider's model, as an opaque JSON value with optimistic locking.

`actors.quota_state` defines the value; every limiter of every cluster on this database reads and writes the same row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.database import Connection


class ProviderQuota(Base):
    """The state of one provider and model: tokens in its buckets, leases, learned limits.

    The table is unlogged: cheap to write, and empty after a crash of PostgreSQL, after which limiters start cold.
    """

    __tablename__ = "provider_windows"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    key: Mapped[str] = mapped_column(primary_key=True)
    #: Incremented by every update: a writer names the version that it has read.
    version: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    state: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


CREATE_QUOTA: Final = "INSERT INTO provider_windows (key) VALUES (%(key)s) ON CONFLICT DO NOTHING"
#: With the time of PostgreSQL: the clock that all limiters share.
LOAD_QUOTA: Final = (
    "SELECT version, state, extract(epoch FROM clock_timestamp())::float8 FROM provider_windows WHERE key = %(key)s"
)
SAVE_QUOTA: Final = (
    "UPDATE provider_windows SET state = %(state)s, version = version + 1, updated_at = now()"
    " WHERE key = %(key)s AND version = %(version)s"
)


@dataclass(frozen=True, slots=True)
class StoredQuota:
    """The state of one key and its version; `now_s` is PostgreSQL's time in seconds since the epoch."""

    version: int
    state: dict[str, Any]
    now_s: float


async def load_quota(connection: Connection, key: str) -> StoredQuota:
    """The state of `key`, created empty when it is missing."""
    await connection.execute(CREATE_QUOTA, {"key": key})
    cursor = await connection.execute(LOAD_QUOTA, {"key": key})
    row = await cursor.fetchone()
    assert row is not None
    return StoredQuota(*row)


async def save_quota(connection: Connection, key: str, version: int, state: dict[str, Any]) -> bool:
    """Replace the state of `key` if it still has `version`; returns False when another writer was faster."""
    cursor = await connection.execute(SAVE_QUOTA, {"state": Jsonb(state), "key": key, "version": version})
    return cursor.rowcount == 1
