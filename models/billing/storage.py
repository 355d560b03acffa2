"""How much each user has stored, and how much their plan stores: events and page texts, in bytes.

The writers of events count in memory and record the sum every `RECORD_BYTES`, so that counting costs no statement per
request. What a writer had not recorded when its process died is missing from the count, at most that much per user.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, UpdatedAt
from models.billing.plans import plan_in_version
from models.database import Connection
from models.errors import TrailmindError
from models.plurals import counted

#: What PostgreSQL needs for a row and its index entries, beside payload and text.
ROW_BYTES = 150
#: A writer records a user's bytes when so many are not recorded.
RECORD_BYTES = 64 * 1024

READ_STORAGE: Final = """
    SELECT coalesce(s.num_bytes, 0), s.limit_bytes, p.plan, p.plan_version FROM users u
    LEFT JOIN storage_usage s ON s.user_id = u.id
    CROSS JOIN LATERAL plan_of_user(u.id, %(default_plan)s, now()) p
    WHERE u.id = %(user_id)s
"""
# In the order of the ids, so that two writers cannot deadlock.
ADD_STORED_BYTES: Final = """
    INSERT INTO storage_usage AS s (user_id, num_bytes)
    SELECT added.user_id, greatest(added.num_bytes, 0)
    FROM unnest(%(user_ids)s::uuid[], %(num_bytes)s::bigint[]) added (user_id, num_bytes)
    JOIN users u ON u.id = added.user_id ORDER BY added.user_id
    ON CONFLICT (user_id) DO UPDATE SET updated_at = now(), num_bytes = greatest(0, s.num_bytes + (
        SELECT a.num_bytes FROM unnest(%(user_ids)s::uuid[], %(num_bytes)s::bigint[]) a (user_id, num_bytes)
        WHERE a.user_id = s.user_id))
"""
SET_STORAGE_LIMIT: Final = """
    INSERT INTO storage_usage (user_id, limit_bytes) VALUES (%(user_id)s, %(limit_bytes)s::bigint)
    ON CONFLICT (user_id) DO UPDATE SET limit_bytes = excluded.limit_bytes, updated_at = now()
"""


class StorageUsage(Base):
    """The bytes of one user's events and page texts, and the limit that an operator set for them."""

    __tablename__ = "storage_usage"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    num_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    #: None: the limit of the plan.
    limit_bytes: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[UpdatedAt]


@dataclass(slots=True)
class Storage:
    """Bytes stored by a user, and the limit: the operator's, else the plan's; None is unlimited."""

    num_bytes: int = 0
    limit_bytes: int | None = None
    plan: str = "Free"

    def has_room(self, num_bytes: int) -> bool:
        """Whether `num_bytes` more fit."""
        return self.limit_bytes is None or self.num_bytes + num_bytes <= self.limit_bytes


class StorageFull(TrailmindError):
    """The user has stored as much as their plan stores; recorded events stay on the device."""

    code, status = "STORAGE_LIMIT", 402

    def __init__(self, plan: str, limit_bytes: int) -> None:
        super().__init__(plan, limit_bytes)
        self.plan, self.limit_bytes = plan, limit_bytes

    def __str__(self) -> str:
        return (
            f"the {self.plan} plan stores {readable_bytes(self.limit_bytes)}, and your recordings need all of it; "
            "delete recordings to make room"
        )


def readable_bytes(num_bytes: int) -> str:
    """`num_bytes` as a person reads it: "512 MB", "10 GB"."""
    for unit, size in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f}".removesuffix(".0") + f" {unit}"
    return counted(num_bytes, "byte")


def text_bytes(text: str) -> int:
    """The length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


async def load_storage(connection: Connection, user_id: uuid.UUID, default_plan: str) -> Storage:
    """What the user stores and may store. Events of the last minute may not be counted yet."""
    values = {"user_id": user_id, "default_plan": default_plan}
    row = await (await connection.execute(READ_STORAGE, values)).fetchone()
    num_bytes, limit_bytes, plan_id, version = row if row is not None else (0, None, default_plan, None)
    plan = plan_in_version(plan_id, version)
    return Storage(num_bytes, limit_bytes if limit_bytes is not None else plan.storage_limit_bytes, plan.name)


async def add_stored_bytes(connection: Connection, by_user: Mapping[uuid.UUID, int]) -> None:
    """Add bytes to what each user has stored; negative for what was deleted. Users that do not exist are skipped."""
    ordered = sorted(by_user.items())
    await connection.execute(
        ADD_STORED_BYTES,
        {"user_ids": [user_id for user_id, _ in ordered], "num_bytes": [added for _, added in ordered]},
    )


async def set_storage_limit(connection: Connection, user_id: uuid.UUID, limit_bytes: int | None) -> None:
    """Set the operator's limit for a user; None returns to the limit of the plan."""
    await connection.execute(SET_STORAGE_LIMIT, {"user_id": user_id, "limit_bytes": limit_bytes})
