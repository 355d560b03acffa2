"""Purchases that a user starts: the Stripe customer, open checkouts, and what is bought now."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from models.billing.stripe_facts import Interval, InvoiceFacts
from models.database import Connection
from models.jobs import BILLING, CLOSE_BILLING, enqueue

FIND_CUSTOMER: Final = """
    SELECT stripe_customer_id, cardinality(open_disputes) > 0 FROM billing_customers
    WHERE user_id = %(user_id)s AND deleted_at IS NULL
"""

FIND_DELETED_CUSTOMER: Final = """
    SELECT stripe_customer_id FROM billing_customers WHERE user_id = %(user_id)s AND deleted_at IS NOT NULL
"""

# A customer that was deleted at Stripe is replaced.
SAVE_CUSTOMER: Final = """
    INSERT INTO billing_customers (user_id, stripe_customer_id) VALUES (%(user_id)s, %(customer)s)
    ON CONFLICT (user_id) DO UPDATE SET stripe_customer_id = excluded.stripe_customer_id, deleted_at = NULL,
        fetched_at = NULL, open_disputes = '{}'
    WHERE billing_customers.deleted_at IS NOT NULL
"""

LOCK_USER: Final = "SELECT FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE"

CLOSE_OPEN_CHECKOUTS: Final = """
    UPDATE checkouts SET status = 'expired' WHERE user_id = %(user_id)s AND status = 'open'
"""

_CHECKOUT_OF_USER: Final = """
    SELECT id, price_id, pack_tokens, status, stripe_session_id FROM checkouts WHERE user_id = %(user_id)s
"""

FIND_OPEN_CHECKOUT: Final = f"{_CHECKOUT_OF_USER} AND status = 'open' AND pack_tokens = 0"

FIND_CHECKOUT: Final = f"{_CHECKOUT_OF_USER} AND id = %(id)s"

INSERT_CHECKOUT: Final = """
    INSERT INTO checkouts (id, user_id, price_id, pack_tokens)
    VALUES (%(id)s, %(user_id)s, %(price_id)s, %(pack_tokens)s)
"""

SET_CHECKOUT_SESSION: Final = """
    UPDATE checkouts SET stripe_session_id = %(session)s WHERE id = %(id)s AND stripe_session_id IS NULL
"""

CLOSE_CHECKOUT: Final = "UPDATE checkouts SET status = %(status)s WHERE id = %(id)s AND status = 'open'"

FIND_PAID_SUBSCRIPTION: Final = """
    SELECT stripe_subscription_id AS id, plan, status, billing_interval AS interval, pending_interval,
        cancel_at_period_end, current_period_start, current_period_end, grace_until
    FROM subscriptions WHERE user_id = %(user_id)s AND stripe_subscription_id IS NOT NULL
        AND status IN ('active', 'past_due', 'trialing')
"""

LIST_INVOICES: Final = """
    SELECT id, number, status, stripe_subscription_id AS subscription_id, payment_intent, amount_cents, paid_cents,
        refunded_cents, currency, period_start, period_end, hosted_url, pdf_url, was_attempted, needs_action, paid_at,
        created_at
    FROM invoices WHERE user_id = %(user_id)s ORDER BY created_at DESC, id LIMIT %(limit)s
"""

FIND_INVOICE_OWNER: Final = """
    SELECT user_id, payment_intent, paid_cents, refunded_cents, currency FROM invoices WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """The Stripe customer of a user."""

    id: str
    is_disputed: bool


@dataclass(frozen=True, slots=True)
class CheckoutRow:
    """A purchase that was started. `pack_tokens` is 0 for a subscription."""

    id: uuid.UUID
    price_id: str
    pack_tokens: int
    status: str
    stripe_session_id: str | None


@dataclass(frozen=True, slots=True)
class PaidSubscription:
    """The subscription that the user pays for now. `id` is Stripe's."""

    id: str
    plan: str
    status: str
    interval: Interval
    pending_interval: Interval | None
    cancel_at_period_end: bool
    current_period_start: datetime
    current_period_end: datetime
    grace_until: datetime | None


@dataclass(frozen=True, slots=True)
class InvoiceOwner:
    """Whose invoice it is, and what was paid and returned of it, in cents."""

    user_id: uuid.UUID
    payment_intent: str | None
    paid_cents: int
    refunded_cents: int
    currency: str

    @property
    def left_cents(self) -> int:
        """What can still be returned."""
        return self.paid_cents - self.refunded_cents


async def find_invoice_owner(connection: Connection, invoice_id: str) -> InvoiceOwner | None:
    """The owner of an invoice, or None."""
    async with connection.cursor(row_factory=class_row(InvoiceOwner)) as cursor:
        await cursor.execute(FIND_INVOICE_OWNER, {"id": invoice_id})
        return await cursor.fetchone()


async def find_customer(connection: Connection, user_id: uuid.UUID) -> KnownCustomer | None:
    """The user's customer, or None before the first purchase."""
    row = await (await connection.execute(FIND_CUSTOMER, {"user_id": user_id})).fetchone()
    return None if row is None else KnownCustomer(*row)


async def find_deleted_customer(connection: Connection, user_id: uuid.UUID) -> str | None:
    """The id of the user's customer that was deleted at Stripe, or None."""
    row = await (await connection.execute(FIND_DELETED_CUSTOMER, {"user_id": user_id})).fetchone()
    return None if row is None else str(row[0])


async def save_customer(connection: Connection, user_id: uuid.UUID, customer_id: str) -> None:
    """Remember the user's customer, unless there is one."""
    await connection.execute(SAVE_CUSTOMER, {"user_id": user_id, "customer": customer_id})


async def find_subscription(connection: Connection, user_id: uuid.UUID) -> PaidSubscription | None:
    """What the user pays for now, or None."""
    async with connection.cursor(row_factory=class_row(PaidSubscription)) as cursor:
        await cursor.execute(FIND_PAID_SUBSCRIPTION, {"user_id": user_id})
        return await cursor.fetchone()


async def begin_checkout(connection: Connection, user_id: uuid.UUID, price_id: str) -> CheckoutRow:
    """The open purchase of a subscription, a new one if there is none. The caller commits before it calls Stripe.

    Parallel requests of one user wait here, and receive the same purchase.
    """
    await connection.execute(LOCK_USER, {"user_id": user_id})
    async with connection.cursor(row_factory=class_row(CheckoutRow)) as cursor:
        await cursor.execute(FIND_OPEN_CHECKOUT, {"user_id": user_id})
        row = await cursor.fetchone()
        if row is not None:
            return row
    return await add_checkout(connection, user_id, price_id, 0)


async def add_checkout(connection: Connection, user_id: uuid.UUID, price_id: str, pack_tokens: int) -> CheckoutRow:
    """A new purchase."""
    checkout_id = uuid.uuid4()
    await connection.execute(
        INSERT_CHECKOUT,
        {"id": checkout_id, "user_id": user_id, "price_id": price_id, "pack_tokens": pack_tokens},
    )
    row = await find_checkout(connection, user_id, checkout_id)
    assert row is not None
    return row


async def find_checkout(connection: Connection, user_id: uuid.UUID, checkout_id: uuid.UUID) -> CheckoutRow | None:
    """A purchase of this user, or None."""
    async with connection.cursor(row_factory=class_row(CheckoutRow)) as cursor:
        await cursor.execute(FIND_CHECKOUT, {"user_id": user_id, "id": checkout_id})
        return await cursor.fetchone()


async def set_checkout_session(connection: Connection, checkout_id: uuid.UUID, session_id: str) -> None:
    """Remember the Checkout session that Stripe made for a purchase."""
    await connection.execute(SET_CHECKOUT_SESSION, {"id": checkout_id, "session": session_id})


async def close_checkout(connection: Connection, checkout_id: uuid.UUID, status: str) -> None:
    """Mark an open purchase as `complete` or `expired`."""
    await connection.execute(CLOSE_CHECKOUT, {"id": checkout_id, "status": status})


async def close_open_checkouts(connection: Connection, user_id: uuid.UUID) -> None:
    """Close the purchases of a customer that another one replaces: they cannot be paid any more."""
    await connection.execute(CLOSE_OPEN_CHECKOUTS, {"user_id": user_id})


async def list_invoices(connection: Connection, user_id: uuid.UUID, limit: int = 100) -> list[InvoiceFacts]:
    """The user's invoices, newest first."""
    async with connection.cursor(row_factory=class_row(InvoiceFacts)) as cursor:
        await cursor.execute(LIST_INVOICES, {"user_id": user_id, "limit": limit})
        return await cursor.fetchall()


async def end_billing(connection: Connection, user_id: uuid.UUID, *, is_erased: bool) -> None:
    """Enqueue the end of the user's subscriptions: with their period, or at once if the account is erased.

    Call it before the erasure, which deletes the customer's row. The job has no `user_id`, so that it survives.
    """
    customer = await find_customer(connection, user_id)
    if customer is not None:
        await enqueue(connection, CLOSE_BILLING, queue=BILLING, customer_id=customer.id, is_erased=is_erased)
