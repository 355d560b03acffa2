"""Session retention: how long the user's plan keeps sessions, with a notice before every deletion.

A session that is older than its plan keeps it, or will be within a week, gets a deletion date (`deletes_at`) at least a
week ahead, and its user a notice. On that date it is deleted, unless the user's plan keeps it by then. After the end of
a paid plan, all old sessions stay for another 30 days.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from models.billing.plans import PLAN_VERSIONS, PLANS
from models.database import Connection

#: The time between a notice and the deletion that it announces.
NOTICE_PERIOD = timedelta(days=7)
#: After the end of a paid plan nothing is deleted for this time.
DOWNGRADE_GRACE = timedelta(days=30)

# Every user's retention under the plan that is active now; NULL where the plan keeps sessions without limit. A plan
# that an operator gave ends as a paid one does: with 30 days in which old sessions stay.
_RETENTION_BY_USER: Final = """
    SELECT u.id AS user_id, r.retention, paid.until AS paid_until FROM users u
    CROSS JOIN LATERAL plan_of_user(u.id, %(default_plan)s::text, %(now)s::timestamptz) p
    LEFT JOIN LATERAL (
        SELECT greatest((
            SELECT max(coalesce(e.grace_until, e.ended_at, least(e.current_period_end, e.updated_at)))
            FROM subscriptions e WHERE e.user_id = u.id), (
            SELECT o.until FROM plan_overrides o WHERE o.user_id = u.id AND o.plan <> 'free')) AS until) AS paid ON true
    LEFT JOIN (SELECT * FROM unnest(%(plans)s::text[], %(versions)s::int[], %(is_sold)s::bool[],
            %(retentions)s::interval[]) AS r (plan, version, is_sold, retention)) r
        ON r.plan = p.plan AND (r.version = p.plan_version OR (p.plan_version IS NULL AND r.is_sold))
    WHERE u.status = 'active' AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = u.id)
"""
_IS_FINISHED: Final = "s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused', 'processing')"

CLEAR_DELETION_NOTICES: Final = f"""
    UPDATE browsing_sessions s SET deletes_at = NULL FROM ({_RETENTION_BY_USER}) r
    WHERE r.user_id = s.user_id AND r.retention IS NULL AND s.deletes_at IS NOT NULL
"""

CREATE_DELETION_NOTICES: Final = f"""
    WITH due AS (
        SELECT s.id, s.user_id, greatest(s.created_at + r.retention, r.paid_until + %(downgrade_grace)s::interval,
                                         %(now)s::timestamptz + %(notice_period)s::interval) AS deletes_at
        FROM browsing_sessions s JOIN ({_RETENTION_BY_USER}) r ON r.user_id = s.user_id AND r.retention IS NOT NULL
        WHERE {_IS_FINISHED} AND s.deletes_at IS NULL
            AND s.created_at < %(now)s::timestamptz - r.retention + %(notice_period)s::interval
    ), users_to_notify AS (
        SELECT user_id, count(*) AS num_sessions, min(deletes_at) AS first_at FROM due GROUP BY user_id
        ORDER BY min(deletes_at) LIMIT %(limit)s
    ), marked AS (
        UPDATE browsing_sessions s SET deletes_at = due.deletes_at FROM due, users_to_notify n
        WHERE s.id = due.id AND due.user_id = n.user_id
    )
    SELECT u.id, u.email, coalesce(us.language, 'ko'), n.num_sessions, n.first_at
    FROM users_to_notify n JOIN users u ON u.id = n.user_id LEFT JOIN user_settings us ON us.user_id = u.id
"""

SOFT_DELETE_EXPIRED_SESSIONS: Final = f"""
    UPDATE browsing_sessions SET deleted_at = %(now)s WHERE id IN (
        SELECT s.id FROM browsing_sessions s
        JOIN ({_RETENTION_BY_USER}) r ON r.user_id = s.user_id AND r.retention IS NOT NULL
        WHERE {_IS_FINISHED} AND s.deletes_at <= %(now)s AND s.created_at <= %(now)s::timestamptz - r.retention
        ORDER BY s.created_at LIMIT %(limit)s)
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    """The notice for one user: `num_sessions` will be deleted, the first of them at `first_at`."""

    user_id: uuid.UUID
    address: str
    language: str
    num_sessions: int
    first_at: datetime


def _parameters(default_plan: str, now: datetime | None) -> dict[str, Any]:
    limited = [(plan, plan.session_retention_days) for plan in PLAN_VERSIONS if plan.session_retention_days is not None]
    return {
        "plans": [plan.id for plan, _ in limited],
        "versions": [plan.version for plan, _ in limited],
        "is_sold": [plan is PLANS[plan.id] for plan, _ in limited],
        "retentions": [timedelta(days=days) for _, days in limited],
        "default_plan": default_plan,
        "now": now or datetime.now(UTC),
        "notice_period": NOTICE_PERIOD,
        "downgrade_grace": DOWNGRADE_GRACE,
    }


async def clear_deletion_notices(connection: Connection, default_plan: str, now: datetime | None = None) -> int:
    """Clear the deletion dates of users whose plan keeps their sessions by now; return how many sessions stay."""
    cursor = await connection.execute(CLEAR_DELETION_NOTICES, _parameters(default_plan, now))
    return cursor.rowcount


async def create_deletion_notices(
    connection: Connection, default_plan: str, now: datetime | None = None, *, limit: int = 200
) -> list[DeletionNotice]:
    """Set the deletion dates of the sessions of up to `limit` users; return the notice for each user.

    The caller commits, together with the mails.
    """
    cursor = await connection.execute(CREATE_DELETION_NOTICES, {**_parameters(default_plan, now), "limit": limit})
    return [DeletionNotice(*row) for row in await cursor.fetchall()]


async def soft_delete_expired_sessions(
    connection: Connection, default_plan: str, now: datetime | None = None, *, limit: int = 500
) -> list[uuid.UUID]:
    """Mark up to `limit` sessions as deleted whose deletion date has passed; return their ids.

    Sessions that the plan active now would keep stay.
    """
    cursor = await connection.execute(SOFT_DELETE_EXPIRED_SESSIONS, {**_parameters(default_plan, now), "limit": limit})
    return [row[0] for row in await cursor.fetchall()]
