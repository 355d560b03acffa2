"""Response bodies of plans and usage, as the clients know them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.schemas.base import Reply, Time


class PlanReply(Reply):
    """A plan; an absent limit is no limit."""

    id: Literal["free", "pro", "enterprise"]
    name: str
    price_cents: int
    billing_period: str
    token_limit: int | None = None
    session_retention_days: int | None = None
    max_concurrent_sessions: int | None = None
    features: dict[str, bool]


class PlanList(Reply):
    """Every plan, the cheapest first."""

    plans: list[PlanReply]


class SubscriptionReply(Reply):
    """The plan the caller is on. `id` is all zeros for the plan everybody has."""

    id: str
    status: Literal["active", "canceled", "past_due", "trialing"]
    current_period_start: Time
    current_period_end: Time
    cancel_at_period_end: bool
    plan: PlanReply


class SubscriptionEnvelope(Reply):
    """`{"subscription": …}`"""

    subscription: SubscriptionReply


class UsageReply(Reply):
    """Tokens used in one period. `by_operation` adds up to `tokens_used`."""

    period_start: Time
    period_end: Time
    tokens_used: int
    token_limit: int = Field(description="What the plan allows; for an unlimited plan the free plan's number")
    percent_used: float
    is_unlimited: bool
    can_use_ai: bool
    by_operation: dict[str, int]
    granted_tokens_left: int | None = Field(default=None, description="Tokens beyond the plan, for the current period")
    reserved_tokens: int | None = Field(default=None, description="Set aside for maps being made right now")


class UsageEnvelope(Reply):
    """`{"usage": …}`"""

    usage: UsageReply


class UsageHistory(Reply):
    """Distinct periods, newest first."""

    history: list[UsageReply]
