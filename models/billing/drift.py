"""What the mirror says about live subscriptions: for the reconciliation with Stripe, and for gauges."""

from __future__ import annotations

from typing import Final

from models.database import Connection

LIST_MIRRORED_SUBSCRIPTIONS: Final = """
    SELECT c.stripe_customer_id, s.stripe_subscription_id, s.status FROM billing_customers c
    LEFT JOIN subscriptions s ON s.user_id = c.user_id AND s.stripe_subscription_id IS NOT NULL AND NOT s.is_refunded
    WHERE c.deleted_at IS NULL
"""

COUNT_SUBSCRIPTIONS: Final = """
    SELECT plan, status, billing_interval, count(*) FROM subscriptions
    WHERE status IN ('active', 'past_due', 'trialing', 'unpaid', 'paused') GROUP BY 1, 2, 3
"""


async def mirrored_subscriptions(connection: Connection) -> dict[str, dict[str, str]]:
    """Customer → its mirrored subscriptions with their statuses; customers without any have an empty dict."""
    mirrored: dict[str, dict[str, str]] = {}
    for customer_id, subscription_id, status in await (
        await connection.execute(LIST_MIRRORED_SUBSCRIPTIONS)
    ).fetchall():
        known = mirrored.setdefault(customer_id, {})
        if subscription_id is not None:
            known[subscription_id] = status
    return mirrored


async def count_subscriptions(connection: Connection) -> list[tuple[str, str, str, int]]:
    """The number of subscriptions per plan, status and interval."""
    return [tuple(row) for row in await (await connection.execute(COUNT_SUBSCRIPTIONS)).fetchall()]
