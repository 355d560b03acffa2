"""Buying, changing and losing a plan, with a stateful fake of Stripe that keeps to Stripe's own document."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from cluster.billing.purchases import RefundPeriodOver
from cluster.billing.reconciliation import reconcile
from cluster.billing.webhooks import handle_due_events
from cluster.settings import Settings, with_changes
from models.billing.stripe_facts import GRACE_PERIOD
from models.billing.webhook_inbox import finish_events
from models.errors import ConfigurationError
from models.recording.retention import clear_deletion_notices, soft_delete_expired_sessions
from tests.support.billing import WEBHOOK_SECRET, BillingWorld, billing_of, billing_world, error_of, operator_of
from tests.support.client import ApiUser
from tests.support.sent_mails import mails_to
from tests.support.stripe_fake import PRO_MONTHLY, StripeServer
from tests.support.stripe_fake.server import signed, snapshot_payload, thin_payload
from tests.support.stripe_fake.state import DAY

Db = psycopg.AsyncConnection[Any]

SPEND = (
    "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, counted_at)"
    " VALUES (gen_random_uuid(), %s, %s, 'settle', 'mindmap', %s, now() - interval '1 hour')"
)


# --- checkout (check 19) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", ["monthly", "yearly"])
async def test_a_free_user_buys_pro_on_a_hosted_page(world: BillingWorld, buyer: ApiUser, interval: str) -> None:
    assert (await buyer.ok("GET", "/v1/subscription"))["subscription"]["plan"]["id"] == "free"
    reply = await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": interval})
    path = f"/v1/billing/checkouts/{reply['checkout_id']}"
    assert (await buyer.ok("GET", path))["status"] == "open"
    world.state.complete_checkout(reply["url"].rpartition("/")[2])
    # The return from the page proves nothing: the plan begins when Stripe says so.
    assert (await buyer.ok("GET", path))["status"] == "open"
    await world.deliver()
    assert (await buyer.ok("GET", path))["status"] == "complete"
    usage = (await buyer.ok("GET", "/v1/usage"))["usage"]
    assert (usage["token_limit"], usage["tokens_used"]) == (500_000, 0)
    paid = (await billing_of(buyer))["subscription"]
    assert (paid["plan"], paid["status"], paid["interval"]) == ("pro", "active", interval)
    assert await world.subjects(buyer) == ["Trailmind Pro 요금제가 시작되었습니다"]


async def test_the_operator_tells_whom_to_ask_for_a_plan_without_a_price(
    settings: Settings, stripe: StripeServer
) -> None:
    with_contact = with_changes(settings, sales_contact="sales@trailmind.example")
    for each, shown in ((with_contact, "sales@trailmind.example"), (settings, None)):
        async with billing_world(each, stripe) as world:
            assert (await billing_of(await world.user())).get("sales_contact") == shown
    with pytest.raises(ConfigurationError, match="not an e-mail address"):
        with_changes(settings, sales_contact="https://trailmind.example/?subject=x")


async def test_fifty_parallel_clicks_make_one_customer_and_one_subscription(
    world: BillingWorld, buyer: ApiUser
) -> None:
    body = {"plan": "pro", "interval": "monthly"}
    replies = await asyncio.gather(*(buyer.call("POST", "/v1/billing/checkout", json=body) for _ in range(50)))
    assert {reply.status_code for reply in replies} == {200}
    [url] = {reply.json()["url"] for reply in replies}
    assert len(world.state.all("customer")) == len(world.state.all("checkout.session")) == 1
    world.state.complete_checkout(url.rpartition("/")[2])
    # A click between the payment and its webhook.
    assert await error_of(buyer, "/v1/billing/checkout", plan="pro") == (409, "ALREADY_SUBSCRIBED")
    await world.deliver()
    assert await error_of(buyer, "/v1/billing/checkout", plan="pro", interval="yearly") == (409, "ALREADY_SUBSCRIBED")
    assert len(world.state.all("subscription")) == 1


async def test_another_interval_replaces_an_open_purchase(world: BillingWorld, buyer: ApiUser) -> None:
    first = await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": "monthly"})
    second = await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": "yearly"})
    assert second["url"] != first["url"]
    assert [s["status"] for s in world.state.all("checkout.session")] == ["open", "expired"]
    # An expired page is replaced too.
    world.state.advance(DAY)
    await world.deliver()
    third = await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": "yearly"})
    assert third["url"] != second["url"]


async def test_the_client_cannot_choose_the_price(world: BillingWorld, buyer: ApiUser) -> None:
    body = {"plan": "pro", "interval": "monthly", "price": "price_of_one_cent", "amount": 1, "customer": "cus_other"}
    await buyer.ok("POST", "/v1/billing/checkout", json=body)
    assert world.state.all("checkout.session")[0]["amount_total"] == 1200
    assert (await error_of(buyer, "/v1/billing/checkout", plan="enterprise"))[0] == 400
    assert (await error_of(buyer, "/v1/billing/checkout", plan="pro", interval="daily"))[0] == 400


async def test_stripe_out_of_reach_is_a_503_and_a_repeat_finds_the_same_purchase(
    world: BillingWorld, buyer: ApiUser
) -> None:
    world.stripe.failures["POST /v1/checkout/sessions"] = [500] * 3
    assert await error_of(buyer, "/v1/billing/checkout", plan="pro") == (503, "BILLING_UNAVAILABLE")
    assert (await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro"}))["url"]
    assert len(world.state.all("customer")) == 1


async def test_without_a_key_billing_answers_501(settings: Settings) -> None:
    from tests.support.client import sign_up
    from tests.support.server import running_api

    async with running_api(settings) as (_, client):
        user = await sign_up(client)
        assert (await billing_of(user))["enabled"] is False
        for path, body in (("checkout", {"plan": "pro"}), ("packs", {}), ("portal", {}), ("cancel", {})):
            assert await error_of(user, f"/v1/billing/{path}", **body) == (501, "BILLING_DISABLED")
        reply = await client.post("/v1/webhooks/stripe", json={})
        assert reply.status_code == 501


# --- webhooks (checks 20 and 21) --------------------------------------------------------------------------------------


async def stored_events(db: Db) -> int:
    row = await (await db.execute("SELECT count(*) FROM stripe_events")).fetchone()
    assert row is not None
    return int(row[0])


async def test_only_signed_webhooks_are_stored(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro"})
    payload = snapshot_payload(world.state.events[0])
    for bad in (
        "t=1,v1=00",
        "nonsense",
        signed(payload, "whsec_other"),
        signed(payload + b" ", WEBHOOK_SECRET),
        signed(payload, WEBHOOK_SECRET, at=time.time() - 301),
    ):
        reply = await world.post_webhook(payload, bad)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_SIGNATURE")
    missing = await world.client.post(
        "/v1/webhooks/stripe", content=payload, headers={"Content-Type": "application/json"}
    )
    assert missing.status_code == 400
    assert await stored_events(db) == 0
    # Both secrets count during a rotation.
    assert (await world.post_webhook(payload, signed(payload, "whsec_new"))).json()["message"] == "stored"
    assert (await world.post_webhook(payload)).json()["message"] == "stored before"
    assert await stored_events(db) == 1


@pytest.mark.parametrize("form", [snapshot_payload, thin_payload])
async def test_an_event_of_the_other_mode_is_refused(
    world: BillingWorld, buyer: ApiUser, db: Db, form: Callable[[dict[str, Any]], bytes]
) -> None:
    """The endpoints of Stripe's test and live modes are often set up with one address."""
    await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro"})
    payload = form(world.state.events[0])
    live = payload.replace(b'"livemode": false', b'"livemode": true')
    assert live != payload
    reply = await world.post_webhook(live)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "WRONG_STRIPE_MODE")
    assert await stored_events(db) == 0
    assert (await world.post_webhook(payload)).json()["message"] == "stored"


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"null", b"{", b"\xff", b'{"object":"event"}',
        b'{"object":"event","id":"evt_1","type":"x","livemode":false,"created":1}',
        b'{"object":"event","id":"e\\u0000","type":"x","livemode":false,"created":1,"data":{"object":{"object":"invoice","id":"in"}}}',
        b'{"object":"event","id":5,"type":"x","livemode":false,"created":1,"data":{"object":{"object":"invoice","id":"in"}}}',
        b'{"object":"event","id":"e","type":"x","livemode":false,"created":1e99,"data":{"object":{"object":"invoice","id":"in"}}}',
        b'{"object":"v2.core.event","id":"e","type":"x","livemode":false,"created":"never"}',
    ],
)  # fmt: skip
async def test_a_signed_body_that_is_no_event_is_refused(world: BillingWorld, db: Db, body: bytes) -> None:
    assert (await world.post_webhook(body)).status_code == 400
    assert await stored_events(db) == 0


async def test_too_large_a_webhook_is_refused(world: BillingWorld) -> None:
    assert (await world.post_webhook(b" " * (1024 * 1024 + 1))).status_code == 413


async def test_a_foreign_customer_and_another_api_version_change_nothing(world: BillingWorld, db: Db) -> None:
    world.state.create_customer(email="other@example.com")
    [event] = world.state.take_events()
    assert (await world.post_webhook(snapshot_payload({**event, "api_version": "2020-08-27"}))).status_code == 200
    await world.run_jobs()
    row = await (await db.execute("SELECT outcome, api_version FROM stripe_events")).fetchone()
    assert row == ("ignored", "2020-08-27")


MIRROR_TABLES = {
    "subscriptions": "stripe_subscription_id, plan, status, billing_interval, cancel_at_period_end, ended_at",
    "invoices": "id, status, paid_cents, refunded_cents",
    "token_packs": "tokens, revoked_tokens",
    "checkouts": "stripe_session_id, status",
    "ledger_entries": "kind, tokens",
}


async def mirror_of(db: Db, users: list[ApiUser]) -> dict[str, list[Any]]:
    """What the database says about the users' purchases, without times and ids of this server."""
    ids = [uuid.UUID(user.id) for user in users]
    rows = {}
    for table, columns in MIRROR_TABLES.items():
        cursor = await db.execute(f"SELECT {columns} FROM {table} WHERE user_id = ANY(%s) ORDER BY {columns}", [ids])
        rows[table] = await cursor.fetchall()
    return rows


async def busy_users(world: BillingWorld) -> list[ApiUser]:
    """Users whose customers cause more than a thousand events."""
    users = [await world.user() for _ in range(8)]
    for number, user in enumerate(users):
        interval = "yearly" if number % 2 else "monthly"
        reply = await user.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": interval})
        session = world.state.complete_checkout(reply["url"].rpartition("/")[2])
        await world.sync.sync(session["customer"])
        if number in (0, 3):
            reply = await user.ok("POST", "/v1/billing/packs", json={"quantity": 1 + number})
            world.state.complete_checkout(reply["url"].rpartition("/")[2])
        for _ in range(60):
            world.state.update_subscription(session["subscription"], cancel_at_period_end=True)
            world.state.update_subscription(session["subscription"], cancel_at_period_end=False)
        if number >= 6:
            world.state.cancel(world.state.get("subscription", session["subscription"]))
    return users


async def test_a_storm_of_shuffled_and_repeated_events_ends_in_stripes_state(
    world: BillingWorld, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand events, each three times, in any order; the server that handles them dies twice."""
    users = await busy_users(world)
    rng = random.Random(7)
    events = world.state.take_events()
    assert len(events) >= 1000
    payloads = [json.dumps(event).encode() for event in events]
    # Every tenth is sent in its thin form, without the object.
    payloads[::10] = [thin_payload(event) for event in events[::10]]
    deliveries = payloads * 3
    rng.shuffle(deliveries)
    answers: Counter[str] = Counter()
    for first in range(0, len(deliveries), 100):
        replies = await asyncio.gather(*(world.post_webhook(each) for each in deliveries[first : first + 100]))
        answers.update(reply.json()["message"] for reply in replies)
    assert answers == {"stored": len(events), "stored before": 2 * len(events)}
    assert await stored_events(db) == len(events)

    # The handler dies once before anything of a customer is stored, and once between that and the note about it.
    calls = {"fetch": 0, "finish": 0}

    def dying_at(call: int, kind: str, work: Any) -> Any:
        async def run(*arguments: Any, **more: Any) -> Any:
            calls[kind] += 1
            if calls[kind] == call:
                raise asyncio.CancelledError
            return await work(*arguments, **more)

        return run

    monkeypatch.setattr(world.sync.gateway, "fetch_customer", dying_at(2, "fetch", world.sync.gateway.fetch_customer))
    monkeypatch.setattr("cluster.billing.webhooks.finish_events", dying_at(3, "finish", finish_events))
    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            await handle_due_events(world.sync)
        # The claims of a dead process end after two minutes.
        await db.execute("UPDATE stripe_events SET next_attempt_at = now() WHERE handled_at IS NULL")
    # Two servers handle the rest.
    await asyncio.gather(handle_due_events(world.sync), handle_due_events(world.sync))
    waiting = await (await db.execute("SELECT count(*) FROM stripe_events WHERE handled_at IS NULL")).fetchone()
    assert waiting == (0,)

    after_storm = await mirror_of(db, users)
    for number, user in enumerate(users):
        assert (await world.plan(user)).plan.id == ("free" if number >= 6 else "pro")
        assert len((await user.ok("GET", "/v1/billing/invoices"))["invoices"]) == (2 if number in (0, 3) else 1)
        # One mail about each state that was found, not one per event.
        expected = ["Trailmind Pro 요금제가 시작되었습니다"]
        expected += ["구매한 Trailmind 토큰이 추가되었습니다"] if number in (0, 3) else []
        expected += ["Trailmind Pro 요금제가 끝났습니다"] if number >= 6 else []
        assert await world.subjects(user) == expected
    assert [row[0] for row in after_storm["ledger_entries"]] == ["grant", "grant"]

    # The same events, delivered once and in order to a server that has seen none of them, give the same rows.
    ids = [uuid.UUID(user.id) for user in users]
    for table in ("subscriptions", "invoices", "token_packs", "ledger_entries"):
        await db.execute(f"DELETE FROM {table} WHERE user_id = ANY(%s)", [ids])
    await db.execute("UPDATE checkouts SET status = 'open' WHERE user_id = ANY(%s) AND pack_tokens = 0", [ids])
    await db.execute("UPDATE billing_customers SET fetched_at = NULL WHERE user_id = ANY(%s)", [ids])
    await db.execute("DELETE FROM stripe_events")
    for event in events:
        assert (await world.post_webhook(json.dumps(event).encode())).status_code == 200
    await handle_due_events(world.sync)
    assert await mirror_of(db, users) == after_storm


async def test_subscriptions_are_counted_by_plan_and_status(world: BillingWorld, buyer: ApiUser) -> None:
    def number(text: str, plan: str, status: str) -> float:
        [line] = [
            t for t in text.splitlines() if t.startswith(f'trailmind_subscriptions{{plan="{plan}",status="{status}"}}')
        ]
        return float(line.rpartition(" ")[2])

    async def scrape() -> str:
        return (await world.client.get("/metrics")).text

    before = await scrape()
    await world.buy(buyer)
    bought = await scrape()
    assert number(bought, "pro", "active") == number(before, "pro", "active") + 1
    assert number(bought, "enterprise", "active") == number(before, "enterprise", "active")
    world.state.cancel(world.state.all("subscription")[0])
    await world.deliver()
    ended = await scrape()
    assert number(ended, "pro", "active") == number(before, "pro", "active")
    assert number(ended, "pro", "canceled") == number(before, "pro", "canceled") + 1


async def test_a_failing_sync_is_tried_again_and_other_customers_are_not_held_up(
    world: BillingWorld, buyer: ApiUser, db: Db
) -> None:
    bob = await world.user()
    urls = [
        (await user.ok("POST", "/v1/billing/checkout", json={"plan": "pro"}))["url"].rpartition("/")[2]
        for user in (buyer, bob)
    ]
    sessions = [world.state.complete_checkout(url) for url in urls]
    # A price that no setting names: the plan of the subscription is not known.
    item = world.state.item_of(world.state.get("subscription", sessions[0]["subscription"]))
    item["price"] = {**item["price"], "id": "price_unknown"}
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "free"
    assert (await world.plan(bob)).plan.id == "pro"
    errors = await (await db.execute("SELECT DISTINCT error FROM stripe_events WHERE handled_at IS NULL")).fetchall()
    assert errors == [("the price price_unknown is in no STRIPE_PRICE_ setting",)]
    item["price"] = world.state.price(PRO_MONTHLY)
    await db.execute("UPDATE stripe_events SET next_attempt_at = now() WHERE handled_at IS NULL")
    await world.run_jobs()
    assert (await world.plan(buyer)).plan.id == "pro"


# --- renewal, change, failure (checks 22 to 25) -----------------------------------------------------------------------


async def book(db: Db, user: ApiUser, tokens: int, at: datetime, from_grants: int = 0) -> None:
    await db.execute(
        "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, from_grants, counted_at)"
        " VALUES (gen_random_uuid(), %s, gen_random_uuid(), 'settle', 'mindmap', %s, %s, %s)",
        [user.id, tokens, from_grants, at],
    )


async def test_a_year_of_a_subscription(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    """Monthly, yearly, a failed payment, recovered, cancelled, expired; the periods never overlap nor leave a gap."""
    state = world.state
    subscription_id = await world.buy(buyer)
    started = state.now
    assert (await world.plan(buyer)).usage_start.timestamp() == started

    # Two renewals.
    for _ in range(2):
        state.advance(31 * DAY)
        await world.deliver()
    plan = await world.plan(buyer)
    assert (plan.plan.id, plan.status) == ("pro", "active")
    assert plan.period_start.timestamp() > started + 55 * DAY
    assert len((await buyer.ok("GET", "/v1/billing/invoices"))["invoices"]) == 3

    # Yearly, at once: the rest of the month is credited.
    await buyer.ok("POST", "/v1/billing/interval", json={"interval": "yearly"})
    await world.deliver()
    paid = (await billing_of(buyer))["subscription"]
    assert paid["interval"] == "yearly"
    invoice = (await buyer.ok("GET", "/v1/billing/invoices"))["invoices"][0]
    assert 10_300 < invoice["amount_cents"] < 11_500
    changed = state.now
    assert (await world.plan(buyer)).period_start.timestamp() == changed
    # Tokens are counted by the month.
    assert (await world.plan(buyer, changed + 40 * DAY)).usage_end.timestamp() < changed + 63 * DAY

    # The renewal after a year fails, and the plan stays for the grace period.
    customer = state.all("customer")[0]["id"]
    state.declined.add(customer)
    state.advance(366 * DAY)
    await world.deliver()
    failed = await world.plan(buyer)
    assert (failed.plan.id, failed.status) == ("pro", "past_due")
    billing = await billing_of(buyer)
    assert billing["subscription"]["status"] == "past_due"
    assert billing["unpaid_invoice_url"].startswith("https://invoice.stripe.test/")
    assert await error_of(buyer, "/v1/billing/packs") == (409, "PURCHASE_BLOCKED")

    # Recovered at the retry after three days.
    state.declined.clear()
    state.advance(4 * DAY)
    await world.deliver()
    assert (await world.plan(buyer)).status == "active"
    assert "unpaid_invoice_url" not in await billing_of(buyer)

    # Cancelled, resumed, cancelled: the plan stays to the end of the period.
    for action, cancels in (("cancel", True), ("resume", False), ("cancel", True)):
        await buyer.ok("POST", f"/v1/billing/{action}")
        await world.deliver()
        assert (await billing_of(buyer))["subscription"]["cancel_at_period_end"] is cancels
    state.advance(300 * DAY)
    assert (await world.plan(buyer)).plan.id == "pro"
    state.advance(70 * DAY)
    await world.deliver()
    ended = datetime.fromtimestamp(state.get("subscription", subscription_id)["ended_at"], UTC)

    # Free again, on the cycle of the sign-up, without the usage of the paid time.
    await book(db, buyer, 400_000, ended - timedelta(days=1))
    free = await world.plan(buyer)
    assert (free.plan.id, free.status) == ("free", "active")
    row = await (await db.execute("SELECT created_at FROM users WHERE id = %s", [buyer.id])).fetchone()
    assert row is not None
    assert (free.period_end - row[0]) % timedelta(days=30) == timedelta(0)
    assert free.period_start >= ended

    periods = await world.periods(buyer)
    assert all(newer[0] == older[1] for newer, older in pairwise(periods))
    assert [p for p in periods if p[0].timestamp() == changed]
    kinds = [subject for subject in await world.subjects(buyer) if "결제에 실패" in subject]
    assert len(kinds) == 1


async def test_a_payment_that_goes_on_failing_ends_the_plan(world: BillingWorld, buyer: ApiUser) -> None:
    state = world.state
    await world.buy(buyer)
    state.declined.add(state.all("customer")[0]["id"])
    state.advance(32 * DAY)
    await world.deliver()
    grace = datetime.fromisoformat((await billing_of(buyer))["subscription"]["grace_until"])
    failed_at = grace - GRACE_PERIOD
    assert (await world.plan(buyer, int(grace.timestamp()) - 60)).plan.id == "pro"
    # Even if Stripe said nothing more.
    assert (await world.plan(buyer, int(grace.timestamp()) + 60)).plan.id == "free"
    state.advance(10 * DAY)
    await world.deliver()
    assert state.all("subscription")[0]["status"] == "canceled"
    plan = await world.plan(buyer)
    assert plan.plan.id == "free"
    assert plan.period_start >= failed_at
    assert (await world.subjects(buyer))[-1] == "Trailmind Pro 요금제가 끝났습니다"


async def test_yearly_to_monthly_waits_for_the_end_of_the_period(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer, "yearly")
    end = (await billing_of(buyer))["subscription"]["current_period_end"]
    await buyer.ok("POST", "/v1/billing/interval", json={"interval": "monthly"})
    await world.deliver()
    paid = (await billing_of(buyer))["subscription"]
    assert (paid["interval"], paid["pending_interval"], paid["current_period_end"]) == ("yearly", "monthly", end)
    # Choosing the current interval takes the change back.
    await buyer.ok("POST", "/v1/billing/interval", json={"interval": "yearly"})
    await world.deliver()
    assert "pending_interval" not in (await billing_of(buyer))["subscription"]
    await buyer.ok("POST", "/v1/billing/interval", json={"interval": "monthly"})
    await world.deliver()
    world.state.advance(367 * DAY)
    await world.deliver()
    paid = (await billing_of(buyer))["subscription"]
    assert (paid["interval"], "pending_interval" in paid) == ("monthly", False)
    assert world.state.all("invoice")[0]["total"] == 1200


async def test_an_upgrade_counts_anew_lifts_limits_and_keeps_old_sessions(
    settings: Settings, stripe: StripeServer, db: Db
) -> None:
    async with billing_world(with_changes(settings, session_limits=True), stripe) as world:
        buyer = await world.user()
        await db.execute("UPDATE users SET created_at = now() - interval '2 days' WHERE id = %s", [buyer.id])
        await db.execute(SPEND, [buyer.id, uuid.uuid4(), 40_000])
        old = await buyer.start(client_session_id="old")
        await buyer.ok("POST", f"/v1/sessions/{old}/stop")
        await db.execute(
            "UPDATE browsing_sessions SET status = 'completed', created_at = now() - interval '40 days',"
            " deletes_at = now() + interval '1 day' WHERE id = %s",
            [old],
        )
        await buyer.start(client_session_id="first")
        second = {"client_session_id": "second"}
        refused = await buyer.call("POST", "/v1/sessions/start", json=second)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONCURRENT_SESSION_LIMIT")
        before = (await buyer.ok("GET", "/v1/usage"))["usage"]
        assert (before["tokens_used"], before["token_limit"]) == (40_000, 50_000)

        await world.buy(buyer)
        after = (await buyer.ok("GET", "/v1/usage"))["usage"]
        assert (after["tokens_used"], after["token_limit"]) == (0, 500_000)
        started = datetime.fromisoformat(after["period_start"])
        assert abs(started - datetime.now(UTC)) < timedelta(minutes=5)
        for name in ("second", "third", "fourth", "fifth"):
            await buyer.start(client_session_id=name)
        assert (await buyer.call("POST", "/v1/sessions/start", json={"client_session_id": "sixth"})).status_code == 409
        async with world.sync.pool.connection() as connection:
            await clear_deletion_notices(connection, "free")
            deleted = await soft_delete_expired_sessions(connection, "free", datetime.now(UTC) + timedelta(days=60))
        assert uuid.UUID(old) not in deleted
        kept = (await buyer.ok("GET", f"/v1/sessions/{old}"))["session"]
        assert "deletes_at" not in kept


async def test_a_change_of_the_interval_is_previewed_and_costs_what_was_said(
    world: BillingWorld, buyer: ApiUser
) -> None:
    async def preview(interval: str) -> dict[str, Any]:
        reply: dict[str, Any] = await buyer.ok("GET", "/v1/billing/preview", params={"interval": interval})
        return reply

    assert (await buyer.call("GET", "/v1/billing/preview", params={"interval": "yearly"})).status_code == 409
    await world.buy(buyer)
    world.state.advance(10 * DAY)
    await world.deliver()
    invoices, num_events = len(world.state.all("invoice")), len(world.state.events)
    yearly = await preview("yearly")
    # A month of 28 to 31 days, ten of them used: two thirds of 12 dollars are credited.
    assert 10_600 < yearly["due_now_cents"] < 10_800
    assert yearly["currency"] == "usd"
    assert "changes_at" not in yearly
    # A preview changes nothing.
    assert (len(world.state.all("invoice")), len(world.state.events)) == (invoices, num_events)
    assert (await preview("monthly"))["due_now_cents"] == 0
    await buyer.ok("POST", "/v1/billing/interval", json={"interval": "yearly"})
    await world.deliver()
    newest = (await buyer.ok("GET", "/v1/billing/invoices"))["invoices"][0]
    assert newest["amount_cents"] == yearly["due_now_cents"]
    monthly = await preview("monthly")
    assert monthly["due_now_cents"] == 0
    assert monthly["changes_at"] == (await billing_of(buyer))["subscription"]["current_period_end"]


# --- operators --------------------------------------------------------------------------------------------------------


async def audit_of(operator: ApiUser, subject: str) -> list[tuple[str, dict[str, Any]]]:
    entries = (await operator.ok("GET", "/v1/admin/audit", params={"limit": 100}))["entries"]
    return [(e["action"], e["facts"]) for e in entries if e["subject"] == subject and e["actor_id"] == operator.id]


async def test_operators_give_plans_with_a_reason(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    operator = await operator_of(world, db)
    path = f"/v1/admin/users/{buyer.id}/plan"

    async def plan() -> str:
        return str((await buyer.ok("GET", "/v1/subscription"))["subscription"]["plan"]["id"])

    for body in ({"plan": "enterprise"}, {"plan": "enterprise", "reason": " "}, {"plan": "gold", "reason": "a reason"}):
        assert (await operator.call("PUT", path, json=body)).status_code == 400, body
    past = {"plan": "pro", "reason": "a reason", "until": "2020-01-01T00:00:00Z"}
    assert (await operator.call("PUT", path, json=past)).status_code == 400
    assert (await operator.call("PUT", path, json={"reason": "nothing to end"})).status_code == 409
    assert await plan() == "free"
    given = await operator.ok("PUT", path, json={"plan": "enterprise", "reason": "Pilot of two weeks"})
    assert (given["billing"]["plan"], given["billing"]["override"]["reason"]) == ("enterprise", "Pilot of two weeks")
    assert await plan() == "enterprise"
    ended = await operator.ok("PUT", path, json={"reason": "The pilot has ended"})
    assert ended["billing"]["plan"] == "free"
    assert "override" not in ended["billing"]
    assert await plan() == "free"
    assert [facts["reason"] for _, facts in await audit_of(operator, buyer.id)] == [
        "The pilot has ended",
        "Pilot of two weeks",
    ]
    own = f"/v1/admin/users/{operator.id}/plan"
    assert (await operator.call("PUT", own, json={"plan": "pro", "reason": "for myself"})).status_code == 409
    assert (await buyer.call("PUT", path, json={"plan": "pro", "reason": "for myself"})).status_code == 403


async def test_operators_give_tokens_once(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    operator = await operator_of(world, db)
    path = f"/v1/admin/users/{buyer.id}/credits"
    body = {"credit_id": str(uuid.uuid4()), "tokens": 25_000, "reason": "Maps failed on Tuesday"}
    replies = await asyncio.gather(*(operator.ok("POST", path, json=body) for _ in range(5)))
    assert {reply["billing"]["granted_tokens_left"] for reply in replies} == {25_000}
    assert (await buyer.ok("GET", "/v1/usage"))["usage"]["granted_tokens_left"] == 25_000
    assert await audit_of(operator, buyer.id) == [("tokens.given", {"tokens": 25_000, "reason": body["reason"]})]
    for wrong in ({**body, "tokens": 0}, {**body, "credit_id": "x"}):
        assert (await operator.call("POST", path, json=wrong)).status_code == 400


async def test_operators_refund_a_part_or_all_of_a_payment(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    operator = await operator_of(world, db)
    await world.buy(buyer)
    # After the days in which users return a payment themselves.
    world.state.advance(9 * DAY)
    await world.deliver()

    async def billing() -> dict[str, Any]:
        reply: dict[str, Any] = (await operator.ok("GET", f"/v1/admin/users/{buyer.id}/billing"))["billing"]
        return reply

    before = await billing()
    assert (before["plan"], before["subscription"]["status"]) == ("pro", "active")
    [invoice] = before["invoices"]
    path = f"/v1/admin/invoices/{invoice['id']}/refund"
    part = {"amount_cents": 500, "reason": "Half of the week was unusable"}
    for _ in range(2):  # a second click, before Stripe's event has arrived
        await operator.ok("POST", path, json=part)
    await world.deliver()
    after = await billing()
    assert (after["plan"], after["invoices"][0]["refunded_cents"]) == ("pro", 500)
    assert await error_of(operator, path, amount_cents=701, reason="too much") == (409, "NOTHING_TO_REFUND")
    await operator.ok("POST", path, json={"reason": "They asked for it"})
    await world.deliver()
    gone = await billing()
    assert (gone["plan"], gone["invoices"][0]["status"]) == ("free", "refunded")
    assert "subscription" not in gone
    assert world.state.all("subscription")[0]["status"] == "canceled"
    assert await error_of(operator, path, reason="once more") == (409, "NOTHING_TO_REFUND")
    amounts = [facts["amount_cents"] for _, facts in await audit_of(operator, invoice["id"])]
    assert amounts == [700, 500, 500]
    assert await error_of(operator, "/v1/admin/invoices/in_unknown/refund", reason="which") == (404, "NOT_FOUND")
    assert (await buyer.call("POST", path, json={"reason": "for myself"})).status_code == 403


async def test_a_payment_that_the_bank_wants_confirmed_is_mailed_once_and_shown(
    world: BillingWorld, buyer: ApiUser
) -> None:
    await world.buy(buyer)
    customer = world.state.all("customer")[0]["id"]
    await world.subjects(buyer)
    world.state.needs_confirmation.add(customer)
    # The renewal, and a retry three days later which the bank wants confirmed again.
    for days in (32, 3):
        world.state.advance(days * DAY)
        await world.deliver()
        billing = await billing_of(buyer)
        assert (billing["subscription"]["status"], billing["payment_needs_action"]) == ("past_due", True)
    invoice = world.state.all("invoice")[0]
    assert billing["unpaid_invoice_url"] == invoice["hosted_invoice_url"]
    # The mail leads to the page of the invoice, and none says that the payment has failed.
    action = "Trailmind 결제를 은행에서 확인해 주세요"
    assert await world.subjects(buyer) == ["Trailmind Pro 요금제가 시작되었습니다", action]
    assert invoice["hosted_invoice_url"] in mails_to(world.settings.data_dir, buyer.email)[-1].as_string()
    # Confirmed: the plan goes on, and nothing is left to do.
    world.state.confirm_payment(invoice["id"])
    await world.deliver()
    billing = await billing_of(buyer)
    assert (billing["subscription"]["status"], billing["payment_needs_action"]) == ("active", False)
    assert "unpaid_invoice_url" not in billing


async def test_a_confirmation_that_turns_into_a_refusal_is_mailed_as_a_failure(
    world: BillingWorld, buyer: ApiUser
) -> None:
    await world.buy(buyer)
    customer = world.state.all("customer")[0]["id"]
    world.state.needs_confirmation.add(customer)
    world.state.advance(32 * DAY)
    await world.deliver()
    world.state.needs_confirmation.clear()
    world.state.declined.add(customer)
    world.state.advance(3 * DAY)
    world.state.get("payment_intent", next(iter(world.state.objects["payment_intent"])))["status"] = (
        "requires_payment_method"
    )
    await world.deliver()
    assert (await billing_of(buyer))["payment_needs_action"] is False
    assert (await world.subjects(buyer))[-2:] == [
        "Trailmind 결제를 은행에서 확인해 주세요",
        "Trailmind 결제에 실패했습니다",
    ]


async def test_reconciliation_repairs_what_lost_webhooks_left(world: BillingWorld, buyer: ApiUser) -> None:
    bob = await world.user()
    await world.buy(buyer)
    await world.buy(bob)
    assert await reconcile(world.sync) == 0
    world.state.cancel(world.state.all("subscription")[-1])
    world.state.take_events()  # lost
    assert (await world.plan(buyer)).plan.id == "pro"
    assert await reconcile(world.sync) == 1
    assert (await world.plan(buyer)).plan.id == "free"
    assert (await world.plan(bob)).plan.id == "pro"
    assert await reconcile(world.sync) == 0


async def test_a_customer_deleted_at_stripe_loses_the_plan_and_can_buy_again(
    world: BillingWorld, buyer: ApiUser
) -> None:
    await world.buy(buyer)
    world.state.delete_customer(world.state.all("customer")[0]["id"])
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "free"
    await world.buy(buyer)
    assert (await world.plan(buyer)).plan.id == "pro"


async def test_a_second_live_subscription_is_reported_and_takes_over_when_the_first_ends(
    world: BillingWorld, buyer: ApiUser
) -> None:
    first = await world.buy(buyer)
    second = world.state.subscribe(world.state.get("subscription", first)["customer"], PRO_MONTHLY, {})
    applied = await world.sync.sync(second["customer"])
    assert applied is not None
    assert applied.duplicates == (second["id"],)
    assert (await world.plan(buyer)).plan.id == "pro"
    world.state.cancel(world.state.get("subscription", first))
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "pro"
    assert (await world.sync.sync(second["customer"])).duplicates == ()  # type: ignore[union-attr]


# --- refunds, disputes, packs (checks 26 and 28) ----------------------------------------------------------------------


async def test_a_refund_within_seven_days_ends_the_plan(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    assert (await billing_of(buyer))["subscription"]["can_be_refunded"] is True
    await buyer.ok("POST", "/v1/billing/refund")
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "free"
    [invoice] = (await buyer.ok("GET", "/v1/billing/invoices"))["invoices"]
    assert (invoice["status"], invoice["refunded_cents"]) == ("refunded", 1200)
    assert world.state.all("subscription")[0]["status"] == "canceled"
    assert await error_of(buyer, "/v1/billing/refund") == (409, "NO_SUBSCRIPTION")
    # The user can buy again, and the new payment counts.
    await world.buy(buyer)
    assert (await world.plan(buyer)).plan.id == "pro"


async def test_the_eighth_day_is_too_late(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    later = datetime.now(UTC) + timedelta(days=7, minutes=1)
    with pytest.raises(RefundPeriodOver):
        await world.app.state.parts.purchases.refund(uuid.UUID(buyer.id), now=later)
    assert world.state.all("refund") == []


async def test_a_refund_by_hand_at_stripe_ends_the_plan_too(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    intent = world.state.intent_of(world.state.all("invoice")[0])
    assert intent is not None
    world.state.create_refund(intent)
    await world.deliver()
    assert (await world.plan(buyer)).plan.id == "free"
    assert world.state.all("subscription")[0]["status"] == "canceled"


async def test_a_dispute_stops_sales_and_a_lost_one_ends_the_plan(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    intent = world.state.intent_of(world.state.all("invoice")[0])
    assert intent is not None
    dispute = world.state.open_dispute(intent)
    await world.deliver()
    assert (await billing_of(buyer))["is_disputed"] is True
    assert (await world.plan(buyer)).plan.id == "pro"
    assert await error_of(buyer, "/v1/billing/packs") == (409, "PURCHASE_BLOCKED")
    world.state.close_dispute(dispute["id"], won=False)
    await world.deliver()
    assert (await billing_of(buyer))["is_disputed"] is False
    assert (await world.plan(buyer)).plan.id == "free"


async def granted(user: ApiUser) -> int:
    return int((await user.ok("GET", "/v1/usage"))["usage"]["granted_tokens_left"])


async def test_token_packs_are_granted_once_and_listed_in_the_invoices(world: BillingWorld, buyer: ApiUser) -> None:
    assert await error_of(buyer, "/v1/billing/packs") == (409, "NO_SUBSCRIPTION")
    await world.buy(buyer)
    await world.buy_packs(buyer, 2)
    assert await granted(buyer) == 200_000
    [newest, _] = (await buyer.ok("GET", "/v1/billing/invoices"))["invoices"]
    assert (newest["kind"], newest["amount_cents"], newest["status"]) == ("tokens", 1000, "paid")
    for _ in range(3):
        await world.sync.sync(world.state.all("customer")[0]["id"])
    assert await granted(buyer) == 200_000


async def test_a_pack_that_is_paid_later_is_granted_later(world: BillingWorld, buyer: ApiUser) -> None:
    await world.buy(buyer)
    reply = await buyer.ok("POST", "/v1/billing/packs", json={})
    session_id = reply["url"].rpartition("/")[2]
    world.state.complete_checkout(session_id, pays_later=True)
    await world.deliver()
    assert await granted(buyer) == 0
    world.state.confirm_late_payment(session_id)
    await world.deliver()
    assert await granted(buyer) == 100_000


async def test_a_refunded_pack_loses_what_is_not_spent(world: BillingWorld, buyer: ApiUser, db: Db) -> None:
    await world.buy(buyer)
    first = await world.buy_packs(buyer)
    world.state.advance(60)
    second = await world.buy_packs(buyer)
    # 130,000 tokens beyond the plan: the first pack, and 30,000 of the second.
    await book(db, buyer, 630_000, datetime.now(UTC), from_grants=130_000)
    assert await granted(buyer) == 70_000
    world.state.create_refund(second["payment_intent"])
    await world.deliver()
    assert await granted(buyer) == 0
    world.state.create_refund(first["payment_intent"])
    await world.deliver()
    assert await granted(buyer) == 0
    # The plan itself stays.
    assert (await world.plan(buyer)).plan.id == "pro"


# --- accounts ---------------------------------------------------------------------------------------------------------


async def test_closing_an_account_cancels_and_erasing_it_ends_the_subscription(
    world: BillingWorld, buyer: ApiUser, db: Db
) -> None:
    from tests.support.client import PASSWORD

    await world.buy(buyer)
    await buyer.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD})
    await world.run_jobs()
    [subscription] = world.state.all("subscription")
    assert (subscription["status"], subscription["cancel_at_period_end"]) == ("active", True)

    bob = await world.user()
    await world.buy(bob)
    await bob.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": True})
    await world.run_jobs()
    assert {s["status"] for s in world.state.all("subscription")} == {"active", "canceled"}
    for table in ("billing_customers", "checkouts", "invoices", "token_packs", "subscriptions"):
        row = await (await db.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", [bob.id])).fetchone()
        assert row == (0,), table


async def test_one_user_sees_nothing_of_another(world: BillingWorld, buyer: ApiUser) -> None:
    bob = await world.user()
    reply = await buyer.ok("POST", "/v1/billing/checkout", json={"plan": "pro"})
    assert (await bob.call("GET", f"/v1/billing/checkouts/{reply['checkout_id']}")).status_code == 404
    await world.buy(buyer)
    assert (await bob.ok("GET", "/v1/billing/invoices"))["invoices"] == []
    assert await error_of(bob, "/v1/billing/portal") == (409, "NO_SUBSCRIPTION")
    assert "cus_" in (await buyer.ok("POST", "/v1/billing/portal"))["url"]
    assert json.dumps(await billing_of(buyer)).count("cus_") == 0
