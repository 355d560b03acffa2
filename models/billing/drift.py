"""What the mirror says about live subscriptions, for the reconciliation with Stripe."""

from __future__ import annotations

from typing import Final

from models.database import Connection

LIST_MIRRORED_SUBSCRIPTIONS: Final = """
    SELECT c.stripe_customer_id, s.stripe_subscription_id, s.status FROM billing_customers c
    LEFT JOIN subscriptions s ON s.user_id = c.user_id AND s.stripe_subscription_id IS NOT NULL AND NOT s.is_refunded
    WHERE c.deleted_at IS NULL
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
