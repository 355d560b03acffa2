"""Request and response bodies of billing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.schemas.base import Body, Reply, Time

BillingInterval = Literal["monthly", "yearly"]
#: What an amount in the API counts.
SMALLEST_UNIT = "In the smallest unit of the currency: cents of a dollar, whole won"


class CheckoutBody(Body):
    """A plan to buy. The server chooses the price."""

    plan: Literal["pro"]
    interval: BillingInterval = "monthly"


class PacksBody(Body):
    """Token packs to buy."""

    quantity: Annotated[int, Field(ge=1, le=20)] = 1


class IntervalBody(Body):
    """The interval to change to."""

    interval: BillingInterval


class IntervalPreviewReply(Reply):
    """What a change of the interval costs. `changes_at` is absent when it takes effect at once."""

    interval: BillingInterval
    due_now_cents: int = Field(description=SMALLEST_UNIT)
    currency: str
    changes_at: Time | None = None


class CheckoutReply(Reply):
    """A purchase that was started: the page on which it is paid. `checkout_id` finds its state afterwards."""

    checkout_id: str
    url: str


class CheckoutState(Reply):
    """The state of a purchase: `open` until Stripe has confirmed the payment to this server."""

    checkout_id: str
    status: Literal["open", "complete", "expired"]


class PortalReply(Reply):
    """The page on which the payment method is changed."""

    url: str


class PaidPlanReply(Reply):
    """What the account pays for. `grace_until` is set while a payment is past due."""

    plan: Literal["pro", "enterprise"]
    status: Literal["active", "past_due", "trialing"]
    interval: BillingInterval
    pending_interval: BillingInterval | None = None
    cancel_at_period_end: bool
    current_period_end: Time
    grace_until: Time | None = None
    can_be_refunded: bool


class BillingReply(Reply):
    """Billing of the account. `unpaid_invoice_url` is where a failed payment can be made up for.

    `payment_needs_action` is true while that payment waits for a confirmation at the user's bank.
    """

    enabled: bool
    sells_packs: bool
    tokens_per_pack: int
    is_disputed: bool = False
    has_customer: bool = False
    subscription: PaidPlanReply | None = None
    unpaid_invoice_url: str | None = None
    payment_needs_action: bool = False
    sales_contact: str | None = Field(default=None, description="The e-mail address for a plan without a price")


class BillingEnvelope(Reply):
    """`{"billing": …}`"""

    billing: BillingReply


class InvoiceReply(Reply):
    """An invoice; amounts in cents. `kind` is what was bought."""

    id: str
    number: str | None = None
    kind: Literal["plan", "tokens"]
    status: Literal["draft", "open", "paid", "void", "uncollectible", "refunded"]
    amount_cents: int = Field(description=SMALLEST_UNIT)
    refunded_cents: int = Field(description=SMALLEST_UNIT)
    currency: str
    created_at: Time
    paid_at: Time | None = None
    url: str | None = None
    pdf_url: str | None = None


class InvoiceList(Reply):
    """Invoices, newest first."""

    invoices: list[InvoiceReply]
