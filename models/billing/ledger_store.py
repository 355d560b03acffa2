"""Bookings in the token ledger. Every function works on an open psycopg connection; the caller commits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from models.billing.ledger import BALANCE_SQL, Balance, OutOfTokens, TokenAllowance
from models.database import Connection
from models.errors import NotFound

#: A reservation nobody closed for this long counts no more. Longer than any call may take, retries excluded.
RESERVATION_LEASE_S = 300.0

_BALANCE = BALANCE_SQL.format(start="%(start)s", end="%(end)s", user="%(user)s")

#: `(outcome, tokens_left)` by the function of migration 0013, for the values of a Reservation.
RESERVE = (
    "ledger_reserve(%(user)s, %(session)s, %(call)s, %(operation)s, %(tokens)s, %(lease_s)s, %(token_limit)s,"
    " %(period_start)s, %(period_end)s)"
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a settled call cost: the user's part, and the part the house bears."""

    tokens: int
    absorbed_tokens: int


async def load_balance(connection: Connection, user_id: uuid.UUID, allowance: TokenAllowance) -> Balance:
    """`models.billing.ledger.balance` on a psycopg connection."""
    cursor = await connection.execute(
        _BALANCE, {"user": user_id, "start": allowance.period_start, "end": allowance.period_end}
    )
    row = await cursor.fetchone()
    assert row is not None
    used, of_plan, reserved, granted = row
    return Balance(used, of_plan, reserved, granted, allowance.token_limit)


async def reserve(
    connection: Connection,
    user_id: uuid.UUID,
    allowance: TokenAllowance,
    *,
    call_id: uuid.UUID,
    operation: str,
    tokens: int,
    session_id: uuid.UUID | None = None,
    lease_s: float = RESERVATION_LEASE_S,
) -> None:
    """Set `tokens` aside for a call, for `lease_s`. Repeating it for the same `call_id` changes nothing.

    Raises OutOfTokens, NotFound for a user who is gone. Callers of one user take turns on the user's row until they
    commit, so that no two of them see the same tokens as free.
    """
    wanted = Reservation(user_id, allowance, call_id, operation, tokens, session_id, lease_s)
    cursor = await connection.execute(f"SELECT outcome, tokens_left FROM {RESERVE}", wanted.parameters())
    row = await cursor.fetchone()
    assert row is not None
    wanted.raise_if_refused(*row)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What `RESERVE` is given, for statements that do more than reserve."""

    user_id: uuid.UUID
    allowance: TokenAllowance
    call_id: uuid.UUID
    operation: str
    tokens: int
    session_id: uuid.UUID | None = None
    lease_s: float = RESERVATION_LEASE_S

    def parameters(self) -> dict[str, Any]:
        """By the names `RESERVE` uses."""
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
        """Raises OutOfTokens, NotFound."""
        if outcome == "out_of_tokens":
            raise OutOfTokens(self.tokens, tokens_left or 0, self.allowance.period_end)
        if outcome != "reserved":
            raise NotFound("there is no such account")


async def settle(connection: Connection, call_id: uuid.UUID, tokens: int) -> Charge:
    """Book the `tokens` the provider says the call used. Repeating it changes nothing.

    A reservation that has expired or was released may have been given to somebody else: then the house pays.
    Raises NotFound when nothing was reserved.
    """
    cursor = await connection.execute(f"WITH {SETTLE}", {"call": call_id, "used": tokens})
    row = await cursor.fetchone()
    if row is None:
        cursor = await connection.execute(
            "SELECT tokens, absorbed_tokens FROM ledger_entries WHERE call_id = %s AND kind = 'settle'", [call_id]
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("nothing was reserved for this call")
    return Charge(*row)


#: The end of a statement that settles `%(call)s` at `%(used)s` tokens: no more than one, because every call runs it.
#: The charge is what was used, up to what was reserved, first of the plan.
SETTLE = """
r AS (
    SELECT *, CASE WHEN is_released OR expires_at < clock_timestamp() THEN 0
        ELSE least(tokens, %(used)s::bigint) END AS charged
    FROM (SELECT *, EXISTS (SELECT FROM ledger_entries WHERE call_id = %(call)s AND kind = 'release') AS is_released
        FROM ledger_entries WHERE call_id = %(call)s AND kind = 'reserve' FOR UPDATE) AS reservation
)
INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, from_grants, absorbed_tokens,
    closes_tokens, expires_at, counted_at, created_at)
SELECT gen_random_uuid(), user_id, session_id, call_id, 'settle', operation, charged,
    greatest(0, charged - (tokens - from_grants)), %(used)s::bigint - charged,
    CASE WHEN is_released THEN 0 ELSE tokens END, expires_at, counted_at, clock_timestamp()
FROM r ON CONFLICT (call_id, kind) DO NOTHING RETURNING tokens, absorbed_tokens
"""


async def release(connection: Connection, call_id: uuid.UUID) -> None:
    """Give a reservation back whose call used nothing. Does nothing when it was settled or released already."""
    cursor = await connection.execute(
        "SELECT FROM ledger_entries r WHERE call_id = %s AND kind = 'reserve' AND NOT EXISTS"
        " (SELECT FROM ledger_entries c WHERE c.call_id = r.call_id AND c.kind = 'settle') FOR UPDATE",
        [call_id],
    )
    if await cursor.fetchone() is not None:
        await _close(connection, call_id, "release", 0, 0)


async def refund(connection: Connection, call_id: uuid.UUID) -> int:
    """Give back what was charged for a call whose answer was of no use; return how much. Safe to repeat."""
    cursor = await connection.execute(
        "SELECT tokens, from_grants FROM ledger_entries WHERE call_id = %s AND kind = 'settle'", [call_id]
    )
    row = await cursor.fetchone()
    if row is None or row[0] == 0:
        return 0
    await _close(connection, call_id, "refund", row[0], row[1])
    return int(row[0])


async def _close(connection: Connection, call_id: uuid.UUID, kind: str, tokens: int, from_grants: int) -> None:
    await connection.execute(
        "INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, from_grants,"
        " closes_tokens, expires_at, counted_at, created_at)"
        " SELECT gen_random_uuid(), user_id, session_id, call_id, %s, operation, %s, %s,"
        " CASE WHEN %s THEN tokens ELSE 0 END, CASE WHEN %s THEN expires_at END, counted_at,"
        " clock_timestamp() FROM ledger_entries WHERE call_id = %s AND kind = 'reserve'"
        " ON CONFLICT (call_id, kind) DO NOTHING",
        [kind, tokens, from_grants, kind == "release", kind == "release", call_id],
    )


async def grant(connection: Connection, user_id: uuid.UUID, source_id: uuid.UUID, tokens: int) -> bool:
    """Add bought or given tokens, once per `source_id`; tell whether they are new. They do not expire."""
    cursor = await connection.execute(
        "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens)"
        " VALUES (gen_random_uuid(), %s, %s, 'grant', 'grant', %s) ON CONFLICT (call_id, kind) DO NOTHING",
        [user_id, source_id, tokens],
    )
    return cursor.rowcount == 1


async def release_expired_reservations(connection: Connection, max_rows: int = 1000) -> int:
    """Write down that expired reservations are released, and that their calls were lost; return how many.

    Only bookkeeping: an expired reservation counts no more whether or not this has run.
    """
    cursor = await connection.execute(
        "WITH over AS (SELECT * FROM ledger_entries r WHERE kind = 'reserve' AND expires_at < clock_timestamp()"
        " AND NOT EXISTS (SELECT FROM ledger_entries c WHERE c.call_id = r.call_id AND c.kind IN ('settle', 'release'))"
        " ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)"
        " INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, counted_at,"
        " created_at) SELECT gen_random_uuid(), user_id, session_id, call_id, 'release', operation, 0, counted_at,"
        " clock_timestamp() FROM over ON CONFLICT (call_id, kind) DO NOTHING RETURNING call_id",
        [max_rows],
    )
    released = [row[0] for row in await cursor.fetchall()]
    if released:
        await connection.execute(
            "UPDATE ai_calls SET status = 'lost', error_code = 'caller_gone' WHERE id = ANY(%s) AND status = 'sent'",
            [released],
        )
    return len(released)


async def purge_call_texts(connection: Connection, days: int, max_rows: int = 5000) -> int:
    """Erase texts sent to providers, and their answers, that are older than `days`; return how many calls' texts."""
    cursor = await connection.execute(
        "DELETE FROM ai_call_texts WHERE call_id IN (SELECT call_id FROM ai_call_texts"
        " WHERE created_at < clock_timestamp() - make_interval(days => %s) LIMIT %s)",
        [days, max_rows],
    )
    return cursor.rowcount
