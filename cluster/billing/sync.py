"""Brings the mirror of one Stripe customer up to date, and mails what has changed."""

from __future__ import annotations

from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from cluster.billing.stripe_gateway import StripeGateway
from cluster.mail.messages import billing_mail
from cluster.mail.queue import NOTICE_TTL, MailQueue
from models.billing.mirror import AppliedFacts, Change, apply_facts, clock
from models.database import Connection
from telemetry.metrics import BILLING_DUPLICATES

log = structlog.get_logger("billing")


class CustomerSync:
    """Fetches customers from Stripe and stores them. `origin` is the dashboard that mails link to."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], gateway: StripeGateway, mail_queue: MailQueue, origin: str
    ) -> None:
        self.pool, self.gateway = pool, gateway
        self._mail_queue, self._origin = mail_queue, origin

    async def sync(self, customer_id: str) -> AppliedFacts | None:
        """Fetch and store one customer; returns None if it belongs to no account here.

        Raises BillingUnavailable, UnknownPrice; then nothing is stored.
        """
        async with self.pool.connection() as connection:
            fetched_at = await clock(connection)
        facts = await self.gateway.fetch_customer(customer_id)
        async with self.pool.connection() as connection, connection.transaction():
            applied = await apply_facts(connection, facts, fetched_at)
            if applied is None:
                return None
            for change in applied.changes:
                await self._notify(connection, applied, change)
        for subscription_id in applied.to_cancel:
            # Its money is back at the customer's: Stripe must not charge for it again.
            await self.gateway.cancel_now(subscription_id)
        for subscription_id in applied.duplicates:
            BILLING_DUPLICATES.labels().inc()
            log.error("duplicate_subscription", user_id=str(applied.user_id), subscription=subscription_id)
        return applied

    async def close_customer(self, customer_id: str, *, is_erased: bool) -> None:
        """End the subscriptions of a closed account: with their period, or at once if the account is erased."""
        if is_erased:
            await self.gateway.delete_customer(customer_id)
            return
        for subscription in (await self.gateway.fetch_customer(customer_id)).subscriptions:
            if subscription.is_live:
                await self.gateway.set_cancellation(subscription.id, cancels=True)
        await self.sync(customer_id)

    async def _notify(self, connection: Connection, applied: AppliedFacts, change: Change) -> None:
        log.info("billing_changed", user_id=str(applied.user_id), change=change.kind, subject=change.subject)
        language: Any = applied.language
        mail = billing_mail(language, change.kind, change.plan, change.at, change.url or f"{self._origin}/account")
        if mail is None:
            return
        # An invoice may fail, wait for the bank and fail again at every retry: one mail of each kind about it.
        subject = change.subject if change.kind in ("payment_failed", "payment_action_required") else None
        await self._mail_queue.enqueue(
            connection, applied.user_id, applied.address, mail, ttl=NOTICE_TTL, subject=subject
        )
