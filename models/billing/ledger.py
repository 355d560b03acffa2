"""The token ledger: append-only entries of granted, reserved, settled, released, refunded and revoked tokens.

A provider call has one `call_id`. `reserve` sets an upper bound aside before the call; `settle` books the usage that
the provider reports; `release` closes an unused reservation; `refund` returns the tokens settled for a response that
failed validation. Usage beyond the reservation is stored as `absorbed_tokens`: absorbed by the operator, never charged
to the user, so a cost estimate is a ceiling.

Every function takes an open database connection and never commits.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey
from models.database import Connection
from models.errors import NotFound, TrailmindError


class LedgerEntry(Base):
    """One ledger entry. `tokens` is never negative; `kind` determines its sign in the sums.

    `from_grants` is the part of `tokens` beyond the plan, taken from grants. `counted_at` is the time of the
    reservation, also on the entries that close it: a call belongs to the billing period in which it started.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('grant', 'reserve', 'settle', 'release', 'refund', 'revoke')", name="kind"),
        CheckConstraint("tokens >= 0 AND absorbed_tokens >= 0", name="tokens"),
        CheckConstraint("from_grants BETWEEN 0 AND tokens", name="from_grants"),
        CheckConstraint("kind <> 'reserve' OR expires_at IS NOT NULL", name="expires"),
        # Makes every booking idempotent.
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
    #: The tokens of the reservation that this entry closes, so that the open tokens of a user are a plain sum.
    closes_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: When the reservation expires; copied to the entry that closes it.
    expires_at: Mapped[datetime | None]
    counted_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]


#: Seconds until an open reservation expires. Longer than any call may take, retries excluded.
RESERVATION_LEASE_S = 300.0

# --- statements -------------------------------------------------------------------------------------------------------

#: `ledger_balance` is a function of migration 0013.
LOAD_BALANCE: Final = (
    "SELECT used_tokens, used_of_plan, reserved_tokens, granted_tokens"
    " FROM ledger_balance(%(user)s, %(period_start)s, %(period_end)s)"
)

#: A clause, not a statement: rows `(outcome, tokens_left)` for the parameters of a `Reservation`. `ledger_reserve` is a
#: function of migration 0013.
RESERVE_CLAUSE: Final = (
    "ledger_reserve(%(user)s, %(session)s, %(call)s, %(operation)s, %(tokens)s, %(lease_s)s, %(token_limit)s,"
    " %(period_start)s, %(period_end)s)"
)
RESERVE_TOKENS: Final = f"SELECT outcome, tokens_left FROM {RESERVE_CLAUSE}"

#: A clause, not a statement: the end of a `WITH` statement that settles `%(call)s` at `%(used)s` tokens. The charge is
#: the usage up to the reservation, taken from the plan first. One statement, because every call runs it.
SETTLE_CLAUSE: Final = """
reservation AS (
    SELECT *, CASE WHEN is_released OR expires_at < clock_timestamp() THEN 0
        ELSE least(tokens, %(used)s::bigint) END AS charged
    FROM (SELECT *, EXISTS (SELECT FROM ledger_entries WHERE call_id = %(call)s AND kind = 'release') AS is_released
        FROM ledger_entries WHERE call_id = %(call)s AND kind = 'reserve' FOR UPDATE) AS locked
)
INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, from_grants, absorbed_tokens,
    closes_tokens, expires_at, counted_at, created_at)
SELECT gen_random_uuid(), user_id, session_id, call_id, 'settle', operation, charged,
    greatest(0, charged - (tokens - from_grants)), %(used)s::bigint - charged,
    CASE WHEN is_released THEN 0 ELSE tokens END, expires_at, counted_at, clock_timestamp()
FROM reservation ON CONFLICT (call_id, kind) DO NOTHING RETURNING tokens, absorbed_tokens
"""
SETTLE_TOKENS: Final = f"WITH {SETTLE_CLAUSE}"
LOAD_SETTLEMENT: Final = (
    "SELECT tokens, absorbed_tokens, from_grants FROM ledger_entries WHERE call_id = %(call)s AND kind = 'settle'"
)

#: Locks the reservation unless it is settled: `release` and a concurrent `settle` must not both close it.
LOCK_UNSETTLED_RESERVATION: Final = (
    "SELECT FROM ledger_entries r WHERE call_id = %(call)s AND kind = 'reserve' AND NOT EXISTS"
    " (SELECT FROM ledger_entries c WHERE c.call_id = r.call_id AND c.kind = 'settle') FOR UPDATE"
)
RELEASE_RESERVATION: Final = (
    "INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, closes_tokens, expires_at,"
    " counted_at, created_at) SELECT gen_random_uuid(), user_id, session_id, call_id, 'release', operation, 0, tokens,"
    " expires_at, counted_at, clock_timestamp() FROM ledger_entries WHERE call_id = %(call)s AND kind = 'reserve'"
    " ON CONFLICT (call_id, kind) DO NOTHING"
)
REFUND_SETTLEMENT: Final = (
    "INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, from_grants, counted_at,"
    " created_at) SELECT gen_random_uuid(), user_id, session_id, call_id, 'refund', operation, %(tokens)s,"
    " %(from_grants)s, counted_at, clock_timestamp() FROM ledger_entries WHERE call_id = %(call)s AND kind = 'reserve'"
    " ON CONFLICT (call_id, kind) DO NOTHING"
)
ADD_GRANT: Final = (
    "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens)"
    " VALUES (gen_random_uuid(), %(user)s, %(source)s, 'grant', 'grant', %(tokens)s)"
    " ON CONFLICT (call_id, kind) DO NOTHING"
)
#: `tokens` and `from_grants` are equal: the whole entry reduces the grants. The lock keeps reservations out.
LOCK_LEDGER: Final = "SELECT FROM users WHERE id = %(user)s FOR NO KEY UPDATE"
ADD_REVOCATION: Final = (
    "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, from_grants)"
    " VALUES (gen_random_uuid(), %(user)s, %(source)s, 'revoke', 'grant', %(tokens)s, %(tokens)s)"
    " ON CONFLICT (call_id, kind) DO NOTHING"
)
#: The released rows close nothing (`closes_tokens` is 0): an expired reservation is not part of the open sum.
RELEASE_EXPIRED: Final = (
    "WITH expired AS (SELECT * FROM ledger_entries r WHERE kind = 'reserve' AND expires_at < clock_timestamp()"
    " AND NOT EXISTS (SELECT FROM ledger_entries c WHERE c.call_id = r.call_id AND c.kind IN ('settle', 'release'))"
    " ORDER BY expires_at LIMIT %(max_rows)s FOR UPDATE SKIP LOCKED)"
    " INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, counted_at,"
    " created_at) SELECT gen_random_uuid(), user_id, session_id, call_id, 'release', operation, 0, counted_at,"
    " clock_timestamp() FROM expired ON CONFLICT (call_id, kind) DO NOTHING RETURNING call_id"
)

# --- values -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenAllowance:
    """The tokens a plan allows one user in the billing period `[period_start, period_end)`.

    `token_limit` is None for an unlimited plan.
    """

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
        """Tokens that can still be reserved; None without a limit."""
        if self.token_limit is None:
            return None
        # A plan overdrawn by a downgrade does not consume the grants.
        plan_left = max(0, self.token_limit - self.used_of_plan)
        return max(0, plan_left + self.granted_tokens_left - self.reserved_tokens)


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of a settled call in tokens: the user's part, and the part that the operator absorbs."""

    tokens: int
    absorbed_tokens: int


class OutOfTokens(TrailmindError):
    """The plan's tokens for this period and all grants are used or reserved."""

    code, status = "TOKEN_LIMIT_EXCEEDED", 402

    def __init__(self, tokens: int, tokens_left: int, resets_at: datetime) -> None:
        super().__init__(tokens, tokens_left, resets_at)
        self.tokens, self.tokens_left, self.resets_at = tokens, tokens_left, resets_at

    @property
    def values(self) -> dict[str, str]:
        return {
            "tokens": str(self.tokens),
            "tokens_left": str(self.tokens_left),
            "resets_at": self.resets_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }

    def __str__(self) -> str:
        return (
            f"this would take up to {self.tokens:,} tokens and {self.tokens_left:,} are left;"
            f" your allowance is renewed on {self.resets_at:%Y-%m-%d}"
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """The tokens to reserve for one call: the parameters of `RESERVE_CLAUSE` and the check of its result."""

    user_id: uuid.UUID
    allowance: TokenAllowance
    call_id: uuid.UUID
    operation: str
    tokens: int
    session_id: uuid.UUID | None = None
    lease_s: float = RESERVATION_LEASE_S

    def parameters(self) -> dict[str, Any]:
        """The named parameters of `RESERVE_CLAUSE`."""
        return {
            "user": self.user_id,
            "session": self.session_id,
            "call": self.call_id,
            "operation": self.operation,
            "tokens": self.tokens,
            "lease_s": self.lease_s,
            "token_limit": self.allowance.token_limit,
            "period_start": self.allowance.period_start,
            "period_end": self.allowance.period_end,
        }

    def raise_if_refused(self, outcome: str, tokens_left: int | None) -> None:
        """Check the row that `RESERVE_CLAUSE` returned.

        Raises:
            OutOfTokens: the allowance and the grants do not cover `tokens`.
            NotFound: the account does not exist.
        """
        if outcome == "out_of_tokens":
            raise OutOfTokens(self.tokens, tokens_left or 0, self.allowance.period_end)
        if outcome != "reserved":
            raise NotFound("there is no such account")


# --- sums -------------------------------------------------------------------------------------------------------------


async def load_balance(connection: Connection, user_id: uuid.UUID, allowance: TokenAllowance) -> Balance:
    """The user's used, reserved and remaining tokens in the period of `allowance`."""
    cursor = await connection.execute(
        LOAD_BALANCE,
        {"user": user_id, "period_start": allowance.period_start, "period_end": allowance.period_end},
    )
    row = await cursor.fetchone()
    assert row is not None
    used, used_of_plan, reserved, granted = (int(number) for number in row)
    return Balance(used, used_of_plan, reserved, granted, allowance.token_limit)


async def used_by_operation(db: AsyncSession, user_id: uuid.UUID, start: datetime, end: datetime) -> dict[str, int]:
    """Tokens charged to the user in `[start, end)` per operation; operations without usage are absent."""
    signed = func.sum(text("CASE kind WHEN 'settle' THEN tokens WHEN 'refund' THEN -tokens ELSE 0 END"))
    rows = await db.execute(
        select(LedgerEntry.operation, signed)
        .where(LedgerEntry.user_id == user_id, LedgerEntry.counted_at >= start, LedgerEntry.counted_at < end)
        .group_by(LedgerEntry.operation)
    )
    return {operation: int(tokens) for operation, tokens in rows.all() if tokens}


# --- bookings ---------------------------------------------------------------------------------------------------------


async def reserve(connection: Connection, reservation: Reservation) -> None:
    """Reserve tokens for a call until its lease ends. Idempotent per `call_id`.

    The function locks the user's row until the caller commits, so that concurrent reservations of one user cannot both
    count the same tokens as free.

    Raises:
        OutOfTokens: the allowance and the grants do not cover the reservation.
        NotFound: the account does not exist.
    """
    cursor = await connection.execute(RESERVE_TOKENS, reservation.parameters())
    row = await cursor.fetchone()
    assert row is not None
    reservation.raise_if_refused(*row)


async def settle(connection: Connection, call_id: uuid.UUID, used_tokens: int) -> Charge:
    """Book the usage that the provider reports for a call. Idempotent: a repeat returns the first charge.

    A reservation that has expired or was released may have been reserved again by another call: its usage is absorbed.

    Raises:
        NotFound: no tokens were reserved for this call.
    """
    cursor = await connection.execute(SETTLE_TOKENS, {"call": call_id, "used": used_tokens})
    row = await cursor.fetchone()
    if row is None:
        cursor = await connection.execute(LOAD_SETTLEMENT, {"call": call_id})
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("nothing was reserved for this call")
    return Charge(row[0], row[1])


async def release(connection: Connection, call_id: uuid.UUID) -> None:
    """Close the reservation of a call that used nothing. Does nothing when it is settled or released."""
    cursor = await connection.execute(LOCK_UNSETTLED_RESERVATION, {"call": call_id})
    if await cursor.fetchone() is not None:
        await connection.execute(RELEASE_RESERVATION, {"call": call_id})


async def refund(connection: Connection, call_id: uuid.UUID) -> int:
    """Return the tokens charged for a call whose response was rejected; returns how many. Idempotent."""
    cursor = await connection.execute(LOAD_SETTLEMENT, {"call": call_id})
    row = await cursor.fetchone()
    if row is None or row[0] == 0:
        return 0
    tokens, _, from_grants = row
    await connection.execute(REFUND_SETTLEMENT, {"call": call_id, "tokens": tokens, "from_grants": from_grants})
    return int(tokens)


async def grant(connection: Connection, user_id: uuid.UUID, source_id: uuid.UUID, tokens: int) -> bool:
    """Add tokens that do not expire, once per `source_id`; returns whether they are new."""
    cursor = await connection.execute(ADD_GRANT, {"user": user_id, "source": source_id, "tokens": tokens})
    return cursor.rowcount == 1


async def lock_ledger(connection: Connection, user_id: uuid.UUID) -> None:
    """Keep reservations of this user out until the caller commits."""
    await connection.execute(LOCK_LEDGER, {"user": user_id})


async def revoke_grant(connection: Connection, user_id: uuid.UUID, source_id: uuid.UUID, tokens: int) -> bool:
    """Revoke unspent tokens of the grant `source_id`, once; returns whether this is new. See `lock_ledger`."""
    cursor = await connection.execute(ADD_REVOCATION, {"user": user_id, "source": source_id, "tokens": tokens})
    return cursor.rowcount == 1


async def release_expired_reservations(connection: Connection, max_rows: int = 1000) -> list[uuid.UUID]:
    """Record the release of at most `max_rows` expired reservations; returns their call ids.

    Bookkeeping only: an expired reservation is not counted, whether or not this has run.
    """
    cursor = await connection.execute(RELEASE_EXPIRED, {"max_rows": max_rows})
    return [call_id for (call_id,) in await cursor.fetchall()]
