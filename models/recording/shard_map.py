"""The shard map: the number of session buffer shards, in one row of the database.

Replicas and shards poll it every second or two, so a change needs no restart and no message. Until all of them have
read a new version, two shards may buffer events of one user; the database detects duplicates, so this is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, UpdatedAt
from models.database import Connection
from models.errors import BadRequest

#: The number of buckets (`actors.sharding`): a shard without a bucket would have no users.
MAX_SHARDS = 64


READ_SHARD_MAP: Final = "SELECT version, num_shards FROM shard_map"
# The version increases only when the number changes.
SET_NUM_SHARDS: Final = """
    INSERT INTO shard_map (version, num_shards) VALUES (1, %(num_shards)s)
    ON CONFLICT (is_only) DO UPDATE SET
        version = shard_map.version + (shard_map.num_shards <> excluded.num_shards)::int,
        num_shards = excluded.num_shards, updated_at = now()
    RETURNING version, num_shards
"""


class ShardMapRow(Base):
    """The only row; `is_only` is its key."""

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
    """A version of the map; a higher version replaces a lower one. Version 0 is the default from the settings."""

    version: int
    num_shards: int


async def read_shard_map(connection: Connection, default_num_shards: int) -> ShardMap:
    """The current map; version 0 with `default_num_shards` while no number was set."""
    cursor = await connection.execute(READ_SHARD_MAP)
    row = await cursor.fetchone()
    return ShardMap(*row) if row else ShardMap(0, default_num_shards)


async def set_num_shards(connection: Connection, num_shards: int) -> ShardMap:
    """Set the number of shards; return the new map. Raises BadRequest unless it is 1 to 64. Safe to repeat."""
    if not 1 <= num_shards <= MAX_SHARDS:
        raise BadRequest(f"the number of shards must be 1 to {MAX_SHARDS}, not {num_shards}")
    cursor = await connection.execute(SET_NUM_SHARDS, {"num_shards": num_shards})
    row = await cursor.fetchone()
    assert row is not None
    return ShardMap(*row)
