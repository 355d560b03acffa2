"""How many session buffer shards there shall be, as one row everybody reads.

Whoever routes to shards, and every shard, reads it again every second or two and follows by itself: nobody has to be
told, nothing restarts. While some have followed and others not, two shards hold one user's buffer; the database
decides what is a repeat, so that does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, UpdatedAt
from models.database import Connection
from models.errors import BadRequest

#: Users never move between buckets; buckets move between shards. So there cannot be more shards than this.
MAX_SHARDS = 64


class ShardMapRow(Base):
    """The one row."""

    __tablename__ = "shard_map"
    __table_args__ = (
        CheckConstraint("is_only", name="is_only"),
        CheckConstraint(f"num_shards BETWEEN 1 AND {MAX_SHARDS}", name="num_shards"),
    )

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default="true", default=True)
    version: Mapped[int]
    num_shards: Mapped[int]
    updated_at: Mapped[UpdatedAt]


@dataclass(frozen=True, slots=True)
class ShardMap:
    """A version of the map; higher replaces lower. Version 0 is what the settings say when nobody changed it."""

    version: int
    num_shards: int


async def read_shard_map(connection: Connection, default_num_shards: int) -> ShardMap:
    """The map now; `default` shards when nobody has set it."""
    cursor = await connection.execute("SELECT version, num_shards FROM shard_map")
    row = await cursor.fetchone()
    return ShardMap(*row) if row else ShardMap(0, default_num_shards)


async def set_num_shards(connection: Connection, num_shards: int) -> ShardMap:
    """Order `num_shards`; return the new map. Raises BadRequest for a number that cannot be."""
    if not 1 <= num_shards <= MAX_SHARDS:
        raise BadRequest(f"the number of shards must be 1 to {MAX_SHARDS}, not {num_shards}")
    cursor = await connection.execute(
        "INSERT INTO shard_map (version, num_shards) VALUES (1, %s) ON CONFLICT (is_only) DO UPDATE"
        " SET version = shard_map.version + (shard_map.num_shards <> excluded.num_shards)::int,"
        " num_shards = excluded.num_shards, updated_at = now() RETURNING version, num_shards",
        [num_shards],
    )
    row = await cursor.fetchone()
    assert row is not None
    return ShardMap(*row)
