"""Plans, the caller's subscription, and the tokens used."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.users import User, active_user
from models.billing.ledger import TokenAllowance, load_balance, used_by_operation
from models.billing.plans import FREE, PLANS, CurrentPlan, Plan, current_plan, usage_periods
from models.errors import Unauthorized
from models.schemas.plans import (
    PlanList,
    PlanReply,
    SubscriptionEnvelope,
    SubscriptionReply,
    UsageEnvelope,
    UsageHistory,
    UsageReply,
)
from serve.state import AppState, CurrentUserId, DbSession, RateLimitedByAddress, State, driver_connection

router = APIRouter(prefix="/v1", tags=["plans"])
_NO_SUBSCRIPTION = uuid.UUID(int=0)


def plan_reply(plan: Plan) -> PlanReply:
    """The plan as the clients read it."""
    return PlanReply(
        id=plan.id,
        name=plan.name,
        price_cents=plan.price_cents,
        billing_period=plan.billing_period,
        token_limit=plan.token_limit,
        session_retention_days=plan.session_retention_days,
        max_concurrent_sessions=plan.max_concurrent_sessions,
        features=dict(plan.features),
    )


async def current_plan_of(state: AppState, db: AsyncSession, user_id: uuid.UUID) -> tuple[User, CurrentPlan]:
    """The caller and the plan they are on. Raises Unauthorized."""
    user = await active_user(db, user_id)
    if user is None:
        raise Unauthorized("user not found")
    return user, await current_plan(db, user, default=state.settings.default_plan)


@router.get("/subscription/plans", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def list_plans() -> PlanList:
    """Every plan. Needs no login."""
    return PlanList(plans=[plan_reply(p) for p in PLANS.values()])


@router.get("/subscription", response_model_exclude_none=True)
async def subscription(user_id: CurrentUserId, state: State, db: DbSession) -> SubscriptionEnvelope:
    """The plan the caller is on."""
    _, standing = await current_plan_of(state, db, user_id)
    return SubscriptionEnvelope(
        subscription=SubscriptionReply(
            id=str(standing.subscription_id or _NO_SUBSCRIPTION),
            status=standing.status,
            current_period_start=standing.period_start,
            current_period_end=standing.period_end,
            cancel_at_period_end=standing.cancel_at_period_end,
            plan=plan_reply(standing.plan),
        )
    )


async def _usage(
    db: AsyncSession, user_id: uuid.UUID, plan: Plan, start: datetime, end: datetime, *, is_current: bool
) -> UsageReply:
    parts = await used_by_operation(db, user_id, start, end)
    used, limit = sum(parts.values()), plan.token_limit
    reply = UsageReply(
        period_start=start,
        period_end=end,
        tokens_used=used,
        token_limit=limit if limit is not None else FREE.token_limit or 0,
        percent_used=used / limit * 100 if limit else 0.0,
        is_unlimited=limit is None,
        can_use_ai=True,
        by_operation=parts,
    )
    if is_current:
        now = await load_balance(await driver_connection(db), user_id, TokenAllowance(start, end, limit))
        left = now.tokens_left
        reply.can_use_ai = left is None or left > 0
        reply.granted_tokens_left, reply.reserved_tokens = now.granted_tokens_left, now.reserved_tokens
    return reply


@router.get("/usage", response_model_exclude_none=True)
async def usage(user_id: CurrentUserId, state: State, db: DbSession) -> UsageEnvelope:
    """Tokens used in the current period."""
    _, standing = await current_plan_of(state, db, user_id)
    found = await _usage(db, user_id, standing.plan, standing.usage_start, standing.usage_end, is_current=True)
    return UsageEnvelope(usage=found)


@router.get("/usage/history", response_model_exclude_none=True)
async def usage_history(
    user_id: CurrentUserId, state: State, db: DbSession, months: Annotated[int, Query(ge=1, le=24)] = 6
) -> UsageHistory:
    """The current period and those before it, back to the day of sign-up."""
    user, standing = await current_plan_of(state, db, user_id)
    periods = await usage_periods(db, user, months)
    return UsageHistory(
        history=[
            await _usage(db, user_id, standing.plan, start, end, is_current=i == 0)
            for i, (start, end) in enumerate(periods)
        ]
    )
