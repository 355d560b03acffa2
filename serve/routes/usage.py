"""Plans, the caller's subscription, and token usage."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.users import User, require_active_user
from models.billing.ledger import TokenAllowance, load_balance, used_by_operation
from models.billing.plans import FREE, PLANS, CurrentPlan, Plan, current_plan, usage_periods
from models.billing.storage import load_storage
from models.database import Connection
from models.schemas.plans import (
    PlanList,
    PlanReply,
    SubscriptionEnvelope,
    SubscriptionReply,
    UsageEnvelope,
    UsageHistory,
    UsageReply,
)
from serve.dependencies import CurrentUserId, DbConnection, DbSession, RateLimitedByAddress, State
from serve.state import AppState

router = APIRouter(prefix="/v1", tags=["plans"])
_NO_SUBSCRIPTION = uuid.UUID(int=0)


def plan_reply(plan: Plan) -> PlanReply:
    """The plan as API resource."""
    return PlanReply(
        id=plan.id,
        name=plan.name,
        price_cents=plan.price_cents,
        billing_period=plan.billing_period,
        token_limit=plan.token_limit,
        session_retention_days=plan.session_retention_days,
        max_concurrent_sessions=plan.max_concurrent_sessions,
        storage_limit_bytes=plan.storage_limit_bytes,
        features=dict(plan.features),
    )


async def current_plan_of(state: AppState, db: AsyncSession, user_id: uuid.UUID) -> tuple[User, CurrentPlan]:
    """The caller and their current plan. Raises Unauthorized for a closed account."""
    user = await require_active_user(db, user_id)
    return user, await current_plan(db, user, default=state.settings.limits.default_plan)


@router.get("/subscription/plans", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def list_plans() -> PlanList:
    """All plans. Needs no login."""
    return PlanList(plans=[plan_reply(p) for p in PLANS.values()])


@router.get("/subscription", response_model_exclude_none=True)
async def subscription(user_id: CurrentUserId, state: State, db: DbSession) -> SubscriptionEnvelope:
    """The caller's current plan."""
    _, current = await current_plan_of(state, db, user_id)
    return SubscriptionEnvelope(
        subscription=SubscriptionReply(
            id=str(current.subscription_id or _NO_SUBSCRIPTION),
            status=current.status,
            current_period_start=current.period_start,
            current_period_end=current.period_end,
            cancel_at_period_end=current.cancel_at_period_end,
            plan=plan_reply(current.plan),
        )
    )


async def _usage(
    db: AsyncSession,
    connection: Connection,
    user_id: uuid.UUID,
    plan: Plan,
    start: datetime,
    end: datetime,
    *,
    is_current: bool,
) -> UsageReply:
    by_operation = await used_by_operation(db, user_id, start, end)
    used, limit = sum(by_operation.values()), plan.token_limit
    reply = UsageReply(
        period_start=start,
        period_end=end,
        tokens_used=used,
        token_limit=limit if limit is not None else FREE.token_limit or 0,
        percent_used=used / limit * 100 if limit else 0.0,
        is_unlimited=limit is None,
        can_use_ai=True,
        by_operation=by_operation,
    )
    if is_current:
        balance = await load_balance(connection, user_id, TokenAllowance(start, end, limit))
        left = balance.tokens_left
        reply.can_use_ai = left is None or left > 0
        reply.granted_tokens_left, reply.reserved_tokens = balance.granted_tokens_left, balance.reserved_tokens
        storage = await load_storage(connection, user_id, plan.id)
        reply.storage_bytes, reply.storage_limit_bytes = storage.num_bytes, storage.limit_bytes
    return reply


@router.get("/usage", response_model_exclude_none=True)
async def usage(user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection) -> UsageEnvelope:
    """Tokens used in the current billing period, and bytes stored."""
    _, current = await current_plan_of(state, db, user_id)
    reply = await _usage(db, connection, user_id, current.plan, current.usage_start, current.usage_end, is_current=True)
    return UsageEnvelope(usage=reply)


@router.get("/usage/history", response_model_exclude_none=True)
async def usage_history(
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    months: Annotated[int, Query(ge=1, le=24)] = 6,
) -> UsageHistory:
    """Usage of the current billing period and earlier ones, back to the day of sign-up."""
    user, current = await current_plan_of(state, db, user_id)
    periods = await usage_periods(db, user, months)
    return UsageHistory(
        history=[
            await _usage(db, connection, user_id, current.plan, start, end, is_current=i == 0)
            for i, (start, end) in enumerate(periods)
        ]
    )
