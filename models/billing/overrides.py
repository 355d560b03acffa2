"""Plans and tokens that operators give to users."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from models.billing.ledger import grant
from models.database import Connection

SET_OVERRIDE: Final = """
    INSERT INTO plan_overrides (user_id, plan, reason, until)
    VALUES (%(user_id)s, %(plan)s, %(reason)s, %(until)s)
    ON CONFLICT (user_id) DO UPDATE SET plan = excluded.plan, reason = excluded.reason, until = excluded.until,
        created_at = now()
"""
# The row stays: sessions that the plan kept stay for a while after its end (`models.recording.retention`).
END_OVERRIDE: Final = """
    UPDATE plan_overrides SET until = now(), reason = %(reason)s
    WHERE user_id = %(user_id)s AND (until IS NULL OR until > now())
"""
FIND_OVERRIDE: Final = """
    SELECT plan, reason, until, created_at FROM plan_overrides
    WHERE user_id = %(user_id)s AND (until IS NULL OR until > now())
"""


@dataclass(frozen=True, slots=True)
class ActiveOverride:
    """The plan that an operator has given to a user; `until` is None if it does not end by itself."""

    plan: str
    reason: str
    until: datetime | None
    created_at: datetime


async def find_override(connection: Connection, user_id: uuid.UUID) -> ActiveOverride | None:
    """What an operator has given to the user, or None."""
    async with connection.cursor(row_factory=class_row(ActiveOverride)) as cursor:
        await cursor.execute(FIND_OVERRIDE, {"user_id": user_id})
        return await cursor.fetchone()


async def set_override(
    connection: Connection, user_id: uuid.UUID, plan: str, reason: str, until: datetime | None
) -> None:
    """Give a plan to the user, in place of a former override."""
    await connection.execute(SET_OVERRIDE, {"user_id": user_id, "plan": plan, "reason": reason, "until": until})


async def end_override(connection: Connection, user_id: uuid.UUID, reason: str) -> bool:
    """Return the user to the plan that they pay for, or to the default plan; returns whether there was an override."""
    cursor = await connection.execute(END_OVERRIDE, {"user_id": user_id, "reason": reason})
    return cursor.rowcount == 1


async def give_tokens(connection: Connection, user_id: uuid.UUID, credit_id: uuid.UUID, tokens: int) -> bool:
    """Add tokens that do not expire, once per `credit_id`; returns whether they are new."""
    return await grant(connection, user_id, credit_id, tokens)
