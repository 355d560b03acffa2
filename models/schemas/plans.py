"""Response bodies of plans, subscriptions and token usage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.schemas.base import Reply, Time


class PlanReply(Reply):
    """A plan; a limit is absent where there is none, or where this server does not enforce it."""

    id: Literal["free", "pro", "enterprise"]
    name: str
    price_cents: int
    billing_period: str
    yearly_price_cents: int | None = Field(default=None, description="For a year; absent when it is sold by the month")
    token_limit: int | None = None
    session_retention_days: int | None = None
    max_concurrent_sessions: int | None = None
    storage_limit_bytes: int | None = None
    features: dict[str, bool] = Field(description="What the plan includes; only what the server enforces is listed")


class PlanList(Reply):
    """All plans, the cheapest first."""

    plans: list[PlanReply]


class SubscriptionReply(Reply):
    """The caller's plan. `id` is all zeros for the default plan."""

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
    token_limit: int = Field(description="The plan's limit; for an unlimited plan the limit of the free plan")
    percent_used: float
    is_unlimited: bool
    can_use_ai: bool
    by_operation: dict[str, int]
    granted_tokens_left: int | None = Field(default=None, description="Tokens beyond the plan, for the current period")
    reserved_tokens: int | None = Field(default=None, description="Reserved for maps that are being generated")
    storage_bytes: int | None = Field(
        default=None,
        description="Bytes of events and page texts, for the current period; those of the last minute may lack",
    )
    storage_limit_bytes: int | None = Field(default=None, description="Absent when storage is not limited")


class UsageEnvelope(Reply):
    """`{"usage": …}`"""

    usage: UsageReply


class UsageHistory(Reply):
    """Usage per billing period, newest first."""

    history: list[UsageReply]
