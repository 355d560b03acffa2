"""A stateful fake of Stripe on a loopback port; `FakeStripe` is its state, `running_stripe` serves it."""

from tests.support.stripe_fake.server import StripeServer, running_stripe
from tests.support.stripe_fake.state import PACK_PRICE, PRO_MONTHLY, PRO_YEARLY, FakeStripe

__all__ = ["PACK_PRICE", "PRO_MONTHLY", "PRO_YEARLY", "FakeStripe", "StripeServer", "running_stripe"]
