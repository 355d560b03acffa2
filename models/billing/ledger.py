"""The token ledger: append-only rows of what was granted, set aside, used and given back, and sums over them.

A provider call is one `call_id`: `reserve` sets an upper bound aside before the call, `settle` books what the provider
says it used, `release` gives an unused reservation back, `refund` gives back what was settled for an answer nobody
could use. Whatever the provider used beyond the reservation is `absorbed_tokens`: paid by the house, never by the
user, so a quote is a ceiling. The rows are written by `models.billing.ledger_store`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey
from models.errors import TrailmindError


class LedgerEntry(Base):
    """One booking. `tokens` is never negative; what it means follows from `kind`.

    `from_grants` is the part of `tokens` beyond the plan, taken from grants. `counted_at` is the moment of the
    reservation, also on the rows that close it: a call belongs to the billing period in which it began.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('grant', 'reserve', 'settle', 'release', 'refund')", name="kind"),
        CheckConstraint("tokens >= 0 AND absorbed_tokens >= 0", name="tokens"),
        CheckConstraint("from_grants BETWEEN 0 AND tokens", name="from_grants"),
        CheckConstraint("kind <> 'reserve' OR expires_at IS NOT NULL", name="expires"),
        # A repeat of a booking is the same booking.
        Index("uq_ledger_entries_call", "call_id", "kind", unique=True),
        Index("ix_ledger_entries_period", "user_id", "counted_at"),
        Index("ix_ledger_entries_grants", "user_id", postgresql_where=text("kind = 'grant' OR from_grants > 0")),
        Index("ix_ledger_entries_open", "expires_at", postgresql_where=text("kind = 'reserve'")),
        Index("ix_ledger_entries_session_id", "session_id"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="SET NULL"))
    #: The provider call, or the source of a grant: the idempotency key.
    call_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    #: What the tokens were for: `summarize` (describe pages) or `mindmap` (outline a session).
    operation: Mapped[str]
    tokens: Mapped[int] = mapped_column(BigInteger)
    from_grants: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    absorbed_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: Of the reservation this row closes: with them what is open is a sum, without looking for what belongs together.
    closes_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: When the reservation ends; the same on the row that closes it.
    expires_at: Mapped[datetime | None]
    counted_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]


@dataclass(frozen=True, slots=True)
class TokenAllowance:
    """What a plan allows one user in one billing period, `[period_start, period_end)`. No limit is None."""

    period_start: datetime
    period_end: datetime
    token_limit: int | None


@dataclass(frozen=True, slots=True)
class Balance:
    """A user's tokens at one moment. `used_tokens` of the period includes those paid from grants."""

    used_tokens: int
    used_of_plan: int
    reserved_tokens: int
    granted_tokens_left: int
    token_limit: int | None

    @property
    def tokens_left(self) -> int | None:
        """What may still be reserved; None when there is no limit."""
        if self.token_limit is None:
            return None
        # A plan overdrawn by a downgrade does not eat the grants.
        plan_left = max(0, self.token_limit - self.used_of_plan)
        return max(0, plan_left + self.granted_tokens_left - self.reserved_tokens)


class OutOfTokens(TrailmindError):
    """The plan's tokens for this period, and all grants, are used or set aside."""

    code, status = "TOKEN_LIMIT_EXCEEDED", 402

    def __init__(self, tokens: int, tokens_left: int, resets_at: datetime) -> None:
        super().__init__(tokens, tokens_left, resets_at)
        self.tokens, self.tokens_left, self.resets_at = tokens, tokens_left, resets_at

    def __str__(self) -> str:
        return (
            f"this would take up to {self.tokens:,} tokens and {self.tokens_left:,} are left;"
            f" your allowance is renewed on {self.resets_at:%Y-%m-%d}"
        )


#: The sums of `Balance`, by the function of migration 0013.
BALANCE_SQL = (
    "SELECT used_tokens, used_of_plan, reserved_tokens, granted_tokens FROM ledger_balance({user}, {start}, {end})"
)


async def balance(db: AsyncSession, user_id: uuid.UUID, allowance: TokenAllowance) -> Balance:
    """How much the user has used, set aside and left."""
    query = text(BALANCE_SQL.format(start=":start", end=":end", user=":user"))
    row = (
        await db.execute(query, {"user": user_id, "start": allowance.period_start, "end": allowance.period_end})
    ).one()
    used, of_plan, reserved, granted = (int(number) for number in row)
    return Balance(used, of_plan, reserved, granted, allowance.token_limit)


async def used_in_period(db: AsyncSession, user_id: uuid.UUID, start: datetime, end: datetime) -> int:
    """Tokens the user paid for in `[start, end)`, by plan or grants."""
    return sum((await used_by_operation(db, user_id, start, end)).values())


async def used_by_operation(db: AsyncSession, user_id: uuid.UUID, start: datetime, end: datetime) -> dict[str, int]:
    """The same per operation; operations that used nothing are absent."""
    signed = func.sum(text("CASE kind WHEN 'settle' THEN tokens WHEN 'refund' THEN -tokens ELSE 0 END"))
    found = await db.execute(
        select(LedgerEntry.operation, signed)
        .where(LedgerEntry.user_id == user_id, LedgerEntry.counted_at >= start, LedgerEntry.counted_at < end)
        .group_by(LedgerEntry.operation)
    )
    return {operation: int(tokens) for operation, tokens in found.all() if tokens}
