"""Receipts of deleted data: what kind, how much and when. Never its content, addresses or titles."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey
from models.database import Connection

ErasureScope = Literal["page", "site", "time", "session"]
MAX_LISTED = 200


class ErasureReceipt(Base):
    """One deletion. `counts` and `erased_at` are empty while a deleted session can still be restored."""

    __tablename__ = "erasure_receipts"
    __table_args__ = (
        CheckConstraint("scope IN ('page', 'site', 'time', 'session')", name="scope"),
        Index("ix_erasure_receipts_user_id", "user_id", "created_at"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    scope: Mapped[str]
    session_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID(as_uuid=True)))
    counts: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    erased_at: Mapped[datetime | None]


INSERT_RECEIPT: Final = """
    INSERT INTO erasure_receipts (id, user_id, scope, session_ids, counts, created_at, erased_at)
    VALUES (%(id)s, %(user_id)s, %(scope)s, %(session_ids)s, %(counts)s, now(),
        CASE WHEN %(counts)s::jsonb IS NOT NULL THEN now() END)
"""
COMPLETE_SESSION_RECEIPT: Final = """
    UPDATE erasure_receipts SET counts = %(counts)s, erased_at = now()
    WHERE scope = 'session' AND erased_at IS NULL AND user_id = %(user_id)s
        AND session_ids = ARRAY[%(session_id)s::uuid]
"""
CANCEL_SESSION_RECEIPT: Final = """
    DELETE FROM erasure_receipts WHERE scope = 'session' AND erased_at IS NULL AND user_id = %(user_id)s
        AND session_ids = ARRAY[%(session_id)s::uuid]
"""
LIST_RECEIPTS: Final = """
    SELECT id, scope, session_ids, counts, created_at, erased_at FROM erasure_receipts
    WHERE user_id = %(user_id)s AND (%(id)s::uuid IS NULL OR id = %(id)s) ORDER BY created_at DESC, id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as its owner reads it."""

    id: uuid.UUID
    scope: str
    session_ids: list[uuid.UUID]
    counts: dict[str, int] | None
    created_at: datetime
    erased_at: datetime | None


async def add_receipt(
    connection: Connection,
    user_id: uuid.UUID,
    scope: ErasureScope,
    session_ids: Sequence[uuid.UUID],
    counts: Mapping[str, int] | None,
) -> uuid.UUID:
    """Store a receipt in the transaction of the deletion; returns its id. Without `counts` the deletion is to come."""
    receipt_id = uuid.uuid4()
    await connection.execute(
        INSERT_RECEIPT,
        {
            "id": receipt_id,
            "user_id": user_id,
            "scope": scope,
            "session_ids": list(session_ids),
            "counts": Jsonb(dict(counts)) if counts is not None else None,
        },
    )
    return receipt_id


async def complete_session_receipt(
    connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID, counts: Mapping[str, int]
) -> None:
    """Write what a purge has deleted into the receipt of the session; after retention it gets its receipt now."""
    values = {"user_id": user_id, "session_id": session_id, "counts": Jsonb(dict(counts))}
    if (await connection.execute(COMPLETE_SESSION_RECEIPT, values)).rowcount == 0:
        await add_receipt(connection, user_id, "session", [session_id], counts)


async def cancel_session_receipt(connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID) -> None:
    """Delete the receipt of a session that is restored."""
    await connection.execute(CANCEL_SESSION_RECEIPT, {"user_id": user_id, "session_id": session_id})


async def list_receipts(
    connection: Connection, user_id: uuid.UUID, receipt_id: uuid.UUID | None = None
) -> list[Receipt]:
    """The user's receipts, newest first, at most `MAX_LISTED`; or the one with this id."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LIST_RECEIPTS, {"user_id": user_id, "id": receipt_id, "limit": MAX_LISTED})
        return [Receipt(**row) for row in await cursor.fetchall()]
