"""Two sources that disagree for a while: clicks at the same time, Stripe beside an operator, clocks, currencies."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from cluster.billing.webhooks import TOLERANCE_S
from cluster.settings import Settings
from models.billing.plans import PLAN_CURRENCY
from models.billing.stripe_facts import GRACE_PERIOD
from tests.support.billing import WEBHOOK_SECRET, BillingWorld, billing_of, billing_world, error_of, operator_of
from tests.support.client import ApiUser
from tests.support.stripe_fake import PRO_MONTHLY, StripeServer
from tests.support.stripe_fake.server import signed, snapshot_payload, thin_payload
from tests.support.stripe_fake.state import DAY

Db = psycopg.AsyncConnection[Any]


async def fail_renewal(world: BillingWorld) -> None:
    """The renewal of the only subscription fails, and Stripe goes on trying."""
    world.state.declined.add(world.state.all("customer")[0]["id"])
    world.state.advance(32 * DAY)
    await world.deliver()


# --- past due ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_sold_while_a_plan_is_past_due_also_after_the_grace_period(
    world: BillingWorld, buyer: ApiUser, db: Db
) -> None:
    await world.buy(buyer)
    await fail_renewal(world)
    num_sessions = len(world.state.all("checkout.session"))
    for _ in ("within the grace period", "after it, while Stripe still tries"):
        for interval in ("monthly", "yearly"):
            refused = await error_of(buyer, "/v1/billing/checkout", plan="pro", interval=interval)
            assert refused == (409, "PURCHASE_BLOCKED")
        assert await error_of(buyer, "/v1/billing/packs") == (409, "PURCHASE_BLOCKED")
        assert await error_of(buyer, "/v1/billing/interval", interval="yearly") == (409, "PURCHASE_BLOCKED")
        assert (await billing_of(buyer))["unpaid_invoice_url"].startswith("https://invoice.stripe.test/")
        await db.execute(
            "UPDATE subscriptions SET grace_until = now() - interval '1 hour' WHERE user_id = %s", [buyer.id]
        )
    assert (await buyer.ok("GET", "/v1/subscription"))["subscription"]["plan"]["id"] == "free"
    assert len(world.state.all("checkout.session")) == num_sessions
    # What is left to the user: pay the open invoice, or cancel.
    await buyer.ok("POST", "/v1/billing/portal")
    await buyer.ok("POST", "/v1/billing/cancel")
    world.state.declined.clear()
    world.state.advance(3 * DAY)
    await world.deliver()
    assert (await world.plan(buyer)).status == "active"


async def test_a_new_purchase_replaces_a_subscription_that_stripe_has_suspended(
    world: BillingWorld, buyer: ApiUser
) -> None:
    """An account at Stripe may leave a subscription `unpaid` instead of ending it; its old invoice stays payable."""
    world.state.suspends_unpaid = True
    first = await world.buy(buyer)
    await fail_renewal(world)
    world.state.advance(GRACE_PERIOD.days * DAY)
    await world.deliver()
    assert world.state.get("subscription", first)["status"] == "unpaid"
    assert (await world.plan(buyer)).plan.id == "free"
    assert "subscription" not in await billing_of(buyer)
    world.state.declined.clear()
    second = await world.buy(buyer)
    assert world.state.get("subscription", first)["status"] == "canceled"
    assert world.state.get("subscription", second)["status"] == "active"
    assert (await world.plan(buyer)).plan.id == "pro"


async def test_a_suspended_subscription_goes_on_when_its_invoice_is_paid(world: BillingWorld, buyer: ApiUser) -> None:
    world.state.suspends_unpaid = True
    await world.buy(buyer)
    await fail_renewal(world)
    world.state.advance(GRACE_PERIOD.days * DAY)
    await world.deliver()
    world.state.confirm_payment(world.state.all("invoice")[0]["id"])
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "pro"
    assert (await world.subjects(buyer))[-2:] == [
        "Trailmind Pro 요금제가 끝났습니다",
        "Trailmind 결제가 완료되었습니다",
    ]


# --- clicks, and states that Stripe knows before we do ----------------------------------------------------------------


async def test_parallel_clicks_on_the_portal_open_pages_of_one_customer(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    before = {kind: len(world.state.all(kind)) for kind in ("customer", "subscription", "checkout.session")}
    replies = await asyncio.gather(*(buyer.call("POST", "/v1/billing/portal") for _ in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    customer = world.state.all("customer")[0]["id"]
    assert {reply.json()["url"].rpartition("/")[2] for reply in replies} == {customer}
    assert {kind: len(world.state.all(kind)) for kind in before} == before


async def test_a_click_that_stripe_refuses_says_so_and_fetches_the_customer(
    world: BillingWorld, buyer: ApiUser
) -> None:
    """A subscription was cancelled in the portal, and its webhook has not arrived."""
    subscription = world.state.get("subscription", await world.buy(buyer))
    for path, body in (("cancel", {}), ("resume", {}), ("interval", {"interval": "yearly"})):
        world.state.cancel(subscription)
        assert await error_of(buyer, f"/v1/billing/{path}", **body) == (409, "BILLING_CHANGED")
        world.state.take_events()  # lost
        assert "subscription" in await billing_of(buyer)
        await world.run_jobs()
        assert "subscription" not in await billing_of(buyer)
        subscription = world.state.get("subscription", await world.buy(buyer))


async def test_a_customer_that_stripe_deleted_a_moment_ago_is_replaced_at_the_next_click(
    world: BillingWorld, buyer: ApiUser
) -> None:
    body = {"plan": "pro", "interval": "monthly"}
    # A purchase was opened for the customer: it cannot be paid any more.
    open_page = await buyer.ok("POST", "/v1/billing/checkout", json=body)
    customer = world.state.all("customer")[0]["id"]
    world.state.delete_customer(customer)
    world.state.take_events()  # lost
    assert await error_of(buyer, "/v1/billing/portal") == (409, "BILLING_CHANGED")
    await world.run_jobs()
    assert await error_of(buyer, "/v1/billing/portal") == (409, "NO_SUBSCRIPTION")
    page = await buyer.ok("POST", "/v1/billing/checkout", json=body)
    assert page["checkout_id"] != open_page["checkout_id"]
    world.state.complete_checkout(page["url"].rpartition("/")[2])
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "pro"


async def test_a_purchase_that_stripe_refuses_does_not_block_the_next_one(world: BillingWorld, buyer: ApiUser) -> None:
    """The customer exists here and not at Stripe: the first click says so, and the one after the fetch buys."""
    await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": "monthly"})
    world.state.advance(DAY)  # the page expires
    await world.deliver()
    world.state.delete_customer(world.state.all("customer")[0]["id"])
    world.state.take_events()  # lost
    assert await error_of(buyer, "/v1/billing/checkout", plan="pro") == (409, "BILLING_CHANGED")
    await world.run_jobs()
    await world.buy(buyer)
    assert (await world.plan(buyer)).plan.id == "pro"


# --- an operator beside Stripe ----------------------------------------------------------------------------------------


async def plan_of(db: Db, user: ApiUser) -> str:
    """What statements take for the user's plan; `BillingWorld.plan` is what Python code takes."""
    row = await (await db.execute("SELECT plan FROM plan_of_user(%s, 'free', now())", [user.id])).fetchone()
    assert row is not None
    return str(row[0])


async def test_an_operators_plan_wins_over_every_event_of_stripe_until_it_ends(
    world: BillingWorld, buyer: ApiUser, db: Db
) -> None:
    operator = await operator_of(world, db)
    path = f"/v1/admin/users/{buyer.id}/plan"

    async def plan() -> tuple[str, str]:
        return (await buyer.ok("GET", "/v1/subscription"))["subscription"]["plan"]["id"], await plan_of(db, buyer)

    until = datetime.now(UTC) + timedelta(days=90)
    await operator.ok("PUT", path, json={"plan": "enterprise", "reason": "Pilot", "until": until.isoformat()})
    subscription = await world.buy(buyer)
    assert await plan() == ("enterprise", "enterprise")
    # Stripe goes on: a renewal, a failure, the end. What the operator gave stays.
    world.state.advance(32 * DAY)
    await world.deliver()
    assert await plan() == ("enterprise", "enterprise")
    assert (await billing_of(buyer))["subscription"]["status"] == "active"
    # Given less than is paid for: that counts too, and the payments go on.
    await operator.ok("PUT", path, json={"plan": "free", "reason": "Abuse of the API"})
    world.state.update_subscription(subscription, cancel_at_period_end=False)
    await world.deliver()
    assert await plan() == ("free", "free")
    assert (await billing_of(buyer))["subscription"]["plan"] == "pro"
    # When it ends, what is paid for counts again, at once and without an event.
    await operator.ok("PUT", path, json={"reason": "Settled"})
    assert await plan() == ("pro", "pro")
    # One with a date ends by itself: what Stripe says then counts.
    await operator.ok("PUT", path, json={"plan": "enterprise", "reason": "Pilot", "until": until.isoformat()})
    world.state.cancel(world.state.get("subscription", subscription))
    await world.deliver()
    assert await plan() == ("enterprise", "enterprise")
    await db.execute("UPDATE plan_overrides SET until = now() - interval '1 second' WHERE user_id = %s", [buyer.id])
    assert await plan() == ("free", "free")


# --- currencies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("currency", "cents"), [("krw", 1200), ("usd", 1500)])
async def test_a_price_that_is_not_the_listed_one_is_not_sold(
    world: BillingWorld, buyer: ApiUser, currency: str, cents: int
) -> None:
    world.state.currency, world.state.amounts[PRO_MONTHLY] = currency, cents
    with capture_logs() as logs:
        for _ in range(2):
            assert await error_of(buyer, "/v1/billing/checkout", plan="pro") == (503, "PRICE_MISMATCH")
    facts = {"event": "price_mismatch", "amount_cents": cents, "currency": currency, "listed_cents": 1200}
    assert all(facts.items() <= entry.items() for entry in logs if entry["event"] == "price_mismatch")
    assert {session["status"] for session in world.state.all("checkout.session")} == {"expired"}
    # The operator has corrected it.
    world.state.currency, world.state.amounts[PRO_MONTHLY] = "usd", 1200
    await world.buy(buyer)
    assert (await world.plan(buyer)).plan.id == "pro"


async def test_an_invoice_keeps_the_currency_in_which_stripe_charged(
    world: BillingWorld, buyer: ApiUser, db: Db
) -> None:
    """Stripe may charge the listed price in the customer's currency; amounts of two currencies are never added."""
    operator = await operator_of(world, db)
    revenue = "trailmind_monthly_recurring_cents "

    async def monthly_cents() -> float:
        text = (await world.client.get("/metrics")).text
        return next(float(line.removeprefix(revenue)) for line in text.splitlines() if line.startswith(revenue))

    before = await monthly_cents()
    await world.buy(buyer)
    assert await monthly_cents() == before + 1200
    world.state.currency, world.state.amounts[PRO_MONTHLY] = "krw", 16_500
    world.state.advance(32 * DAY)
    await world.deliver()
    assert await monthly_cents() == before
    newest, oldest = (await buyer.ok("GET", "/v1/billing/invoices"))["invoices"]
    assert (newest["amount_cents"], newest["currency"]) == (16_500, "krw")
    assert (oldest["amount_cents"], oldest["currency"]) == (1200, PLAN_CURRENCY)
    preview = await buyer.ok("GET", "/v1/billing/preview", params={"interval": "monthly"})
    assert (preview["due_now_cents"], preview["currency"]) == (0, "krw")
    path = f"/v1/admin/invoices/{newest['id']}/refund"
    assert await error_of(operator, path, amount_cents=16_501, reason="too much") == (409, "NOTHING_TO_REFUND")
    await operator.ok("POST", path, json={"amount_cents": 500, "reason": "A day without service"})
    entry = (await operator.ok("GET", "/v1/admin/audit"))["entries"][0]
    assert (entry["facts"]["amount_cents"], entry["facts"]["currency"]) == (500, "krw")


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skew_s", "is_stored"), [(-TOLERANCE_S - 60, False), (-TOLERANCE_S + 60, True), (3600, True)])
async def test_a_signature_may_be_five_minutes_old_and_of_any_later_time(
    world: BillingWorld, buyer: ApiUser, skew_s: int, is_stored: bool
) -> None:
    """A time ahead of our clock is no replay: only Stripe can sign it. Our clock is behind, and the event counts."""
    await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro"})
    payload = snapshot_payload(world.state.events[0])
    reply = await world.post_webhook(payload, signed(payload, WEBHOOK_SECRET, at=time.time() + skew_s))
    assert reply.status_code == (200 if is_stored else 400), reply.text


@pytest.mark.parametrize("form", [snapshot_payload, thin_payload])
async def test_the_order_of_events_is_not_that_of_their_times(
    world: BillingWorld, buyer: ApiUser, form: Callable[[dict[str, Any]], bytes]
) -> None:
    """The times in events come from Stripe's clock: a day off in either direction, they change nothing."""
    await world.buy(buyer)
    subscription = world.state.all("subscription")[0]
    world.state.update_subscription(subscription["id"], cancel_at_period_end=True)
    world.state.cancel(subscription)
    events = world.state.take_events()
    for number, event in enumerate(reversed(events)):
        skewed = {**event, "created": event["created"] + (DAY if number % 2 else -DAY)}
        assert (await world.post_webhook(form(skewed))).status_code == 200
        await world.run_jobs()
    assert (await world.plan(buyer)).plan.id == "free"
    assert subscription["status"] == "canceled"


async def test_a_plan_that_begins_later_by_stripes_clock_than_by_ours_counts_anew_at_once(
    settings: Settings, stripe: StripeServer, db: Db
) -> None:
    stripe.state.now += TOLERANCE_S
    async with billing_world(settings, stripe) as world:
        buyer = await world.user()
        await db.execute("UPDATE users SET created_at = now() - interval '2 days' WHERE id = %s", [buyer.id])
        await db.execute(
            "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, counted_at)"
            " VALUES (gen_random_uuid(), %s, %s, 'settle', 'mindmap', 40000, now() - interval '1 hour')",
            [buyer.id, uuid.uuid4()],
        )
        await world.buy(buyer)
        usage = (await buyer.ok("GET", "/v1/usage"))["usage"]
        assert (usage["tokens_used"], usage["token_limit"]) == (0, 500_000)
        assert datetime.fromisoformat(usage["period_start"]).timestamp() == stripe.state.now
        history = (await buyer.ok("GET", "/v1/usage/history"))["history"]
        assert [entry["tokens_used"] for entry in history] == [0, 40_000]
        assert history[0]["period_start"] == history[1]["period_end"]
        assert (await billing_of(buyer))["subscription"]["can_be_refunded"] is True
