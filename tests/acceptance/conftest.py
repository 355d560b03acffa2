"""A server that sells plans, beside a fake of Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from cluster.settings import Settings
from tests.support.billing import BillingWorld, billing_world
from tests.support.client import ApiUser
from tests.support.stripe_fake import FakeStripe, StripeServer, running_stripe


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    with running_stripe(FakeStripe()) as server:
        yield server


@pytest.fixture
async def world(settings: Settings, stripe: StripeServer) -> AsyncIterator[BillingWorld]:
    async with billing_world(settings, stripe) as running:
        yield running


@pytest.fixture
async def buyer(world: BillingWorld) -> ApiUser:
    return await world.user()
