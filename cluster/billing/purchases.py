"""What a user does with their plan: buy, change, cancel, and return a purchase.

No lock is held while Stripe answers. A purchase is a row first, and its id the idempotency key at Stripe: parallel
clicks and repeats find the same row and receive the same Checkout session, which can be paid only once.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from cluster.billing.stripe_gateway import (
    TOKENS_PER_PACK,
    CallRefused,
    OpenedCheckout,
    PriceMismatch,
    PricePreview,
    StripeGateway,
)
from models.billing.plans import PLAN_CURRENCY, PLANS
from models.billing.purchases import (
    CheckoutRow,
    InvoiceOwner,
    PaidSubscription,
    add_checkout,
    begin_checkout,
    close_checkout,
    close_open_checkouts,
    find_customer,
    find_deleted_customer,
    find_invoice_owner,
    find_subscription,
    list_invoices,
    save_customer,
    set_checkout_session,
)
from models.billing.stripe_facts import Interval
from models.database import Connection
from models.errors import Conflict, NotFound
from models.jobs import enqueue_customer_sync

log = structlog.get_logger("billing")

#: A payment is refunded within this time without a reason.
REFUND_PERIOD = timedelta(days=7)

OpenConnection = Callable[[], AbstractAsyncContextManager[Connection]]


class AlreadySubscribed(Conflict):
    """The user pays for a plan already."""

    code = "ALREADY_SUBSCRIBED"


class NoSubscription(Conflict):
    """The user pays for no plan."""

    code = "NO_SUBSCRIPTION"


class PurchaseBlocked(Conflict):
    """Nothing more is sold while a payment is past due or disputed."""

    code = "PURCHASE_BLOCKED"


class RefundPeriodOver(Conflict):
    """The payment is older than the refund period."""

    code = "REFUND_PERIOD_OVER"


class NothingToRefund(Conflict):
    """The invoice has no payment of that amount that could be returned."""

    code = "NOTHING_TO_REFUND"


@dataclass(frozen=True, slots=True)
class Buyer:
    """The user who buys."""

    user_id: uuid.UUID
    email: str
    language: str


@dataclass(frozen=True, slots=True)
class IntervalPreview:
    """What a change of the interval costs, and when it takes effect; None is at once."""

    price: PricePreview
    changes_at: datetime | None


class Purchases:
    """The purchases of one server.

    Methods raise BillingUnavailable when Stripe does not answer, and CallRefused when Stripe knows another state than
    our mirror; the customer is fetched then, so that a repeat meets the state as it is.
    """

    def __init__(self, gateway: StripeGateway, open_connection: OpenConnection) -> None:
        self.gateway, self._open_connection = gateway, open_connection

    async def _customer(self, buyer: Buyer) -> str:
        async with self._open_connection() as connection:
            known = await find_customer(connection, buyer.user_id)
            deleted = await find_deleted_customer(connection, buyer.user_id)
        if known is not None:
            if known.is_disputed:
                raise PurchaseBlocked("a payment of this account is disputed; nothing can be bought meanwhile")
            return known.id
        customer_id = await self.gateway.create_customer(
            buyer.user_id, buyer.email, buyer.language, replaces=deleted or ""
        )
        async with self._open_connection() as connection:
            await save_customer(connection, buyer.user_id, customer_id)
            if deleted is not None:
                await close_open_checkouts(connection, buyer.user_id)
            await connection.commit()
            known = await find_customer(connection, buyer.user_id)
        assert known is not None
        return known.id

    async def _subscription(self, user_id: uuid.UUID) -> PaidSubscription:
        async with self._open_connection() as connection:
            subscription = await find_subscription(connection, user_id)
        if subscription is None:
            raise NoSubscription("this account has no paid plan")
        return subscription

    async def _sync_later(self, user_id: uuid.UUID) -> None:
        async with self._open_connection() as connection:
            customer = await find_customer(connection, user_id)
            if customer is not None:
                await enqueue_customer_sync(connection, customer.id)
                await connection.commit()

    @asynccontextmanager
    async def _synced_if_refused(self, user_id: uuid.UUID) -> AsyncIterator[None]:
        """Enqueue a fetch of the customer when Stripe refuses a call: our mirror is behind."""
        try:
            yield
        except CallRefused:
            await self._sync_later(user_id)
            raise

    async def buy_plan(self, buyer: Buyer, interval: Interval) -> tuple[uuid.UUID, str]:
        """The id and page of a purchase of Pro.

        Raises AlreadySubscribed, PurchaseBlocked, PriceMismatch.
        """
        async with self._open_connection() as connection:
            subscription = await find_subscription(connection, buyer.user_id)
        if subscription is not None:
            # Also after the grace period: Stripe goes on trying, and a second subscription would be paid beside it.
            _require_paid(subscription)
            raise AlreadySubscribed("this account has a paid plan already; change it instead")
        async with self._synced_if_refused(buyer.user_id):
            return await self._open_plan_checkout(buyer, interval)

    async def _open_plan_checkout(self, buyer: Buyer, interval: Interval) -> tuple[uuid.UUID, str]:
        customer_id = await self._customer(buyer)
        price_id = self.gateway.price_of(interval)
        # At most three rounds: an open purchase of the other interval is closed, then one that has just expired.
        for _ in range(3):
            async with self._open_connection() as connection:
                checkout = await begin_checkout(connection, buyer.user_id, price_id)
                await connection.commit()
            opened = await self._opened(buyer, customer_id, checkout)
            if checkout.stripe_session_id is None:
                if checkout.price_id == price_id:
                    await self._require_listed_price(checkout, opened, interval)
                await self._update(set_checkout_session, checkout.id, opened.id)
            if opened.status == "complete":
                # Paid a moment ago; the webhook is on its way.
                await self._sync_later(buyer.user_id)
                raise AlreadySubscribed("this plan has just been bought; it is active in a moment")
            if checkout.price_id == price_id and opened.status == "open" and opened.url:
                return checkout.id, opened.url
            await self._replace(checkout, opened.id, opened.status)
        raise AlreadySubscribed("another purchase of this account is in progress; try again in a moment")

    async def _opened(self, buyer: Buyer, customer_id: str, checkout: CheckoutRow) -> OpenedCheckout:
        try:
            if checkout.stripe_session_id is not None:
                return await self.gateway.find_checkout(checkout.stripe_session_id)
            return await self.gateway.open_checkout(checkout.id, buyer.user_id, customer_id, checkout.price_id)
        except CallRefused:
            # Stripe may repeat its refusal for this id: the next click begins another purchase.
            await self._update(close_checkout, checkout.id, "expired")
            raise

    async def _require_listed_price(self, checkout: CheckoutRow, opened: OpenedCheckout, interval: Interval) -> None:
        """Raise PriceMismatch, and close the purchase, unless it costs what the plan shows."""
        pro = PLANS["pro"]
        listed = pro.yearly_price_cents if interval == "yearly" else pro.price_cents
        if (opened.amount_cents, opened.currency) == (listed, PLAN_CURRENCY):
            return
        log.error(
            "price_mismatch",
            price=checkout.price_id,
            amount_cents=opened.amount_cents,
            currency=opened.currency,
            listed_cents=listed,
        )
        await self.gateway.expire_checkout(opened.id)
        await self._update(close_checkout, checkout.id, "expired")
        raise PriceMismatch("the price at the payment service is not that of the plan; the operator has to correct it")

    async def _replace(self, checkout: CheckoutRow, session_id: str, status: str) -> None:
        """Close a purchase that is not wanted any more. A paid one stays open until the webhook has closed it."""
        if status == "expired" or await self.gateway.expire_checkout(session_id):
            await self._update(close_checkout, checkout.id, "expired")

    async def _update(self, statement: Callable[..., Any], *arguments: Any) -> None:
        async with self._open_connection() as connection:
            await statement(connection, *arguments)
            await connection.commit()

    async def buy_packs(self, buyer: Buyer, packs: int, price_id: str) -> tuple[uuid.UUID, str]:
        """The id and page of a purchase of token packs.

        Raises NoSubscription (packs extend a paid plan), PurchaseBlocked.
        """
        await self._payable_subscription(buyer.user_id)
        customer_id = await self._customer(buyer)
        async with self._open_connection() as connection:
            checkout = await add_checkout(connection, buyer.user_id, price_id, packs * TOKENS_PER_PACK)
            await connection.commit()
        async with self._synced_if_refused(buyer.user_id):
            opened = await self.gateway.open_checkout(checkout.id, buyer.user_id, customer_id, price_id, packs=packs)
        await self._update(set_checkout_session, checkout.id, opened.id)
        if opened.url is None:
            raise Conflict("the payment page could not be opened; try again")
        return checkout.id, opened.url

    async def portal_url(self, user_id: uuid.UUID) -> str:
        """Where the user changes the payment method. Raises NoSubscription before the first purchase."""
        customer_id = await self._known_customer(user_id)
        async with self._synced_if_refused(user_id):
            return await self.gateway.portal_url(customer_id)

    async def set_cancellation(self, user_id: uuid.UUID, *, cancels: bool) -> None:
        """Cancel the plan at the end of its period, or undo that. Raises NoSubscription."""
        subscription = await self._subscription(user_id)
        async with self._synced_if_refused(user_id):
            await self.gateway.set_cancellation(subscription.id, cancels=cancels)
        await self._sync_later(user_id)

    async def preview_interval(self, user_id: uuid.UUID, interval: Interval) -> IntervalPreview:
        """What `change_interval` would do and cost. Raises NoSubscription, PurchaseBlocked."""
        subscription = await self._payable_subscription(user_id)
        if interval in (subscription.interval, "monthly"):
            async with self._open_connection() as connection:
                invoices = await list_invoices(connection, user_id)
            currency = next((i.currency for i in invoices if i.subscription_id == subscription.id), PLAN_CURRENCY)
            changes_at = None if subscription.interval == interval else subscription.current_period_end
            return IntervalPreview(PricePreview(0, currency), changes_at)
        customer_id = await self._known_customer(user_id)
        async with self._synced_if_refused(user_id):
            return IntervalPreview(await self.gateway.preview_interval(customer_id, subscription.id, interval), None)

    async def _known_customer(self, user_id: uuid.UUID) -> str:
        async with self._open_connection() as connection:
            customer = await find_customer(connection, user_id)
        if customer is None:
            raise NoSubscription("this account has not bought anything yet")
        return customer.id

    async def _payable_subscription(self, user_id: uuid.UUID) -> PaidSubscription:
        subscription = await self._subscription(user_id)
        _require_paid(subscription)
        return subscription

    async def change_interval(self, user_id: uuid.UUID, interval: Interval) -> None:
        """Monthly to yearly at once, pro rata; yearly to monthly at the end of the period.

        Choosing the current interval revokes a pending change. Raises NoSubscription, PaymentDeclined, and
        PurchaseBlocked while the plan is past due.
        """
        subscription = await self._payable_subscription(user_id)
        async with self._synced_if_refused(user_id):
            if subscription.interval == interval:
                await self.gateway.keep_interval(subscription.id)
            elif interval == "yearly":
                await self.gateway.change_interval_now(subscription.id, interval)
            else:
                await self.gateway.change_interval_later(subscription.id, interval)
        await self._sync_later(user_id)

    async def refund(self, user_id: uuid.UUID, now: datetime | None = None) -> None:
        """Return the last payment of the plan and end the plan at once.

        Raises NoSubscription, and RefundPeriodOver if the payment is older than REFUND_PERIOD.
        """
        subscription = await self._subscription(user_id)
        async with self._open_connection() as connection:
            invoices = await list_invoices(connection, user_id)
        paid = next(
            (
                invoice
                for invoice in invoices
                if invoice.subscription_id == subscription.id and invoice.paid_at and invoice.payment_intent
            ),
            None,
        )
        if paid is None or paid.paid_at is None or paid.payment_intent is None:
            raise NoSubscription("there is no payment to return")
        if (now or datetime.now(UTC)) - paid.paid_at > REFUND_PERIOD:
            raise RefundPeriodOver(
                f"a payment can be returned within {REFUND_PERIOD.days} days; cancel the plan instead, and it stays"
                " until the end of its period"
            )
        async with self._synced_if_refused(user_id):
            await self.gateway.refund(paid.payment_intent, "within the refund period")
            await self.gateway.cancel_now(subscription.id)
        await self._sync_later(user_id)

    async def refund_invoice(self, invoice_id: str, amount_cents: int | None, reason: str) -> InvoiceOwner:
        """Return the payment of an invoice, or a part of it, as an operator decides; returns whose it is.

        A plan whose newest payment is returned as a whole ends. Raises NotFound, NothingToRefund.
        """
        async with self._open_connection() as connection:
            owner = await find_invoice_owner(connection, invoice_id)
        if owner is None:
            raise NotFound("there is no such invoice")
        if owner.payment_intent is None or owner.left_cents <= 0:
            raise NothingToRefund("this invoice was not paid, or its payment was returned")
        if amount_cents is not None and amount_cents > owner.left_cents:
            raise NothingToRefund(
                f"at most {owner.left_cents} of this payment is left to return, in the smallest unit of its currency"
            )
        is_whole = amount_cents in (None, owner.paid_cents)
        async with self._synced_if_refused(owner.user_id):
            await self.gateway.refund(
                owner.payment_intent,
                reason,
                amount_cents=None if is_whole else amount_cents,
                refunded_cents=owner.refunded_cents,
            )
        await self._sync_later(owner.user_id)
        return owner


def _require_paid(subscription: PaidSubscription) -> None:
    """Raise PurchaseBlocked while a payment of the plan is past due."""
    if subscription.status == "past_due":
        raise PurchaseBlocked("the last payment of the plan failed; pay it first")
