"""Compares the mirror with Stripe, so that lost webhooks are repaired within an hour."""

from __future__ import annotations

import structlog

from cluster.billing.sync import CustomerSync
from models.billing.drift import mirrored_subscriptions
from telemetry.metrics import BILLING_DRIFT

log = structlog.get_logger("billing")


async def reconcile(sync: CustomerSync) -> int:
    """Fetch every customer whose live subscription differs between Stripe and the mirror; returns how many differed.

    Raises BillingUnavailable; the next run begins anew. A customer that fails does not stop the others.
    """
    async with sync.pool.connection() as connection:
        mirrored = await mirrored_subscriptions(connection)
    live: dict[str, dict[str, str]] = {}
    async for customer_id, subscription_id, status in sync.gateway.live_subscriptions():
        if customer_id in mirrored:
            live.setdefault(customer_id, {})[subscription_id] = status
    differing = [customer for customer, known in mirrored.items() if not _agree(known, live.get(customer, {}))]
    for customer_id in differing:
        try:
            await sync.sync(customer_id)
        except Exception:
            log.exception("reconciliation_failed", customer=customer_id)
        else:
            log.warning("billing_drift_repaired", customer=customer_id)
    BILLING_DRIFT.labels().inc(len(differing))
    return len(differing)


def _agree(mirrored: dict[str, str], live: dict[str, str]) -> bool:
    """Whether both sides know the same subscriptions with the same statuses; ended ones do not count."""
    ended = ("canceled", "incomplete_expired")
    return {k: v for k, v in mirrored.items() if v not in ended} == {k: v for k, v in live.items() if v not in ended}
