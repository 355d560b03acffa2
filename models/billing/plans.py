"""Plans and subscriptions: the limits and features of each plan are defined only here.

`models.billing.policy` answers what a user may do under their plan. Stripe is the authority on subscriptions; rows of
`subscriptions` mirror it. A user without a subscription is on the default plan, whose billing periods of 30 days from
sign-up are computed, not stored. No job has to roll a period: it follows from the clock, so that none is missed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.accounts.users import User
from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.billing.billing_tables import PaidPeriod
from models.billing.periods import BillingCycle, Period, PlanPhase, free_cycle, merged_periods
from models.billing.stripe_facts import LIVE_STATUSES


@dataclass(frozen=True, slots=True)
class Plan:
    """Limits and features of one plan; None means unlimited. `token_limit` is per billing period.

    `storage_limit_bytes` bounds events and page texts together. `sold_since` is when this version replaced the former
    one; None for the first.
    """

    id: str
    name: str
    price_cents: int
    token_limit: int | None
    session_retention_days: int | None
    max_concurrent_sessions: int | None
    features: Mapping[str, bool] = field(default_factory=dict)
    storage_limit_bytes: int | None = None
    billing_period: str = "monthly"
    yearly_price_cents: int | None = None
    version: int = 1
    sold_since: datetime | None = None

    def includes(self, feature: str) -> bool:
        """Whether the plan includes `feature`."""
        return self.features.get(feature, False)


def _features(*names: str) -> dict[str, bool]:
    return dict.fromkeys(names, True)


#: The currency of the prices below. Invoices may be in another one, in which Stripe has charged.
PLAN_CURRENCY = "usd"
_EXPORTS = ("export_png", "export_svg", "export_md", "export_json")
FREE = Plan("free", "Free", 0, 50_000, 30, 1, _features("export_png"), 1024**3)
PRO = Plan(
    "pro",
    "Pro",
    1200,
    500_000,
    None,
    5,
    _features(*_EXPORTS, "priority_support"),
    20 * 1024**3,
    yearly_price_cents=11_500,
)
ENTERPRISE = Plan(
    "enterprise", "Enterprise", 0, None, None, None, _features(*_EXPORTS, "priority_support", "api_access")
)
#: Every version that was ever sold, the newest of a plan last. A changed plan is a new version with a `sold_since`; a
#: former version is never removed, because the users who bought it keep it.
PLAN_VERSIONS: tuple[Plan, ...] = (FREE, PRO, ENTERPRISE)
#: What is sold now, the cheapest first.
PLANS: dict[str, Plan] = {plan.id: plan for plan in PLAN_VERSIONS}


class PlanOverride(Base):
    """A plan that an operator gives to a user, whatever they pay for; it ends at `until`."""

    __tablename__ = "plan_overrides"
    __table_args__ = (CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name="plan"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    plan: Mapped[str]
    reason: Mapped[str]
    until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Subscription(Base):
    """A paid plan of a user, with its current period."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name="plan"),
        CheckConstraint(
            "status IN ('active', 'canceled', 'past_due', 'trialing', 'incomplete', 'incomplete_expired', 'unpaid',"
            " 'paused')",
            name="status",
        ),
        CheckConstraint("billing_interval IN ('monthly', 'yearly')", name="billing_interval"),
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
    stripe_price_id: Mapped[str | None]
    billing_interval: Mapped[str] = mapped_column(server_default="monthly", default="monthly")
    #: The interval from the next period on, when it differs.
    pending_interval: Mapped[str | None]
    #: The version of the plan that was bought; its limits stay when the plan changes.
    plan_version: Mapped[int] = mapped_column(server_default="1", default=1)
    #: While past due: the plan ends then unless the payment succeeds before.
    grace_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    is_refunded: Mapped[bool] = mapped_column(server_default="false", default=False)
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


def plan_in_version(plan_id: str, version: int | None) -> Plan:
    """The plan as it was when it was bought; users keep that version. None is the version that is sold now."""
    versions = (plan for plan in PLAN_VERSIONS if (plan.id, plan.version) == (plan_id, version))
    return next(versions, PLANS[plan_id])


def version_sold_at(plan_id: str, moment: datetime) -> int:
    """The number of the version of the plan that was sold at `moment`."""
    return max(
        plan.version
        for plan in PLAN_VERSIONS
        if plan.id == plan_id and (plan.sold_since is None or plan.sold_since <= moment)
    )


def is_current(row: Subscription, now: datetime) -> bool:
    """Whether the subscription gives its plan at `now`: it is paid, or its payment failed a short while ago."""
    if row.status == "past_due" and row.grace_until is not None and row.grace_until <= now:
        return False
    return row.status in LIVE_STATUSES


async def current_plan(
    db: AsyncSession, user: User, *, default: str = "free", now: datetime | None = None
) -> CurrentPlan:
    """The plan of `user` at `now`; `default` without a current subscription.

    An operator's override changes the plan, and leaves the periods of what the user pays for.
    """
    now = now or datetime.now(UTC)
    current = await _paid_or_default(db, user, default, now)
    override = await db.get(PlanOverride, user.id)
    if override is not None and (override.until is None or override.until > now):
        return replace(current, plan=PLANS[override.plan])
    return current


async def _paid_or_default(db: AsyncSession, user: User, default: str, now: datetime) -> CurrentPlan:
    rows = await _subscriptions(db, user)
    subscription = next((row for row in rows if is_current(row, now)), None)
    if subscription is None:
        cycle = free_cycle(user.created_at)
        start, end = cycle.period(cycle.period_number_at(max(now, cycle.start)))
        # Otherwise usage under the paid plan would count against the free limit.
        period = max([start, *(_ended_at(row, now) for row in rows)]), end
        return CurrentPlan(PLANS[default], "active", *period, usage_period=period)
    cycle = BillingCycle(subscription.current_period_start, subscription.current_period_end)
    start, end = subscription.current_period_start, subscription.current_period_end
    # By Stripe's clock a new period may begin a moment after ours: it is not the period before it.
    period = cycle.period(cycle.period_number_at(max(now, start)))
    if now >= end:
        # Stripe has not reported the next period yet: derive it from the old one.
        start, end = period
    return CurrentPlan(
        plan_in_version(subscription.plan, subscription.plan_version),
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


def _ended_at(row: Subscription, now: datetime) -> datetime:
    """When a subscription that is not current stopped giving its plan."""
    if row.status == "past_due" and row.grace_until is not None:
        return min(row.grace_until, now)
    # Rows without `ended_at`: at the end of the period, or earlier after a refund.
    return min(row.ended_at or min(row.current_period_end, row.updated_at), now)


async def _paid_periods(db: AsyncSession, rows: Sequence[Subscription]) -> dict[uuid.UUID, list[Period]]:
    """Subscription → its paid periods, newest first."""
    query = select(PaidPeriod).where(PaidPeriod.subscription_id.in_([row.id for row in rows]))
    periods: dict[uuid.UUID, list[Period]] = {}
    for period in await db.scalars(query.order_by(PaidPeriod.starts_at.desc())):
        periods.setdefault(period.subscription_id, []).append((period.starts_at, period.ends_at))
    return periods


async def usage_periods(db: AsyncSession, user: User, max_periods: int, *, now: datetime | None = None) -> list[Period]:
    """The current usage period and earlier ones, newest first, back to sign-up; at most `max_periods`."""
    now = now or datetime.now(UTC)
    rows = await _subscriptions(db, user)
    paid_periods = await _paid_periods(db, rows)
    phases: list[PlanPhase] = []
    later: datetime | None = None
    for row in rows:
        ended_at = None if is_current(row, now) else _ended_at(row, now)
        if ended_at is not None:
            # The free plan applies between two paid plans and after the last one, on the cycle of the sign-up.
            phases.append(PlanPhase(free_cycle(user.created_at), ended_at, later, cuts_first=True))
        until = ended_at
        current = (row.current_period_start, row.current_period_end)
        for start, end in paid_periods.get(row.id) or [current]:
            # Periods are missing between two rows if a renewal was not reported: the cycle fills them.
            cycle = BillingCycle(start, end)
            phases.append(PlanPhase(cycle, start, until))
            until = start
        cycle = BillingCycle(*(paid_periods.get(row.id) or [current])[-1])
        if row.created_at < cycle.start:
            phases.append(PlanPhase(cycle, row.created_at, cycle.start))
        later = min(cycle.start, cycle.period(cycle.period_number_at(row.created_at))[0])
    if later is None or user.created_at < later:
        phases.append(PlanPhase(free_cycle(user.created_at), user.created_at, later))
    return merged_periods(phases, now, max_periods)
