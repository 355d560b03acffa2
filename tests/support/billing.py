"""The product with billing on, beside a fake Stripe: what the user does, what Stripe sends, what the jobs do."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from cluster.billing.stripe_gateway import StripeGateway
from cluster.billing.sync import CustomerSync
from cluster.billing.webhooks import handle_due_events
from cluster.mail.queue import MailQueue
from cluster.settings import Settings, with_changes
from models.accounts.users import User
from models.billing.plans import CurrentPlan, current_plan, usage_periods
from tests.support.client import ApiUser, sign_in, sign_up
from tests.support.sent_mails import mails_to, send_queued_mails
from tests.support.server import running_api
from tests.support.stripe_fake import PACK_PRICE, PRO_MONTHLY, PRO_YEARLY, FakeStripe, StripeServer
from tests.support.stripe_fake.server import API_KEY, signed, snapshot_payload, thin_payload

WEBHOOK_SECRET = "whsec_of_the_tests"


def billing_settings(settings: Settings, stripe_url: str, **changes: Any) -> Settings:
    """`settings` with billing on."""
    return with_changes(
        settings,
        stripe_secret_key=SecretStr(API_KEY),
        stripe_webhook_secrets=SecretStr(f"whsec_new, {WEBHOOK_SECRET}"),
        stripe_price_pro_monthly=(PRO_MONTHLY,),
        stripe_price_pro_yearly=(PRO_YEARLY,),
        stripe_price_token_pack=PACK_PRICE,
        stripe_api_url=stripe_url,
        **changes,
    )


@dataclass
class BillingWorld:
    """One server and its Stripe account."""

    app: FastAPI
    client: httpx2.AsyncClient
    stripe: StripeServer
    sync: CustomerSync
    settings: Settings

    @property
    def state(self) -> FakeStripe:
        """What Stripe knows."""
        return self.stripe.state

    async def post_webhook(self, payload: bytes, signature: str | None = None) -> httpx2.Response:
        """Deliver one webhook."""
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature or signed(payload, WEBHOOK_SECRET)}
        return await self.client.post("/v1/webhooks/stripe", content=payload, headers=headers)

    async def deliver(self, *, repeat: int = 1, rng: random.Random | None = None, thin: bool = False) -> None:
        """Deliver the events since the last call, and run the job that handles them."""
        for event in self.state.take_events(repeat=repeat, rng=rng):
            reply = await self.post_webhook(thin_payload(event) if thin else snapshot_payload(event))
            assert reply.status_code == 200, reply.text
        await self.run_jobs()

    async def run_jobs(self) -> None:
        """Handle the stored webhooks, and the syncs that requests have enqueued, as a worker does."""
        await handle_due_events(self.sync)
        async with self.sync.pool.connection() as connection:
            cursor = await connection.execute(
                "WITH taken AS (DELETE FROM procrastinate_jobs WHERE queue_name = 'billing' AND status = 'todo'"
                " AND task_name IN ('billing.sync_customer', 'billing.close_account') RETURNING id, task_name, args)"
                " SELECT task_name, args FROM taken ORDER BY id"
            )
            jobs = await cursor.fetchall()
        for task, arguments in jobs:
            if task == "billing.sync_customer":
                await self.sync.sync(arguments["customer_id"])
            else:
                await self.sync.close_customer(arguments["customer_id"], is_erased=arguments["is_erased"])

    async def user(self) -> ApiUser:
        """A new user on the free plan."""
        return await sign_up(self.client)

    async def buy(self, user: ApiUser, interval: str = "monthly") -> str:
        """Buy Pro and pay; returns the id of the subscription."""
        reply = await user.ok("POST", "/v1/billing/checkout", json={"plan": "pro", "interval": interval})
        session = self.state.complete_checkout(reply["url"].rpartition("/")[2])
        await self.deliver()
        return str(session["subscription"])

    async def buy_packs(self, user: ApiUser, quantity: int = 1) -> dict[str, Any]:
        """Buy token packs and pay; returns the Checkout session."""
        reply = await user.ok("POST", "/v1/billing/packs", json={"quantity": quantity})
        session = self.state.complete_checkout(reply["url"].rpartition("/")[2])
        await self.deliver()
        return session

    async def plan(self, user: ApiUser, at: int | None = None) -> CurrentPlan:
        """The user's plan at a time of Stripe's clock, by default now."""
        now = datetime.fromtimestamp(self.state.now if at is None else at, UTC)
        async with self.app.state.parts.session_factory() as db:
            account = await db.get(User, uuid.UUID(user.id))
            assert account is not None
            return await current_plan(db, account, now=now)

    async def periods(self, user: ApiUser) -> list[tuple[datetime, datetime]]:
        """The periods of the user's usage, newest first."""
        async with self.app.state.parts.session_factory() as db:
            account = await db.get(User, uuid.UUID(user.id))
            assert account is not None
            return await usage_periods(db, account, 60, now=datetime.fromtimestamp(self.state.now, UTC))

    async def subjects(self, user: ApiUser) -> list[str]:
        """The subjects of the mails to the user after the one that confirms the address, oldest first."""
        await send_queued_mails(self.app, user.id)
        return [str(mail["Subject"]) for mail in mails_to(self.settings.data_dir, user.email)][1:]


async def billing_of(user: ApiUser) -> dict[str, Any]:
    """What `GET /v1/billing` says to the user."""
    reply: dict[str, Any] = (await user.ok("GET", "/v1/billing"))["billing"]
    return reply


async def error_of(user: ApiUser, path: str, **body: Any) -> tuple[int, str]:
    """The status and code with which a POST is refused."""
    reply = await user.call("POST", path, json=body)
    return reply.status_code, reply.json()["error"]["code"]


async def operator_of(world: BillingWorld, db: psycopg.AsyncConnection[Any]) -> ApiUser:
    """A new user with the role of an operator."""
    person = await world.user()
    await db.execute("UPDATE users SET role = 'admin', email_verified_at = now() WHERE id = %s", [person.id])
    # The role is part of the login's cached status.
    return await sign_in(world.client, person.email)


@asynccontextmanager
async def billing_world(settings: Settings, stripe: StripeServer) -> AsyncIterator[BillingWorld]:
    """Run the application with billing on."""
    settings = billing_settings(settings, stripe.url)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        settings.database.postgres_dsn, min_size=1, max_size=4, open=False
    )
    async with running_api(settings) as (app, client), pool:
        async with pool.connection() as connection:
            # Tests share the database: what an earlier one left belongs to another fake.
            await connection.execute("DELETE FROM stripe_events")
            await connection.execute("DELETE FROM billing_customers")
            await connection.execute("DELETE FROM procrastinate_jobs WHERE queue_name = 'billing'")
        gateway = StripeGateway(settings.billing, settings.server.origin)
        sync = CustomerSync(pool, gateway, MailQueue(settings), settings.server.origin)
        try:
            yield BillingWorld(app, client, stripe, sync, settings)
        finally:
            await gateway.close()
