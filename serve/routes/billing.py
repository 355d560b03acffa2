"""Billing: buy a plan or tokens, change and cancel it, and invoices."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.billing.purchases import REFUND_PERIOD, Buyer, Purchases
from cluster.billing.stripe_gateway import TOKENS_PER_PACK
from models.accounts.users import UserSettings, require_active_user
from models.billing.purchases import find_checkout, find_customer, find_subscription, list_invoices
from models.billing.stripe_facts import InvoiceFacts
from models.errors import NotFound, TrailmindError
from models.schemas.base import MessageReply
from models.schemas.billing import (
    BillingEnvelope,
    BillingInterval,
    BillingReply,
    CheckoutBody,
    CheckoutReply,
    CheckoutState,
    IntervalBody,
    IntervalPreviewReply,
    InvoiceList,
    InvoiceReply,
    PacksBody,
    PaidPlanReply,
    PortalReply,
)
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State

router = APIRouter(prefix="/v1", tags=["billing"])


class BillingDisabled(TrailmindError):
    """No Stripe key is set."""

    code, status = "BILLING_DISABLED", 501


async def purchases(state: State) -> Purchases:
    """The purchases of this server. Raises BillingDisabled."""
    if state.purchases is None:
        raise BillingDisabled("this server does not sell plans: no Stripe key is set")
    return state.purchases


BillingPurchases = Annotated[Purchases, Depends(purchases)]


async def _buyer(db: AsyncSession, user_id: uuid.UUID) -> Buyer:
    user = await require_active_user(db, user_id)
    settings = await db.get(UserSettings, user_id)
    buyer = Buyer(user_id, user.email, settings.language if settings else "ko")
    # Stripe may take seconds to answer: the connection returns to the pool meanwhile.
    await db.rollback()
    return buyer


@router.get("/billing", response_model_exclude_none=True)
async def get_billing(user_id: CurrentUserId, state: State, connection: DbConnection) -> BillingEnvelope:
    """What the account pays for, and what can be bought."""
    settings = state.settings.billing
    reply = BillingReply(
        enabled=settings.is_enabled,
        sells_packs=settings.is_enabled and settings.token_pack_price is not None,
        tokens_per_pack=TOKENS_PER_PACK,
        sales_contact=settings.sales_contact,
    )
    customer = await find_customer(connection, user_id)
    if customer is not None:
        reply.has_customer, reply.is_disputed = True, customer.is_disputed
    subscription = await find_subscription(connection, user_id)
    if subscription is not None:
        invoices = [i for i in await list_invoices(connection, user_id) if i.subscription_id == subscription.id]
        paid = next((invoice for invoice in invoices if invoice.paid_at is not None), None)
        reply.subscription = PaidPlanReply.model_validate(
            {
                **{
                    name: getattr(subscription, name)
                    for name in PaidPlanReply.model_fields
                    if name != "can_be_refunded"
                },
                "can_be_refunded": paid is not None and _age(paid) <= REFUND_PERIOD,
            }
        )
        unpaid = next((invoice for invoice in invoices if invoice.is_unpaid), None)
        if unpaid is not None:
            reply.unpaid_invoice_url, reply.payment_needs_action = unpaid.hosted_url, unpaid.needs_action
    return BillingEnvelope(billing=reply)


def _age(invoice: InvoiceFacts) -> timedelta:
    assert invoice.paid_at is not None
    return datetime.now(UTC) - invoice.paid_at


@router.post("/billing/checkout")
async def buy_plan(
    body: CheckoutBody, user_id: CurrentUserId, db: DbSession, purchases: BillingPurchases
) -> CheckoutReply:
    """Start the purchase of a plan. Repeated calls return the same page until it is paid or expires."""
    checkout_id, url = await purchases.buy_plan(await _buyer(db, user_id), body.interval)
    return CheckoutReply(checkout_id=str(checkout_id), url=url)


@router.get("/billing/checkouts/{checkout_id}")
async def get_checkout(checkout_id: uuid.UUID, user_id: CurrentUserId, connection: DbConnection) -> CheckoutState:
    """The state of a purchase, as far as Stripe has confirmed it to this server."""
    checkout = await find_checkout(connection, user_id, checkout_id)
    if checkout is None:
        raise NotFound("there is no such purchase")
    return CheckoutState.model_validate({"checkout_id": str(checkout.id), "status": checkout.status})


@router.post("/billing/packs")
async def buy_packs(
    body: PacksBody, user_id: CurrentUserId, state: State, db: DbSession, purchases: BillingPurchases
) -> CheckoutReply:
    """Start the purchase of token packs, for accounts with a paid plan."""
    price_id = state.settings.billing.token_pack_price
    if price_id is None:
        raise BillingDisabled("this server does not sell token packs")
    checkout_id, url = await purchases.buy_packs(await _buyer(db, user_id), body.quantity, price_id)
    return CheckoutReply(checkout_id=str(checkout_id), url=url)


@router.post("/billing/portal")
async def open_portal(user_id: CurrentUserId, purchases: BillingPurchases) -> PortalReply:
    """The page on which the payment method is changed and receipts are found."""
    return PortalReply(url=await purchases.portal_url(user_id))


@router.get("/billing/preview", response_model_exclude_none=True)
async def preview_interval(
    interval: BillingInterval, user_id: CurrentUserId, purchases: BillingPurchases
) -> IntervalPreviewReply:
    """What a change of the interval would cost, and when it would take effect. Nothing is changed."""
    preview = await purchases.preview_interval(user_id, interval)
    return IntervalPreviewReply(
        interval=interval,
        due_now_cents=preview.price.due_now_cents,
        currency=preview.price.currency,
        changes_at=preview.changes_at,
    )


@router.post("/billing/interval")
async def change_interval(body: IntervalBody, user_id: CurrentUserId, purchases: BillingPurchases) -> MessageReply:
    """Monthly to yearly at once, pro rata; yearly to monthly at the end of the period."""
    await purchases.change_interval(user_id, body.interval)
    return MessageReply(message="the change is on its way")


@router.post("/billing/cancel")
async def cancel_plan(user_id: CurrentUserId, purchases: BillingPurchases) -> MessageReply:
    """Cancel the plan at the end of its period."""
    await purchases.set_cancellation(user_id, cancels=True)
    return MessageReply(message="the plan ends with its period")


@router.post("/billing/resume")
async def resume_plan(user_id: CurrentUserId, purchases: BillingPurchases) -> MessageReply:
    """Undo a cancellation before the period has ended."""
    await purchases.set_cancellation(user_id, cancels=False)
    return MessageReply(message="the plan goes on")


@router.post("/billing/refund")
async def refund_plan(user_id: CurrentUserId, purchases: BillingPurchases) -> MessageReply:
    """Return the last payment of the plan within seven days; the plan ends at once."""
    await purchases.refund(user_id)
    return MessageReply(message="the payment is returned")


@router.get("/billing/invoices", response_model_exclude_none=True)
async def list_bills(user_id: CurrentUserId, connection: DbConnection) -> InvoiceList:
    """The account's invoices, newest first."""
    return InvoiceList(invoices=[invoice_reply(row) for row in await list_invoices(connection, user_id)])


def invoice_reply(invoice: InvoiceFacts) -> InvoiceReply:
    """The invoice as API resource."""
    values = {name: getattr(invoice, name, None) for name in InvoiceReply.model_fields}
    return InvoiceReply.model_validate(
        {
            **values,
            "kind": "plan" if invoice.subscription_id else "tokens",
            "status": "refunded" if invoice.is_refunded else invoice.status,
            "url": invoice.hosted_url,
        }
    )
