"""Stores what Stripe says about a customer: subscriptions, paid periods, invoices, token packs and checkouts.

`apply_facts` overwrites the mirror with one fetch, in the caller's transaction. It may run any number of times, in any
order: a fetch that began before the one already stored is refused. That suffices because every change at Stripe sends
an event after it, and the fetch for that event begins later still.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row

from models.billing.ledger import grant, lock_ledger, revoke_grant
from models.billing.stripe_facts import LIVE_STATUSES, CheckoutFacts, CustomerFacts, SubscriptionFacts
from models.database import Connection

#: Makes the id of a pack, and thereby the grant's idempotency key, from the id of the Checkout session.
_PACKS: Final = uuid.UUID("6a0b1c52-6f3e-4d0c-9f0e-6a4c0f6f1d5e")

READ_CLOCK: Final = "SELECT clock_timestamp()"

LOCK_CUSTOMER: Final = """
    SELECT c.user_id, c.open_disputes, c.fetched_at, u.email, coalesce(s.language, 'ko') AS language
    FROM billing_customers c JOIN users u ON u.id = c.user_id LEFT JOIN user_settings s ON s.user_id = u.id
    WHERE c.stripe_customer_id = %(customer)s FOR UPDATE OF c
"""

UPDATE_CUSTOMER: Final = """
    UPDATE billing_customers SET fetched_at = %(fetched_at)s, open_disputes = %(open_disputes)s,
        deleted_at = CASE WHEN %(is_deleted)s THEN coalesce(deleted_at, %(fetched_at)s) END
    WHERE stripe_customer_id = %(customer)s
"""

LOAD_MIRRORED_SUBSCRIPTIONS: Final = """
    SELECT id, stripe_subscription_id, plan, status, billing_interval, pending_interval, cancel_at_period_end,
        is_refunded, current_period_end
    FROM subscriptions WHERE user_id = %(user_id)s AND stripe_subscription_id IS NOT NULL
"""

LOAD_MIRRORED_INVOICES: Final = """
    SELECT id, status, was_attempted, needs_action FROM invoices WHERE user_id = %(user_id)s
"""

SAVE_SUBSCRIPTION: Final = """
    INSERT INTO subscriptions (id, user_id, plan, plan_version, status, current_period_start, current_period_end,
        cancel_at_period_end, stripe_subscription_id, stripe_customer_id, stripe_price_id, billing_interval,
        pending_interval, grace_until, ended_at, is_refunded, created_at, updated_at)
    VALUES (gen_random_uuid(), %(user_id)s, %(plan)s, %(plan_version)s, %(status)s, %(period_start)s, %(period_end)s,
        %(cancel_at_period_end)s, %(id)s, %(customer)s, %(price_id)s, %(interval)s, %(pending_interval)s,
        %(grace_until)s, %(ended_at)s, %(is_refunded)s, %(started_at)s, now())
    ON CONFLICT (stripe_subscription_id) DO UPDATE SET plan = excluded.plan, plan_version = excluded.plan_version,
        status = excluded.status, current_period_start = excluded.current_period_start,
        current_period_end = excluded.current_period_end, cancel_at_period_end = excluded.cancel_at_period_end,
        stripe_price_id = excluded.stripe_price_id, billing_interval = excluded.billing_interval,
        pending_interval = excluded.pending_interval, grace_until = excluded.grace_until,
        ended_at = excluded.ended_at, is_refunded = excluded.is_refunded, updated_at = now()
    RETURNING id
"""

# Stripe lists nothing of a deleted customer; the subscriptions ended with it.
END_ALL_SUBSCRIPTIONS: Final = """
    UPDATE subscriptions SET status = 'canceled', ended_at = coalesce(ended_at, now()), updated_at = now()
    WHERE user_id = %(user_id)s AND stripe_subscription_id IS NOT NULL
        AND status NOT IN ('canceled', 'incomplete_expired')
    RETURNING stripe_subscription_id, plan, ended_at
"""

SAVE_PAID_PERIOD: Final = """
    INSERT INTO paid_periods (id, subscription_id, starts_at, ends_at)
    VALUES (gen_random_uuid(), %(subscription_id)s, %(starts_at)s, %(ends_at)s)
    ON CONFLICT (subscription_id, starts_at) DO UPDATE SET ends_at = excluded.ends_at
"""

SAVE_INVOICE: Final = """
    INSERT INTO invoices (id, user_id, number, status, stripe_subscription_id, payment_intent, amount_cents, paid_cents,
        refunded_cents, currency, period_start, period_end, hosted_url, pdf_url, was_attempted, needs_action, paid_at,
        created_at)
    VALUES (%(id)s, %(user_id)s, %(number)s, %(status)s, %(subscription_id)s, %(payment_intent)s, %(amount_cents)s,
        %(paid_cents)s, %(refunded_cents)s, %(currency)s, %(period_start)s, %(period_end)s, %(hosted_url)s,
        %(pdf_url)s, %(was_attempted)s, %(needs_action)s, %(paid_at)s, %(created_at)s)
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, status = excluded.status,
        payment_intent = excluded.payment_intent, amount_cents = excluded.amount_cents,
        paid_cents = excluded.paid_cents, refunded_cents = excluded.refunded_cents, hosted_url = excluded.hosted_url,
        pdf_url = excluded.pdf_url, was_attempted = excluded.was_attempted, needs_action = excluded.needs_action,
        paid_at = excluded.paid_at
"""

FINISH_CHECKOUT: Final = """
    UPDATE checkouts SET status = %(status)s WHERE stripe_session_id = %(session)s AND status <> %(status)s
"""

INSERT_PACK: Final = """
    INSERT INTO token_packs (id, user_id, tokens, payment_intent, created_at)
    VALUES (%(id)s, %(user_id)s, %(tokens)s, %(payment_intent)s, %(created_at)s) ON CONFLICT (id) DO NOTHING
"""

LOAD_PACKS: Final = """
    SELECT id, tokens, payment_intent, revoked_tokens FROM token_packs WHERE user_id = %(user_id)s
    ORDER BY created_at, id FOR UPDATE
"""

REVOKE_PACK: Final = "UPDATE token_packs SET revoked_tokens = revoked_tokens + %(tokens)s WHERE id = %(id)s"

#: Tokens of grants that are spent or reserved.
LOAD_SPENT_GRANTS: Final = """
    SELECT coalesce(sum(CASE WHEN kind = 'settle' THEN from_grants WHEN kind = 'refund' THEN -from_grants
        WHEN kind = 'reserve' AND expires_at > clock_timestamp() AND NOT EXISTS (SELECT FROM ledger_entries c
            WHERE c.call_id = e.call_id AND c.kind IN ('settle', 'release')) THEN from_grants ELSE 0 END), 0)
    FROM ledger_entries e WHERE user_id = %(user_id)s AND from_grants > 0
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What one fetch changed for the user, in terms of the mails about it.

    `kind` is one of `started`, `interval_changed`, `cancellation_scheduled`, `cancellation_undone`, `ended`,
    `refunded`, `payment_failed`, `payment_action_required`, `payment_recovered`, `pack_bought`, `disputed`. `subject`
    is the id of the object.
    """

    kind: str
    subject: str
    plan: str = ""
    at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class AppliedFacts:
    """The owner of the customer, and what has changed.

    `to_cancel` are subscriptions that Stripe must end: their money was returned, or a later subscription replaces them.
    """

    user_id: uuid.UUID
    address: str
    language: str
    changes: tuple[Change, ...]
    to_cancel: tuple[str, ...]
    #: Live subscriptions beside the current one: a person pays twice.
    duplicates: tuple[str, ...]


async def clock(connection: Connection) -> datetime:
    """The time of the database, which orders fetches."""
    row = await (await connection.execute(READ_CLOCK)).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


async def apply_facts(connection: Connection, facts: CustomerFacts, fetched_at: datetime) -> AppliedFacts | None:
    """Overwrite the mirror of one customer; `fetched_at` is the database's time when the fetch began.

    Returns None if the customer is unknown here. If a later fetch is stored already, nothing changes.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LOCK_CUSTOMER, {"customer": facts.id})
        owner = await cursor.fetchone()
    if owner is None:
        return None
    user_id = owner["user_id"]
    if owner["fetched_at"] is not None and owner["fetched_at"] >= fetched_at:
        return AppliedFacts(user_id, owner["email"], owner["language"], (), (), ())
    await connection.execute(
        UPDATE_CUSTOMER,
        {
            "customer": facts.id,
            "fetched_at": fetched_at,
            "open_disputes": sorted(facts.open_disputes),
            "is_deleted": facts.is_deleted,
        },
    )
    mirrored = await _mirrored_subscriptions(connection, user_id)
    known = next((name for name, row in mirrored.items() if row["status"] in LIVE_STATUSES), None)
    current = facts.current_subscription(known)
    changes = [
        *await _save_subscriptions(connection, user_id, facts, mirrored, current),
        *await _save_invoices(connection, user_id, facts),
        *await _save_checkouts(connection, user_id, facts),
    ]
    new_disputes = facts.open_disputes - set(owner["open_disputes"])
    changes += [Change("disputed", payment) for payment in sorted(new_disputes)]
    returned = facts.returned_subscriptions()
    live = [s for s in facts.subscriptions if s.is_live]
    replaced = facts.replaced_subscriptions(current)
    return AppliedFacts(
        user_id,
        owner["email"],
        owner["language"],
        tuple(changes),
        to_cancel=(*(s.id for s in live if s.id in returned), *replaced),
        duplicates=tuple(s.id for s in live if s is not current and s.id not in returned),
    )


async def _mirrored_subscriptions(connection: Connection, user_id: uuid.UUID) -> dict[str, dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LOAD_MIRRORED_SUBSCRIPTIONS, {"user_id": user_id})
        return {row["stripe_subscription_id"]: row for row in await cursor.fetchall()}


async def _save_subscriptions(
    connection: Connection,
    user_id: uuid.UUID,
    facts: CustomerFacts,
    mirrored: dict[str, dict[str, Any]],
    current: SubscriptionFacts | None,
) -> list[Change]:
    if facts.is_deleted:
        ended = await connection.execute(END_ALL_SUBSCRIPTIONS, {"user_id": user_id})
        return [Change("ended", *row) for row in await ended.fetchall()]
    returned = facts.returned_subscriptions()
    changes: list[Change] = []
    # The live one last: the index of current subscriptions allows one per user.
    for subscription in sorted(facts.subscriptions, key=lambda s: s is current):
        is_duplicate = subscription.is_live and subscription is not current and subscription.id not in returned
        if is_duplicate:
            # The row of the other one gives the plan; this one is reported by `duplicates`.
            continue
        is_refunded = subscription.id in returned
        row = await (
            await connection.execute(
                SAVE_SUBSCRIPTION,
                {
                    "user_id": user_id,
                    "customer": facts.id,
                    "id": subscription.id,
                    "plan": subscription.plan,
                    "plan_version": subscription.plan_version,
                    # A returned payment ends the plan at once, whatever Stripe still says.
                    "status": "canceled" if is_refunded else subscription.status,
                    "period_start": subscription.period_start,
                    "period_end": subscription.period_end,
                    "cancel_at_period_end": subscription.cancel_at_period_end,
                    "price_id": subscription.price_id,
                    "interval": subscription.interval,
                    "pending_interval": subscription.pending_interval,
                    "grace_until": facts.grace_until(subscription),
                    "ended_at": subscription.ended_at,
                    "is_refunded": is_refunded,
                    "started_at": subscription.started_at,
                },
            )
        ).fetchone()
        assert row is not None
        await connection.execute(
            SAVE_PAID_PERIOD,
            {
                "subscription_id": row[0],
                "starts_at": subscription.period_start,
                "ends_at": subscription.period_end,
            },
        )
        changes += _subscription_changes(mirrored.get(subscription.id), subscription, is_refunded=is_refunded)
    return changes


def _subscription_changes(before: dict[str, Any] | None, now: SubscriptionFacts, *, is_refunded: bool) -> list[Change]:
    if before is None:
        is_new = now.is_live and not is_refunded
        return [Change("started", now.id, now.plan, now.period_end)] if is_new else []
    was_live = before["status"] in LIVE_STATUSES
    if is_refunded:
        return [] if before["is_refunded"] else [Change("refunded", now.id, now.plan)]
    if was_live and not now.is_live:
        return [Change("ended", now.id, now.plan, now.ended_at)]
    changes = []
    if before["status"] == "incomplete" and now.is_live:
        changes.append(Change("started", now.id, now.plan, now.period_end))
    if before["status"] in ("past_due", "unpaid") and now.status == "active":
        changes.append(Change("payment_recovered", now.id, now.plan))
    if (before["billing_interval"], before["pending_interval"]) != (now.interval, now.pending_interval):
        changes.append(Change("interval_changed", now.id, now.pending_interval or now.interval, now.period_end))
    if before["cancel_at_period_end"] != now.cancel_at_period_end:
        kind = "cancellation_scheduled" if now.cancel_at_period_end else "cancellation_undone"
        changes.append(Change(kind, now.id, now.plan, now.period_end))
    return changes


async def _save_invoices(connection: Connection, user_id: uuid.UUID, facts: CustomerFacts) -> list[Change]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LOAD_MIRRORED_INVOICES, {"user_id": user_id})
        mirrored = {row["id"]: row for row in await cursor.fetchall()}
    changes = []
    for invoice in facts.invoices:
        await connection.execute(SAVE_INVOICE, {"user_id": user_id, **asdict(invoice)})
        before = mirrored.get(invoice.id)
        open_before = before if before is not None and before["status"] == "open" else None
        needed_action = open_before is not None and open_before["needs_action"]
        had_failed = open_before is not None and open_before["was_attempted"] and not needed_action
        if not invoice.is_unpaid or (needed_action if invoice.needs_action else had_failed):
            continue
        # Of a payment that the bank wants confirmed, a mail about a failure would send the user to another card.
        kind = "payment_action_required" if invoice.needs_action else "payment_failed"
        changes.append(Change(kind, invoice.id, at=invoice.created_at, url=invoice.hosted_url))
    return changes


def pack_id(session_id: str) -> uuid.UUID:
    """The id of the pack that a Checkout session sold."""
    return uuid.uuid5(_PACKS, session_id)


async def _save_checkouts(connection: Connection, user_id: uuid.UUID, facts: CustomerFacts) -> list[Change]:
    changes = []
    for checkout in facts.checkouts:
        if checkout.status in ("complete", "expired"):
            await connection.execute(FINISH_CHECKOUT, {"session": checkout.id, "status": checkout.status})
        if checkout.pack_tokens and checkout.is_paid and await _grant_pack(connection, user_id, checkout):
            changes.append(Change("pack_bought", checkout.id))
    await _revoke_returned_packs(connection, user_id, facts)
    return changes


async def _grant_pack(connection: Connection, user_id: uuid.UUID, checkout: CheckoutFacts) -> bool:
    values = {
        "id": pack_id(checkout.id),
        "user_id": user_id,
        "tokens": checkout.pack_tokens,
        "payment_intent": checkout.payment_intent,
        "created_at": checkout.created_at,
    }
    cursor = await connection.execute(INSERT_PACK, values)
    if cursor.rowcount == 0:
        return False
    return await grant(connection, user_id, pack_id(checkout.id), checkout.pack_tokens)


async def _revoke_returned_packs(connection: Connection, user_id: uuid.UUID, facts: CustomerFacts) -> None:
    returned = {i.payment_intent for i in facts.invoices if facts.is_returned(i)} | facts.lost_disputes
    packs = await (await connection.execute(LOAD_PACKS, {"user_id": user_id})).fetchall()
    if not any(pack[2] in returned and pack[3] < pack[1] for pack in packs):
        return
    await lock_ledger(connection, user_id)
    row = await (await connection.execute(LOAD_SPENT_GRANTS, {"user_id": user_id})).fetchone()
    assert row is not None
    spent = int(row[0])
    for name, tokens, payment_intent, revoked in packs:
        # Packs are spent in the order in which they were bought.
        left = tokens - revoked
        spent_here = min(left, spent)
        spent -= spent_here
        unspent = left - spent_here
        if payment_intent in returned and unspent and revoked == 0:
            await revoke_grant(connection, user_id, name, unspent)
            await connection.execute(REVOKE_PACK, {"id": name, "tokens": unspent})
