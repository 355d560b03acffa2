"""From Free to Pro and back, and the operators' page, in Chromium, beside a stateful fake of Stripe."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Route, expect

from cluster.settings import Settings, with_changes
from launch.ray_environment import free_ports
from serve.app import with_middleware
from tests.dashboard.browser_user import BrowserUser
from tests.dashboard.conftest import PageErrors
from tests.dashboard.test_access import controls_out_of_reach, describe_violations
from tests.support.billing import BillingWorld, billing_world
from tests.support.client import ApiUser, sign_in
from tests.support.completed_session import completed_session
from tests.support.conditions import PATIENCE_S
from tests.support.stripe_fake import FakeStripe, running_stripe
from tests.support.stripe_fake.state import DAY

pytestmark = pytest.mark.browser

Db = psycopg.AsyncConnection[Any]

SPEND = """
    INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens)
    VALUES (gen_random_uuid(), %s, %s, 'settle', 'mindmap', %s)
"""


@dataclass
class Shop:
    """A server that sells plans, and the delivery of Stripe's events to it. Clear `is_delivering` to hold them back."""

    world: BillingWorld
    origin: str
    is_delivering: asyncio.Event

    async def deliver_forever(self) -> None:
        """Deliver events and run the jobs about them, as Stripe and a worker do."""
        while True:
            await self.is_delivering.wait()
            await self.world.deliver()
            await asyncio.sleep(0.1)

    async def stripe_page(self, route: Route) -> None:
        """A page of Stripe: Checkout pays and returns, the portal returns."""
        session_id = route.request.url.rpartition("/")[2]
        if "/c/" in route.request.url:
            back = self.world.state.get("checkout.session", session_id)["success_url"]
        else:
            back = f"{self.origin}/account"
        page = f'<!doctype html><title>Stripe</title><h1>Stripe</h1><a href="{back}">Pay and return</a>'
        await route.fulfill(content_type="text/html", body=page)


@pytest.fixture
def stripe_account() -> Iterator[Any]:
    with running_stripe(FakeStripe()) as server:
        yield server


@pytest.fixture
async def shop(settings: Settings, stripe_account: Any) -> AsyncIterator[Shop]:
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    changed = with_changes(settings, public_url=origin, port=port, session_retention=True)
    async with billing_world(changed, stripe_account) as world:
        config = uvicorn.Config(
            with_middleware(world.app, world.settings), port=port, log_level="error", lifespan="off"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        shop = Shop(world, origin, asyncio.Event())
        shop.is_delivering.set()
        delivering = asyncio.create_task(shop.deliver_forever())
        yield shop
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivering
        server.should_exit = True
        await serving


async def billing_is(person: ApiUser, is_expected: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the server has learnt from Stripe what the account pays for."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_expected((await person.ok("GET", "/v1/billing"))["billing"]):
            await asyncio.sleep(0.2)


async def test_from_free_to_pro_and_back(shop: Shop, browser: Browser, db: Db, page_errors: PageErrors) -> None:
    world, stripe = shop.world, shop.world.state
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=shop.origin
    )
    await context.route("https://*.stripe.test/**", shop.stripe_page)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    page_errors.watch(page)
    user = BrowserUser(page, shop.origin)
    await user.sign_up()
    person = await sign_in(world.client, user.email)
    # A session that Free would not keep.
    session_id = await completed_session(person, db, title="An old trail")
    await db.execute(
        "UPDATE browsing_sessions SET created_at = now() - interval '40 days', started_at = now() - interval '40 days'"
        " WHERE id = %s",
        [session_id],
    )

    async def assert_accessible(where: str) -> None:
        assert describe_violations((await Axe().run(page)).response["violations"]) == [], where
        for width in (1440, 820, 390):
            await page.set_viewport_size({"width": width, "height": 900})
            overflow_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow_px <= 0, f"{where}: {overflow_px} px too wide at {width} px"
        await page.set_viewport_size({"width": 1440, "height": 900})

    async def pay() -> str:
        """Pay on Stripe's page and return; the id of the Checkout session."""
        await page.wait_for_url("https://checkout.stripe.test/**")
        checkout = page.url.rpartition("/")[2]
        stripe.complete_checkout(checkout)
        await page.get_by_role("link", name="Pay and return").click()
        return checkout

    # Compare, and buy.
    plan = page.get_by_role("region", name="Plan", exact=True)
    await page.goto("/account")
    cards = plan.locator(".plan")
    await expect(cards).to_have_count(3)
    await expect(cards.nth(0)).to_contain_text("current plan")
    await expect(cards.nth(1)).to_contain_text("$12 a month")
    await plan.get_by_role("button", name="Yearly (20% less)").click()
    await expect(cards.nth(1)).to_contain_text("$115 a year")
    await expect(cards.nth(1)).to_contain_text("$9.58 a month")
    await plan.get_by_role("button", name="Monthly").click()
    await assert_accessible("free")
    await expect(page.get_by_role("region", name="API keys")).to_contain_text("does not include API keys")

    # The address of the return says nothing: until Stripe's event has arrived, nothing is bought.
    shop.is_delivering.clear()
    await plan.get_by_role("button", name="Buy Pro").click()
    await pay()
    await page.wait_for_url("**/account?checkout=*")
    await expect(page.get_by_text("Waiting for the payment to be confirmed")).to_be_visible()
    assert (await person.ok("GET", "/v1/subscription"))["subscription"]["plan"]["id"] == "free"
    shop.is_delivering.set()
    await expect(plan).to_contain_text(re.compile(r"Pro, paid monthly\. Renews on "))
    await expect(page).to_have_url(f"{shop.origin}/account")
    await expect(page.get_by_role("region", name="Invoices", exact=True).get_by_role("row").nth(1)).to_contain_text(
        "$12"
    )
    # An address with an unknown purchase is forgotten.
    await page.goto(f"/account?checkout={uuid.uuid4()}")
    await expect(page).to_have_url(f"{shop.origin}/account")
    # The browser itself reports the 404 of that question.
    assert len(page_errors.messages) == 1
    page_errors.messages.clear()

    # Most of the tokens are used: every page says so, until it is hidden; then packs are bought.
    await db.execute(SPEND, [person.id, uuid.uuid4(), 410_000])
    near = page.get_by_text("82% of this period's tokens are used")
    for path in ("/sessions", f"/sessions/{session_id}", "/search"):
        await page.goto(path)
        await expect(near).to_be_visible()
    await assert_accessible("tokens run out")
    await page.get_by_role("button", name="Hide until next time").click()
    await expect(near).to_have_count(0)
    await page.goto("/account")
    packs = page.get_by_role("region", name="More tokens")
    await packs.get_by_label("Number of packs").select_option("2")
    await packs.get_by_role("button", name="Buy 200K tokens").click()
    await pay()
    await expect(packs).to_contain_text("200K tokens left")
    await assert_accessible("paid")
    assert await controls_out_of_reach(page) == []

    # A payment fails: said on every page, with the way to pay; it ends when it is paid.
    customer = stripe.all("customer")[0]["id"]
    stripe.declined.add(customer)
    stripe.advance(32 * DAY)
    await billing_is(person, lambda billing: billing["subscription"]["status"] == "past_due")
    await page.goto("/sessions")
    failed = page.get_by_text(re.compile(r"The last payment failed\. Your plan ends on "))
    await expect(failed).to_be_visible()
    await expect(page.get_by_role("link", name="Pay now")).to_have_attribute("href", re.compile("invoice.stripe.test"))
    await page.goto("/account")
    await expect(plan).to_contain_text("Pro, paid monthly. This period is not paid.")
    await page.goto("/sessions")
    stripe.declined.discard(customer)
    stripe.advance(4 * DAY)
    # A disputed payment stops sales.
    [intent, *_] = [c["payment_intent"] for c in stripe.all("charge") if c["paid"]]
    dispute = stripe.open_dispute(intent)
    await billing_is(person, lambda billing: billing["is_disputed"] and billing["subscription"]["status"] == "active")
    await page.reload()
    await expect(page.get_by_text("Your bank disputes a payment")).to_be_visible()
    await expect(failed).to_have_count(0)
    stripe.close_dispute(dispute["id"], won=True)
    await billing_is(person, lambda billing: not billing["is_disputed"])

    # The price of a change is said before it is made.
    await page.goto("/account")
    await expect(page.get_by_text("Your bank disputes a payment")).to_have_count(0)
    await plan.get_by_role("button", name="Pay yearly").click()
    dialog = page.locator(".dialog")
    await expect(dialog).to_contain_text(re.compile(r"You pay \$1\d\d\.\d\d now"))
    await assert_accessible("change of the interval")
    await dialog.get_by_role("button", name=re.compile(r"^Pay \$1")).click()
    await expect(plan).to_contain_text("Pro, paid yearly", timeout=40_000)

    # Cancel: what happens to old sessions is said before; it can be undone.
    await plan.get_by_role("button", name="Cancel Pro").click()
    await expect(dialog).to_contain_text("Sessions older than 30 days stay for another 30 days")
    await expect(dialog).to_contain_text("Today that concerns 1 session.")
    await dialog.get_by_role("button", name="Cancel the plan").click()
    await expect(plan).to_contain_text("Cancelled. Ends on", timeout=40_000)
    await plan.get_by_role("button", name="Keep Pro").click()
    await expect(plan).to_contain_text("Renews on", timeout=40_000)
    await plan.get_by_role("button", name="Cancel Pro").click()
    await dialog.get_by_role("button", name="Cancel the plan").click()
    await expect(plan).to_contain_text("Cancelled. Ends on", timeout=40_000)
    await plan.get_by_role("button", name="Payment method and receipts").click()
    await page.get_by_role("link", name="Pay and return").click()

    # The year has ended: Free again, and the old session is still there.
    stripe.advance(370 * DAY)
    await billing_is(person, lambda billing: "subscription" not in billing)
    await page.goto("/account")
    await expect(plan.locator(".plan.current")).to_contain_text("Free")
    await page.goto("/sessions")
    await expect(page.get_by_text("An old trail")).to_be_visible()
    assert page_errors.messages == []
    await context.close()


ADD_DEAD_JOB = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, attempts)
    VALUES ('maintenance', 'a.test', 10, '{}', 'failed', 5) RETURNING id
"""


async def test_the_operators_page(shop: Shop, browser: Browser, db: Db, page_errors: PageErrors) -> None:
    world = shop.world
    person, operator = await world.user(), await world.user()
    await db.execute("UPDATE users SET role = 'admin', email_verified_at = now() WHERE id = %s", [operator.id])
    job = await (await db.execute(ADD_DEAD_JOB)).fetchone()
    assert job is not None
    await world.buy(person)
    await completed_session(person, db)
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=shop.origin
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    page_errors.watch(page)

    async def sign_in_as(who: ApiUser) -> None:
        user = BrowserUser(page, shop.origin)
        user.email = who.email
        await page.goto("/login?next=/admin")
        await user.sign_in()
        await page.wait_for_url("**/admin")

    # For other users the page is a sentence, and the way to it is not shown.
    await sign_in_as(person)
    await expect(page.get_by_role("heading", name="This page is for operators")).to_be_visible()
    await expect(page.get_by_role("link", name="Operation")).to_have_count(0)
    await context.clear_cookies()
    await page.evaluate("localStorage.clear()")
    await sign_in_as(operator)

    async def assert_accessible(where: str) -> None:
        assert describe_violations((await Axe().run(page)).response["violations"]) == [], where
        for width in (390, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            overflow_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow_px <= 0, f"{where}: {overflow_px} px too wide at {width} px"
        assert await controls_out_of_reach(page) == [], where

    # Accounts: find one, and see what it is and pays for.
    await page.get_by_label("Part of an e-mail address").fill(person.email[:10])
    rows = page.get_by_role("region", name="Accounts").locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Pro")
    await page.get_by_role("link", name=person.email).click()
    plan = page.get_by_role("region", name="Plan", exact=True)
    await expect(plan).to_contain_text(re.compile(r"Now on Pro\. Paid, active, until "))
    # No mail server sends the link that confirms the address: an operator passes it on.
    await page.get_by_role("button", name="Make a link that confirms the address").click()
    await expect(page.locator("code", has_text=f"{shop.origin}/verify-email#token=")).to_be_visible()
    # Give a plan, then tokens: neither without a reason.
    await expect(plan.get_by_role("button", name="Give a plan")).to_be_disabled()
    await plan.get_by_label("Reason").first.fill("Pilot of two weeks")
    await plan.get_by_role("button", name="Give a plan").click()
    await expect(plan).to_contain_text("Now on Enterprise. Given by an operator: Pilot of two weeks")
    await plan.get_by_label("Tokens").fill("25000")
    await plan.get_by_label("Reason").nth(1).fill("Maps failed on Tuesday")
    await plan.get_by_role("button", name="Give tokens").click()
    await expect(plan).to_contain_text("25K tokens left")
    # Return a part of a payment.
    invoices = page.get_by_role("region", name="Invoices", exact=True)
    await invoices.get_by_role("button", name="Refund").click()
    dialog = page.locator(".dialog")
    await dialog.get_by_label("Amount in USD").fill("5")
    await dialog.get_by_label("Reason").fill("Half of the week was unusable")
    await dialog.get_by_role("button", name="Refund").click()
    await expect(dialog).to_have_count(0)
    hold = page.get_by_role("region", name="Legal hold")
    await hold.get_by_label("Reason").fill("Court order 12")
    await hold.get_by_role("button", name="Place a hold").click()
    await expect(hold).to_contain_text("The data of this account is kept: Court order 12")
    await assert_accessible("account")

    # Sessions by state, jobs with retry, mails, models, and the log of all that was done.
    tabs = page.get_by_role("navigation", name="Operation")
    await tabs.get_by_role("link", name="Sessions").click()
    await page.get_by_label("Status").select_option("completed")
    await expect(page.get_by_role("region", name="Sessions").locator("tbody tr").first).to_contain_text("drawn")
    await assert_accessible("sessions")
    await tabs.get_by_role("link", name="Jobs").click()
    await page.get_by_label("State").select_option("dead")
    dead = page.get_by_role("region", name="Jobs").locator("tbody tr").filter(has_text=f"{job[0]}a.test")
    await dead.get_by_role("button", name="Retry").click()
    await expect(dead).to_have_count(0)
    await assert_accessible("jobs")
    await tabs.get_by_role("link", name="Mail").click()
    await expect(page.get_by_role("region", name="Mail").locator("tbody tr").first).to_contain_text("mails.send")
    await assert_accessible("mail")
    await tabs.get_by_role("link", name="AI models").click()
    outline = page.get_by_role("region", name="Outline sessions")
    await outline.get_by_label("Models, in the order").fill("openai/gpt-4o-mini\nlocal/outline")
    await outline.get_by_role("button", name="Save").click()
    await outline.get_by_role("button", name="Remove").click()
    await expect(outline).to_contain_text("Nothing is configured")
    await assert_accessible("models")
    await tabs.get_by_role("link", name="Audit log").click()
    log = page.get_by_role("region", name="Audit log").locator("tbody tr")
    for act in ("ai_config.deleted", "job.retried", "hold.placed", "invoice.refunded", "tokens.given", "plan.given"):
        await expect(log.filter(has_text=act).first).to_be_visible()
    await expect(log.filter(has_text="Half of the week was unusable").first).to_be_visible()
    await assert_accessible("audit log")
    await tabs.get_by_role("link", name="Runs").click()
    await expect(page.get_by_text("Runs remake many maps")).to_be_visible()
    await assert_accessible("runs")
    assert page_errors.messages == []
    # This server has no shards and so is not ready: the browser itself reports the 503 with which it says so.
    async with page.expect_response("**/ready") as checks:
        await tabs.get_by_role("link", name="Status").click()
    answer = await (await checks.value).json()
    assert {name for name, result in answer["checks"].items() if result != "ok"} == {"shards"}
    await expect(page.get_by_role("region", name="Status").locator("tbody tr").first).to_be_visible()
    await assert_accessible("status")
    assert [
        each for each in page_errors.messages if not each.endswith(f" 503 (Service Unavailable) ({shop.origin}/ready)")
    ] == []
    await db.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job[0]])
    await context.close()
