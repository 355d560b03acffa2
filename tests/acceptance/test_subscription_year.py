"""The ledger of one account over more than a year: after each step it says what an independent tally says."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from cluster.settings import Settings
from models.billing.ledger import Balance, TokenAllowance, load_balance
from tests.support.billing import BillingWorld, billing_world
from tests.support.client import ApiUser
from tests.support.stripe_fake import StripeServer
from tests.support.stripe_fake.state import DAY

FREE_TOKENS, PRO_TOKENS, PACK_TOKENS = 50_000, 500_000, 100_000


@dataclass
class Tally:
    """What the account must have, kept without the product's arithmetic: the plan, the charges, the packs."""

    limit: int = FREE_TOKENS
    #: Tokens of each charge and the part that the packs paid, with its time on Stripe's clock.
    charges: list[tuple[int, int, int]] = field(default_factory=list)
    packs_left: int = 0

    def charge(self, tokens: int, at: int, since: int) -> int:
        """Spend tokens: those of the plan first, then those of the packs; returns the part that the packs pay."""
        left = max(0, self.limit - self.of_plan(since))
        from_packs = max(0, tokens - left)
        self.packs_left -= from_packs
        self.charges.append((tokens, from_packs, at))
        return from_packs

    def used(self, since: int) -> int:
        return sum(tokens for tokens, _, at in self.charges if at >= since)

    def of_plan(self, since: int) -> int:
        return sum(tokens - from_packs for tokens, from_packs, at in self.charges if at >= since)


@dataclass
class Account:
    """A user on Stripe's clock, and the tally beside."""

    world: BillingWorld
    user: ApiUser
    db: psycopg.AsyncConnection[Any]
    rng: random.Random
    tally: Tally = field(default_factory=Tally)

    @property
    def now(self) -> int:
        return self.world.state.now

    async def balance(self) -> tuple[Balance, int]:
        """What the ledger says at Stripe's time, and when the tokens were last reset."""
        plan = await self.world.plan(self.user)
        allowance = TokenAllowance(plan.usage_start, plan.usage_end, plan.plan.token_limit)
        assert plan.usage_start.timestamp() <= self.now < plan.usage_end.timestamp()
        return await load_balance(self.db, uuid.UUID(self.user.id), allowance), int(plan.usage_start.timestamp())

    async def spend(self, tokens: int) -> None:
        """Charge tokens a moment after the last step."""
        self.world.state.advance(1)
        _, since = await self.balance()
        from_packs = self.tally.charge(tokens, self.now, since)
        await self.db.execute(
            "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, from_grants, counted_at)"
            " VALUES (gen_random_uuid(), %s, gen_random_uuid(), 'settle', 'mindmap', %s, %s, %s)",
            [self.user.id, tokens, from_packs, datetime.fromtimestamp(self.now, UTC)],
        )
        self.world.state.advance(1)

    async def check(self, step: str, plan: str, resets_at: int | None) -> None:
        """Compare ledger and tally; `resets_at` is when the tokens of this period must have begun, if it is known."""
        await self.world.deliver()
        current = await self.world.plan(self.user)
        self.tally.limit = PRO_TOKENS if plan == "pro" else FREE_TOKENS
        balance, since = await self.balance()
        assert current.plan.id == plan, step
        assert balance.token_limit == self.tally.limit, step
        if resets_at is not None:
            assert since == resets_at, step
        assert balance.used_tokens == self.tally.used(since), step
        assert balance.used_of_plan == self.tally.of_plan(since), step
        assert balance.granted_tokens_left == self.tally.packs_left, step
        left = max(0, self.tally.limit - self.tally.of_plan(since)) + self.tally.packs_left
        assert (balance.tokens_left, balance.reserved_tokens) == (left, 0), step
        # The periods of the history cover every charge once.
        periods = await self.world.periods(self.user)
        assert all(newer[0] == older[1] for newer, older in pairwise(periods)), step
        total = 0
        for begin, end in periods:
            allowance = TokenAllowance(begin, end, self.tally.limit)
            total += (await load_balance(self.db, uuid.UUID(self.user.id), allowance)).used_tokens
        assert total == sum(tokens for tokens, _, _ in self.tally.charges), step
        await self.spend(self.rng.randrange(1_000, 40_000))


@pytest.fixture
async def account(settings: Settings, stripe: StripeServer, db: psycopg.AsyncConnection[Any]) -> AsyncIterator[Account]:
    async with billing_world(settings, stripe) as world:
        user = await world.user()
        # The clock of Stripe began before the sign-up.
        world.state.advance(3600)
        yield Account(world, user, db, random.Random(2026))


async def test_the_ledger_is_right_at_every_step_of_a_year(account: Account) -> None:
    world, state, user = account.world, account.world.state, account.user
    await account.check("signed up", "free", None)

    subscription_id = await world.buy(user)
    began = state.now
    await account.check("bought", "pro", began)
    item = state.item_of(state.get("subscription", subscription_id))
    customer = state.get("subscription", subscription_id)["customer"]

    for number in (1, 2):
        state.advance(item["current_period_end"] - state.now)
        await account.check(f"renewal {number}", "pro", item["current_period_start"])

    # Beyond the plan: a pack pays the rest, and outlives the period.
    await account.spend(PRO_TOKENS - 60_000)
    pack = await world.buy_packs(user, 2)
    account.tally.packs_left += 2 * PACK_TOKENS
    await account.check("bought packs", "pro", item["current_period_start"])
    await account.spend(120_000)
    await account.check("spent of a pack", "pro", item["current_period_start"])
    assert 0 < account.tally.packs_left < 2 * PACK_TOKENS
    state.advance(item["current_period_end"] - state.now)
    await account.check("renewal with a pack", "pro", item["current_period_start"])

    # The unspent part of a returned pack is gone.
    state.create_refund(pack["payment_intent"])
    account.tally.packs_left = 0
    await account.check("refunded pack", "pro", item["current_period_start"])

    state.advance(5 * DAY)
    await user.ok("POST", "/v1/billing/interval", json={"interval": "yearly"})
    upgraded = state.now
    await account.check("yearly", "pro", upgraded)
    # The tokens of a yearly plan are those of each month.
    for months in range(1, 5):
        state.advance(31 * DAY)
        await account.check(f"month {months} of the year", "pro", None)
        _, since = await account.balance()
        assert state.now - since < 31 * DAY
        assert since > upgraded

    await user.ok("POST", "/v1/billing/interval", json={"interval": "monthly"})
    await account.check("monthly from the next year on", "pro", None)
    state.declined.add(customer)
    state.advance(item["current_period_end"] - state.now)
    await account.check("failed renewal", "pro", item["current_period_start"])
    assert (await world.plan(user)).status == "past_due"
    state.declined.clear()
    state.advance(3 * DAY)
    await account.check("recovered", "pro", item["current_period_start"])
    assert (await world.plan(user)).status == "active"

    for action in ("cancel", "resume", "cancel"):
        await user.ok("POST", f"/v1/billing/{action}")
        await account.check(action, "pro", item["current_period_start"])
    state.advance(item["current_period_end"] - state.now)
    ended = state.now
    await account.check("ended", "free", None)
    _, since = await account.balance()
    assert since >= ended

    # Again, and the payment goes on failing until the plan ends.
    again = await world.buy(user)
    await account.check("bought again", "pro", state.now)
    state.declined.add(customer)
    state.advance(state.item_of(state.get("subscription", again))["current_period_end"] - state.now)
    await account.check("failed again", "pro", None)
    state.advance(8 * DAY)
    await account.check("given up", "free", None)
    state.declined.clear()

    # And once more, with the money back within seven days.
    await world.buy(user)
    await account.check("bought a third time", "pro", state.now)
    await account.spend(70_000)
    intent = state.intent_of(state.all("invoice")[0])
    assert intent is not None
    state.create_refund(intent)
    await account.check("refunded", "free", None)
