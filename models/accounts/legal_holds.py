"""Legal holds: until a hold ends, the data of its account is deleted neither by retention nor by the owner."""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt
from models.database import Connection
from models.errors import TrailmindError


class LegalHold(Base):
    """A hold on one account, which an operator has placed."""

    __tablename__ = "legal_holds"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    reason: Mapped[str]
    created_at: Mapped[CreatedAt]


class AccountHeld(TrailmindError):
    """The data of the account must be kept for a legal reason, so that nothing of it can be deleted now."""

    code, status = "ACCOUNT_HELD", 409

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "the data of this account is kept for a legal reason and cannot be deleted now; write to the operator"


PLACE_HOLD: Final = """
    INSERT INTO legal_holds (user_id, reason, created_at)
    SELECT id, %(reason)s, now() FROM users WHERE id = %(user_id)s
    ON CONFLICT (user_id) DO UPDATE SET reason = excluded.reason
"""
END_HOLD: Final = "DELETE FROM legal_holds WHERE user_id = %(user_id)s"
FIND_HOLD_REASON: Final = "SELECT reason FROM legal_holds WHERE user_id = %(user_id)s"
HAS_HOLD: Final = "SELECT FROM legal_holds WHERE user_id = %(user_id)s"


async def place_hold(connection: Connection, user_id: uuid.UUID, reason: str) -> bool:
    """Hold the data of an account; returns False if there is no such account. A repeat changes the reason."""
    cursor = await connection.execute(PLACE_HOLD, {"user_id": user_id, "reason": reason})
    return cursor.rowcount == 1


async def end_hold(connection: Connection, user_id: uuid.UUID) -> bool:
    """End the hold; returns whether there was one."""
    return (await connection.execute(END_HOLD, {"user_id": user_id})).rowcount == 1


async def find_hold_reason(connection: Connection, user_id: uuid.UUID) -> str | None:
    """Why the data of an account is held; None without a hold."""
    row = await (await connection.execute(FIND_HOLD_REASON, {"user_id": user_id})).fetchone()
    return None if row is None else str(row[0])


async def require_no_hold(connection: Connection, user_id: uuid.UUID) -> None:
    """Raise AccountHeld if the data of the account must not be deleted."""
    if await (await connection.execute(HAS_HOLD, {"user_id": user_id})).fetchone() is not None:
        raise AccountHeld
