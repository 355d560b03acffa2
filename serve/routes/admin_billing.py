"""The operators' API for money and plans: refunds, credits, and plans that are given. Each act needs a reason."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from models.accounts.audit import record_audit
from models.accounts.users import User
from models.billing.ledger import load_balance
from models.billing.overrides import end_override, find_override, give_tokens, set_override
from models.billing.policy import load_policy
from models.billing.purchases import find_customer, find_subscription, list_invoices
from models.errors import BadRequest, Conflict, NotFound
from models.schemas.admin import (
    AccountBilling,
    AccountBillingEnvelope,
    AdminSubscription,
    CreditBody,
    PlanOverrideBody,
    PlanOverrideReply,
    RefundBody,
)
from models.schemas.base import MessageReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.routes.billing import BillingPurchases, invoice_reply

router = APIRouter(prefix="/v1/admin", tags=["admin"])


async def _account(db: DbSession, user_id: uuid.UUID) -> User:
    user = await db.get(User, user_id)
    if user is None:
        raise NotFound("there is no such account")
    return user


def _refuse_own_account(user_id: uuid.UUID, admin_id: uuid.UUID) -> None:
    if user_id == admin_id:
        raise Conflict("operators do not change their own account")


async def _billing_of(user: User, state: State, db: DbSession, connection: DbConnection) -> AccountBilling:
    policy = await load_policy(db, user, state.settings.default_plan)
    balance = await load_balance(connection, user.id, policy.allowance)
    override = await find_override(connection, user.id)
    subscription = await find_subscription(connection, user.id)
    customer = await find_customer(connection, user.id)
    return AccountBilling(
        plan=policy.plan.id,
        default_plan=state.settings.default_plan,
        tokens_used=balance.used_tokens,
        token_limit=policy.plan.token_limit,
        granted_tokens_left=balance.granted_tokens_left,
        override=None
        if override is None
        else PlanOverrideReply.model_validate({n: getattr(override, n) for n in PlanOverrideReply.model_fields}),
        subscription=None
        if subscription is None
        else AdminSubscription.model_validate({n: getattr(subscription, n) for n in AdminSubscription.model_fields}),
        is_disputed=customer is not None and customer.is_disputed,
        invoices=[invoice_reply(invoice) for invoice in await list_invoices(connection, user.id)],
    )


@router.get("/users/{user_id}/billing", response_model_exclude_none=True)
async def get_account_billing(
    user_id: uuid.UUID, _: CurrentUserId, state: State, db: DbSession, connection: DbConnection
) -> AccountBillingEnvelope:
    """Plan, tokens, subscription and invoices of an account."""
    user = await _account(db, user_id)
    return AccountBillingEnvelope(billing=await _billing_of(user, state, db, connection))


@router.put("/users/{user_id}/plan", response_model_exclude_none=True)
async def give_plan(
    user_id: uuid.UUID,
    body: PlanOverrideBody,
    admin_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
) -> AccountBillingEnvelope:
    """Give an account a plan, whatever it pays for; without `plan` it returns to what it pays for."""
    _refuse_own_account(user_id, admin_id)
    if body.until is not None and body.until <= datetime.now(UTC):
        raise BadRequest("until: is in the past")
    user = await _account(db, user_id)
    if body.plan is None:
        if not await end_override(connection, user_id, body.reason):
            raise Conflict("no operator has given this account a plan")
    else:
        await set_override(connection, user_id, body.plan, body.reason, body.until)
    facts = {"plan": body.plan, "reason": body.reason, "until": body.until.isoformat() if body.until else None}
    record_audit(db, admin_id, "plan.given", user_id, **facts)
    reply = await _billing_of(user, state, db, connection)
    await db.commit()
    # The limit of stored bytes follows the plan.
    await state.shards.reload_user(user_id)
    return AccountBillingEnvelope(billing=reply)


@router.post("/users/{user_id}/credits", response_model_exclude_none=True)
async def give_credit(
    user_id: uuid.UUID,
    body: CreditBody,
    admin_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
) -> AccountBillingEnvelope:
    """Give an account tokens that do not expire. A repeat with the same `credit_id` gives nothing more."""
    _refuse_own_account(user_id, admin_id)
    user = await _account(db, user_id)
    if await give_tokens(connection, user_id, body.credit_id, body.tokens):
        record_audit(db, admin_id, "tokens.given", user_id, tokens=body.tokens, reason=body.reason)
    reply = await _billing_of(user, state, db, connection)
    await db.commit()
    return AccountBillingEnvelope(billing=reply)


@router.post("/invoices/{invoice_id}/refund")
async def refund_invoice(
    invoice_id: Annotated[str, Path(max_length=255, pattern="^[A-Za-z0-9_]+$")],
    body: RefundBody,
    admin_id: CurrentUserId,
    db: DbSession,
    purchases: BillingPurchases,
) -> MessageReply:
    """Return the payment of an invoice, or a part of it. A plan whose newest payment is returned as a whole ends."""
    owner = await purchases.refund_invoice(invoice_id, body.amount_cents, body.reason)
    record_audit(
        db,
        admin_id,
        "invoice.refunded",
        invoice_id,
        user_id=str(owner.user_id),
        amount_cents=body.amount_cents or owner.left_cents,
        currency=owner.currency,
        reason=body.reason,
    )
    await db.commit()
    return MessageReply(message="the payment is returned")
