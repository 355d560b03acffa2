"""Plans, the caller's subscription, and token usage."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.settings import Settings
from models.accounts.users import User, require_active_user
from models.billing.ledger import TokenAllowance, load_balance, used_by_operation
from models.billing.plans import FREE, PLANS, Plan, usage_periods
from models.billing.policy import Policy, load_policy
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


def plan_reply(plan: Plan, settings: Settings) -> PlanReply:
    """The plan as API resource, without the limits that this server does not enforce."""
    return PlanReply(
        id=plan.id,
        name=plan.name,
        price_cents=plan.price_cents,
        billing_period=plan.billing_period,
        yearly_price_cents=plan.yearly_price_cents,
        token_limit=plan.token_limit,
        session_retention_days=plan.session_retention_days if settings.retention_enabled else None,
        max_concurrent_sessions=plan.max_concurrent_sessions if settings.session_limits_enabled else None,
        storage_limit_bytes=plan.storage_limit_bytes,
        features=dict(plan.features),
    )


async def policy_of(state: AppState, db: AsyncSession, user_id: uuid.UUID) -> tuple[User, Policy]:
    """The caller, and what they may do. Raises Unauthorized for a closed account."""
    user = await require_active_user(db, user_id)
    return user, await load_policy(db, user, state.settings.default_plan)


@router.get("/plans", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
@router.get(
    "/subscription/plans",
    response_model_exclude_none=True,
    dependencies=[RateLimitedByAddress],
    operation_id="list_subscription_plans",
)
async def list_plans(response: Response, state: State) -> PlanList:
    """All plans that are sold, with the features that they include. Needs no login."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return PlanList(plans=[plan_reply(p, state.settings) for p in PLANS.values()])


@router.get("/subscription", response_model_exclude_none=True)
async def subscription(user_id: CurrentUserId, state: State, db: DbSession) -> SubscriptionEnvelope:
    """The caller's current plan."""
    _, policy = await policy_of(state, db, user_id)
    current = policy.current
    return SubscriptionEnvelope(
        subscription=SubscriptionReply(
            id=str(current.subscription_id or _NO_SUBSCRIPTION),
            status=current.status,
            current_period_start=current.period_start,
            current_period_end=current.period_end,
            cancel_at_period_end=current.cancel_at_period_end,
            plan=plan_reply(current.plan, state.settings),
        )
    )


async def _usage(
    state: AppState,
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
        storage = await load_storage(connection, user_id, state.settings.default_plan)
        reply.storage_bytes, reply.storage_limit_bytes = storage.num_bytes, storage.limit_bytes
    return reply


@router.get("/usage", response_model_exclude_none=True)
async def usage(user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection) -> UsageEnvelope:
    """Tokens used in the current billing period, and bytes stored."""
    _, policy = await policy_of(state, db, user_id)
    period = policy.current.usage_start, policy.current.usage_end
    return UsageEnvelope(usage=await _usage(state, db, connection, user_id, policy.plan, *period, is_current=True))


@router.get("/usage/history", response_model_exclude_none=True)
async def usage_history(
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    months: Annotated[int, Query(ge=1, le=24)] = 6,
) -> UsageHistory:
    """Usage of the current billing period and earlier ones, back to the day of sign-up."""
    user, policy = await policy_of(state, db, user_id)
    periods = await usage_periods(db, user, months)
    return UsageHistory(
        history=[
            await _usage(state, db, connection, user_id, policy.plan, start, end, is_current=i == 0)
            for i, (start, end) in enumerate(periods)
        ]
    )
