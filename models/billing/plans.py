"""Plans and subscriptions: the limits and features of each plan are defined only here.

Stripe is the authority on subscriptions; rows of `subscriptions` mirror it. A user without a subscription is on the
default plan, whose billing periods of 30 days from sign-up are computed, not stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.accounts.users import User
from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.billing.periods import BillingCycle, Period, PlanPhase, free_cycle, merged_periods
from models.errors import TrailmindError


@dataclass(frozen=True, slots=True)
class Plan:
    """Limits and features of one plan; None means unlimited. `token_limit` is per billing period."""

    id: str
    name: str
    price_cents: int
    token_limit: int | None
    session_retention_days: int | None
    max_concurrent_sessions: int | None
    features: Mapping[str, bool] = field(default_factory=dict)
    billing_period: str = "monthly"

    def includes(self, feature: str) -> bool:
        """Whether the plan includes `feature`."""
        return self.features.get(feature, False)


def _features(*names: str) -> dict[str, bool]:
    return dict.fromkeys(names, True)


_EXPORTS = ("export_png", "export_svg", "export_md", "export_json")
FREE = Plan("free", "Free", 0, 50_000, 30, 1, _features("export_png"))
PRO = Plan("pro", "Pro", 1200, 500_000, None, 5, _features(*_EXPORTS, "priority_support"))
ENTERPRISE = Plan(
    "enterprise",
    "Enterprise",
    0,
    None,
    None,
    None,
    _features(*_EXPORTS, "api_access", "team_sharing", "sso", "custom_ai"),
)
PLANS: dict[str, Plan] = {plan.id: plan for plan in (FREE, PRO, ENTERPRISE)}

#: Export format → the feature that includes it. Outline formats belong to Markdown, tables to JSON.
EXPORT_FEATURES = {
    "png": "export_png",
    "svg": "export_svg",
    "markdown": "export_md",
    "opml": "export_md",
    "freemind": "export_md",
    "json": "export_json",
    "csv": "export_json",
}


class FeatureNotInPlan(TrailmindError):
    """The user's plan does not include a feature; `needed` is the cheapest plan that does."""

    code, status = "PLAN_UPGRADE_REQUIRED", 402

    def __init__(self, plan: str, what: str, needed: str) -> None:
        super().__init__(plan, what, needed)
        self.plan, self.what, self.needed = plan, what, needed

    @property
    def values(self) -> dict[str, str]:
        return {"plan": self.plan, "feature": self.what, "needed": self.needed}

    def __str__(self) -> str:
        return f"the {self.plan} plan does not include {self.what}; {self.needed} does"


class TooManySessions(TrailmindError):
    """The user has as many concurrent recordings as the plan allows."""

    code, status = "CONCURRENT_SESSION_LIMIT", 409
    # Clients that retry on their own (a recording started offline) succeed once another recording has stopped.
    retry_after_s = 30.0

    def __init__(self, plan: str, allowed: int) -> None:
        super().__init__(plan, allowed)
        self.plan, self.allowed = plan, allowed

    @property
    def values(self) -> dict[str, str]:
        return {"plan": self.plan, "allowed": str(self.allowed)}

    def __str__(self) -> str:
        limit = "one recording" if self.allowed == 1 else f"{self.allowed} recordings"
        return f"the {self.plan} plan allows {limit} at a time; stop one before you start another"


class Subscription(Base):
    """A paid plan of a user, with its current period."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name="plan"),
        CheckConstraint("status IN ('active', 'canceled', 'past_due', 'trialing')", name="status"),
        # At most one current subscription per user.
        Index(
            "uq_subscriptions_current",
            "user_id",
            unique=True,
            postgresql_where=text("status IN ('active', 'past_due', 'trialing')"),
        ),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    plan: Mapped[str]
    status: Mapped[str]
    current_period_start: Mapped[datetime]
    current_period_end: Mapped[datetime]
    cancel_at_period_end: Mapped[bool] = mapped_column(server_default="false", default=False)
    stripe_subscription_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_customer_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


@dataclass(frozen=True, slots=True)
class CurrentPlan:
    """The current plan of a user. `subscription_id` is None for the default plan.

    `period_*` is the paid period; tokens are counted per `usage_period`, which is at most a month.
    """

    plan: Plan
    status: str
    period_start: datetime
    period_end: datetime
    cancel_at_period_end: bool = False
    subscription_id: uuid.UUID | None = None
    usage_period: Period | None = None

    @property
    def usage_start(self) -> datetime:
        """Start of the current usage period."""
        return self.usage_period[0] if self.usage_period else self.period_start

    @property
    def usage_end(self) -> datetime:
        """End of the current usage period: the token limit resets then."""
        return self.usage_period[1] if self.usage_period else self.period_end


_CURRENT_STATUSES = ("active", "past_due", "trialing")


async def current_plan(
    db: AsyncSession, user: User, *, default: str = "free", now: datetime | None = None
) -> CurrentPlan:
    """The plan of `user` at `now`; `default` without a current subscription."""
    now = now or datetime.now(UTC)
    rows = await _subscriptions(db, user)
    subscription = next((row for row in rows if row.status in _CURRENT_STATUSES), None)
    if subscription is None:
        cycle = free_cycle(_free_since(user, rows, now))
        period = cycle.period(cycle.period_number_at(max(now, cycle.start)))
        return CurrentPlan(PLANS[default], "active", *period, usage_period=period)
    cycle = BillingCycle(subscription.current_period_start, subscription.current_period_end)
    start, end = subscription.current_period_start, subscription.current_period_end
    period = cycle.period(cycle.period_number_at(now))
    if now >= end:
        # Stripe has not reported the next period yet: derive it from the old one.
        start, end = period
    return CurrentPlan(
        PLANS[subscription.plan],
        subscription.status,
        start,
        end,
        subscription.cancel_at_period_end,
        subscription.id,
        period,
    )


async def _subscriptions(db: AsyncSession, user: User) -> list[Subscription]:
    """All subscriptions of the user, past ones too, newest first."""
    query = select(Subscription).where(Subscription.user_id == user.id).order_by(Subscription.created_at.desc())
    return list(await db.scalars(query))


def _ended_at(row: Subscription) -> datetime:
    # At the end of the period, or earlier after a refund.
    return min(row.current_period_end, row.updated_at)


def _free_since(user: User, rows: Sequence[Subscription], now: datetime) -> datetime:
    """The start of the free plan's periods: sign-up, or the end of the last paid plan.

    Otherwise usage under the paid plan would count against the free limit.
    """
    return max([user.created_at, *(min(_ended_at(row), now) for row in rows)])


async def usage_periods(db: AsyncSession, user: User, max_periods: int, *, now: datetime | None = None) -> list[Period]:
    """The current usage period and earlier ones, newest first, back to sign-up; at most `max_periods`."""
    now = now or datetime.now(UTC)
    rows = await _subscriptions(db, user)
    phases: list[PlanPhase] = []
    later: datetime | None = None
    for row in rows:
        is_over = row.status not in _CURRENT_STATUSES
        if is_over:
            ended_at = min(_ended_at(row), now)
            # The free plan applies between two paid plans and after the last one.
            phases.append(PlanPhase(free_cycle(ended_at), ended_at, later))
        cycle = BillingCycle(row.current_period_start, row.current_period_end)
        phases.append(PlanPhase(cycle, row.created_at, ended_at if is_over else None))
        later = cycle.period(cycle.period_number_at(row.created_at))[0]
    if later is None or user.created_at < later:
        phases.append(PlanPhase(free_cycle(user.created_at), user.created_at, later))
    return merged_periods(phases, now, max_periods)


def require_feature(plan: Plan, feature: str, what: str) -> None:
    """Raise FeatureNotInPlan unless `plan` includes `feature`."""
    if not plan.includes(feature):
        needed = next((p.name for p in PLANS.values() if p.includes(feature)), "no plan")
        raise FeatureNotInPlan(plan.name, what, needed)
