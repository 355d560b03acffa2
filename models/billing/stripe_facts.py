"""What Stripe says about one customer, as plain values.

`cluster.billing.stripe_gateway` fetches them, `models.billing.mirror` stores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Interval = Literal["monthly", "yearly"]

#: Statuses of a subscription at Stripe: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
LIVE_STATUSES: Final = ("active", "trialing", "past_due")

#: The time during which a paid plan stays after a failed payment.
GRACE_PERIOD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription. `pending_interval` is set when the interval changes at the end of the period."""

    id: str
    status: str
    price_id: str
    plan: str
    plan_version: int
    interval: Interval
    period_start: datetime
    period_end: datetime
    started_at: datetime
    cancel_at_period_end: bool
    ended_at: datetime | None
    pending_interval: Interval | None = None

    @property
    def is_live(self) -> bool:
        """Whether Stripe goes on charging for it."""
        return self.status in LIVE_STATUSES


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice. Amounts are in cents; `subscription_id` is None for a purchase of tokens.

    `needs_action` is set while the payment waits for the customer's confirmation at their bank.
    """

    id: str
    number: str | None
    status: str
    subscription_id: str | None
    payment_intent: str | None
    amount_cents: int
    paid_cents: int
    refunded_cents: int
    currency: str
    period_start: datetime
    period_end: datetime
    hosted_url: str | None
    pdf_url: str | None
    was_attempted: bool
    created_at: datetime
    paid_at: datetime | None
    needs_action: bool = False

    @property
    def is_unpaid(self) -> bool:
        """Whether a payment was tried and failed, or waits for the customer's confirmation."""
        return self.status == "open" and (self.was_attempted or self.needs_action)

    @property
    def is_refunded(self) -> bool:
        """Whether the whole payment was returned."""
        return self.paid_cents > 0 and self.refunded_cents >= self.paid_cents


@dataclass(frozen=True, slots=True)
class CheckoutFacts:
    """A Checkout session; `pack_tokens` is 0 for a subscription."""

    id: str
    status: str
    is_paid: bool
    pack_tokens: int
    payment_intent: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """Everything about one customer at one moment."""

    id: str
    is_deleted: bool
    subscriptions: tuple[SubscriptionFacts, ...]
    invoices: tuple[InvoiceFacts, ...]
    checkouts: tuple[CheckoutFacts, ...]
    #: Payments whose bank has demanded the money back and has not decided yet.
    open_disputes: frozenset[str]
    #: Payments whose money is lost: the bank decided for the customer.
    lost_disputes: frozenset[str] = frozenset()

    def is_returned(self, invoice: InvoiceFacts) -> bool:
        """Whether the money of the invoice is back at the customer's."""
        return invoice.is_refunded or invoice.payment_intent in self.lost_disputes

    def returned_subscriptions(self) -> frozenset[str]:
        """The subscriptions whose newest paid invoice was returned: they give no plan any more."""
        newest: dict[str, InvoiceFacts] = {}
        for invoice in self.invoices:
            if invoice.subscription_id is not None and invoice.paid_at is not None and invoice.paid_cents > 0:
                other = newest.get(invoice.subscription_id)
                if other is None or other.created_at <= invoice.created_at:
                    newest[invoice.subscription_id] = invoice
        return frozenset(name for name, invoice in newest.items() if self.is_returned(invoice))

    def current_subscription(self, known: str | None = None) -> SubscriptionFacts | None:
        """The subscription that gives the customer a plan: `known` while it is live, else the oldest."""
        returned = self.returned_subscriptions()
        live = [s for s in self.subscriptions if s.is_live and s.id not in returned]
        return min(live, key=lambda s: (s.id != known, s.started_at, s.id), default=None)

    def replaced_subscriptions(self, current: SubscriptionFacts | None) -> tuple[str, ...]:
        """Subscriptions that Stripe has suspended, beside a live one that was bought since.

        Their old invoice can still be paid, and then the customer would pay for two plans.
        """
        if current is None:
            return ()
        return tuple(s.id for s in self.subscriptions if s.status in ("unpaid", "paused"))

    def grace_until(self, subscription: SubscriptionFacts) -> datetime | None:
        """When the plan ends if the payment of the period goes on failing; None unless it is past due."""
        if subscription.status != "past_due":
            return None
        failed = [i.created_at for i in self.invoices if i.subscription_id == subscription.id and i.is_unpaid]
        return min(failed, default=subscription.period_start) + GRACE_PERIOD
