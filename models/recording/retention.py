"""How long sessions are kept: as long as the plan says when it is asked, and never without notice.

A session that is over its plan's days, or will be within the week, gets a notice with a date (`deletes_at`), at least
a week ahead; then it goes, unless its user is on a plan that keeps it by then. Whoever moves to a smaller plan has that
week for everything old.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from models.billing.plans import PLANS
from models.database import Connection

NOTICE_PERIOD = timedelta(days=7)

# The plan of every user as it is now. `kept` is NULL where sessions are kept for ever.
_KEPT = """
    SELECT u.id AS user_id, k.kept FROM users u
    LEFT JOIN subscriptions p ON p.user_id = u.id AND p.status IN ('active', 'past_due', 'trialing')
    LEFT JOIN (SELECT * FROM unnest(%(plans)s::text[], %(days)s::interval[]) AS k (plan, kept)) k
      ON k.plan = coalesce(p.plan, %(default)s)
    WHERE u.status = 'active'
"""
_IS_OVER = "s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused', 'processing')"


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    """What one user has to be told: so many sessions go, the first of them at `first_at`."""

    user_id: uuid.UUID
    address: str
    language: str
    num_sessions: int
    first_at: datetime


def _parameters(default_plan: str, now: datetime) -> dict[str, Any]:
    kept = {
        plan.id: timedelta(days=plan.session_retention_days)
        for plan in PLANS.values()
        if plan.session_retention_days is not None
    }
    return {
        "plans": list(kept),
        "days": list(kept.values()),
        "default": default_plan,
        "now": now,
        "notice": NOTICE_PERIOD,
    }


async def clear_deletion_notices(connection: Connection, default_plan: str, now: datetime | None = None) -> int:
    """Forget the notices of users whose plan keeps their sessions by now; return how many."""
    cursor = await connection.execute(
        f"UPDATE browsing_sessions s SET deletes_at = NULL FROM ({_KEPT}) k"
        " WHERE k.user_id = s.user_id AND k.kept IS NULL AND s.deletes_at IS NOT NULL",
        _parameters(default_plan, now or datetime.now(UTC)),
    )
    return cursor.rowcount


async def create_deletion_notices(
    connection: Connection, default_plan: str, now: datetime | None = None, *, limit: int = 200
) -> list[DeletionNotice]:
    """Mark the sessions of up to `limit` users that will go, and return what to tell each. The caller commits."""
    cursor = await connection.execute(
        f"WITH due AS (SELECT s.id, s.user_id, greatest(s.created_at + k.kept, %(now)s + %(notice)s) AS goes_at"
        f" FROM browsing_sessions s JOIN ({_KEPT}) k ON k.user_id = s.user_id AND k.kept IS NOT NULL"
        f" WHERE {_IS_OVER} AND s.deletes_at IS NULL AND s.created_at < %(now)s - k.kept + %(notice)s),"
        " chosen AS (SELECT user_id, count(*) AS num, min(goes_at) AS first_at FROM due GROUP BY user_id"
        " ORDER BY min(goes_at) LIMIT %(limit)s),"
        " marked AS (UPDATE browsing_sessions s SET deletes_at = due.goes_at FROM due, chosen"
        " WHERE s.id = due.id AND due.user_id = chosen.user_id)"
        " SELECT u.id, u.email, coalesce(us.language, 'ko'), chosen.num, chosen.first_at"
        " FROM chosen JOIN users u ON u.id = chosen.user_id LEFT JOIN user_settings us ON us.user_id = u.id",
        _parameters(default_plan, now or datetime.now(UTC)) | {"limit": limit},
    )
    return [DeletionNotice(*row) for row in await cursor.fetchall()]


async def soft_delete_expired_sessions(
    connection: Connection, default_plan: str, now: datetime | None = None, *, limit: int = 500
) -> list[uuid.UUID]:
    """Sessions whose notice is over and whose plan still does not keep them; each is marked as deleted now."""
    cursor = await connection.execute(
        f"UPDATE browsing_sessions SET deleted_at = %(now)s WHERE id IN (SELECT s.id FROM browsing_sessions s"
        f" JOIN ({_KEPT}) k ON k.user_id = s.user_id AND k.kept IS NOT NULL WHERE {_IS_OVER}"
        " AND s.deletes_at <= %(now)s AND s.created_at <= %(now)s - k.kept"
        " ORDER BY s.created_at LIMIT %(limit)s) RETURNING id",
        _parameters(default_plan, now or datetime.now(UTC)) | {"limit": limit},
    )
    return [row[0] for row in await cursor.fetchall()]
