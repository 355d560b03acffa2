"""The tables that mirror Stripe: customers, checkouts, paid periods, invoices, token packs, and received webhooks.

`models.billing.plans.Subscription` is the mirror of subscriptions. Stripe is the authority: rows are overwritten by
what a later fetch finds (`models.billing.mirror`).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey


class BillingCustomer(Base):
    """The Stripe customer of a user."""

    __tablename__ = "billing_customers"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    stripe_customer_id: Mapped[str] = mapped_column(unique=True)
    #: The payments whose bank demands the money back; while there is one, nothing more is sold.
    open_disputes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    #: When the customer was found deleted at Stripe.
    deleted_at: Mapped[datetime | None]
    #: When the fetch began whose result the mirror holds. A fetch that began earlier is not stored.
    fetched_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Checkout(Base):
    """One purchase that a user started. `id` is the idempotency key of the call that creates the Checkout session."""

    __tablename__ = "checkouts"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'complete', 'expired')", name="status"),
        # At most one open purchase of a subscription per user: parallel clicks share it.
        Index(
            "uq_checkouts_open_subscription",
            "user_id",
            unique=True,
            postgresql_where=text("status = 'open' AND pack_tokens = 0"),
        ),
        Index("ix_checkouts_user_id", "user_id"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    price_id: Mapped[str]
    #: The tokens of a pack; 0 for a subscription.
    pack_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    status: Mapped[str] = mapped_column(server_default="open", default="open")
    #: Unknown until Stripe has answered.
    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    #: Of the previous version: Stripe says when a session has expired. Drop it one release later.
    expires_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class PaidPeriod(Base):
    """A paid period of a subscription, kept for the history of usage. A change of the interval begins a new one."""

    __tablename__ = "paid_periods"
    __table_args__ = (Index("uq_paid_periods_start", "subscription_id", "starts_at", unique=True),)

    id: Mapped[UuidKey]
    subscription_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class Invoice(Base):
    """An invoice of Stripe."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("ix_invoices_user_id", "user_id", text("created_at DESC")),
        Index("ix_invoices_payment_intent", "payment_intent"),
    )

    #: Stripe's id.
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    number: Mapped[str | None]
    status: Mapped[str]
    #: Stripe's id; NULL for a purchase of tokens.
    stripe_subscription_id: Mapped[str | None]
    payment_intent: Mapped[str | None]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    paid_cents: Mapped[int] = mapped_column(BigInteger)
    refunded_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    hosted_url: Mapped[str | None]
    pdf_url: Mapped[str | None]
    was_attempted: Mapped[bool]
    #: The payment waits for the customer's confirmation at their bank (3-D Secure).
    needs_action: Mapped[bool] = mapped_column(server_default="false", default=False)
    paid_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class TokenPack(Base):
    """A bought pack of tokens. Its tokens are a grant in the ledger; a refund revokes those that are not spent."""

    __tablename__ = "token_packs"
    __table_args__ = (Index("ix_token_packs_user_id", "user_id"), CheckConstraint("tokens > 0", name="tokens"))

    #: Derived from the id of the Checkout session; the source of the grant in the ledger.
    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    tokens: Mapped[int] = mapped_column(BigInteger)
    payment_intent: Mapped[str | None]
    revoked_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    created_at: Mapped[CreatedAt]


class StripeEvent(Base):
    """A received webhook, stored once per event id and handled by a job, which fetches the object itself."""

    __tablename__ = "stripe_events"
    __table_args__ = (
        Index("ix_stripe_events_waiting", "next_attempt_at", postgresql_where=text("handled_at IS NULL")),
        Index("ix_stripe_events_received_at", "received_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    #: The type and id of the object, without its content.
    object_type: Mapped[str]
    object_id: Mapped[str]
    #: NULL when the object does not name its customer.
    stripe_customer_id: Mapped[str | None]
    api_version: Mapped[str | None]
    happened_at: Mapped[datetime]
    received_at: Mapped[CreatedAt]
    handled_at: Mapped[datetime | None]
    #: `applied`, `ignored` (another account's customer), or `failed` (no attempts left).
    outcome: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    next_attempt_at: Mapped[CreatedAt]
    error: Mapped[str | None]
