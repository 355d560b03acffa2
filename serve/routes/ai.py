"""AI providers: the cost estimate of a map, and the calls that were made for a session."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.providers.configuration import provider_endpoints
from cluster.providers.planning.call_plan import CallPlan, plan_calls
from cluster.providers.planning.consent import vendor_names
from cluster.providers.planning.user_limits import UserLimits, load_user_limits
from cluster.providers.types import LOCAL_PROVIDER
from models.accounts.model_use import ModelUse, load_model_use
from models.ai_calls import AiCall, AiCallText
from models.billing.ledger import Balance, OutOfTokens, load_balance
from models.database import Connection
from models.recording.browsing_sessions import owned_session, parse_session_id
from models.recording.timeline_store import load_pages
from models.schemas.ai import DisclosureList, DisclosureReply, QuoteEnvelope, QuoteReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["mindmaps"])


async def _plan(
    state: AppState,
    db: AsyncSession,
    connection: Connection,
    session_id: uuid.UUID,
    user_id: uuid.UUID,
    use: ModelUse | None = None,
) -> tuple[CallPlan, UserLimits, Balance, int]:
    _, pages = await load_pages(connection, session_id, user_id)
    endpoints = provider_endpoints(state.settings)
    model = state.settings.providers.openai_model
    plan = await plan_calls(connection, endpoints, user_id, session_id, pages, model, use=use)
    limits = await load_user_limits(db, user_id, state.settings.default_plan)
    return plan, limits, await load_balance(connection, user_id, limits.allowance), len(pages)


@router.post("/mindmap/quote", response_model_exclude_none=True)
async def quote(
    session_id: str, user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection
) -> QuoteEnvelope:
    """The maximum cost of a map of this session. Safe to repeat: nothing is stored.

    Before the user has decided about vendors (`needs_consent`), it is the cost of a map for which the user agrees.
    """
    owned = await owned_session(db, parse_session_id(session_id), user_id)
    vendors = vendor_names(provider_endpoints(state.settings))
    needs_consent = bool(vendors) and await load_model_use(connection, owned.id) is ModelUse.ASK
    use = ModelUse.VENDOR if needs_consent else None
    plan, limits, balance, num_pages = await _plan(state, db, connection, owned.id, user_id, use)
    limit, left = limits.allowance.token_limit, balance.tokens_left
    first = next(iter(plan.chains["outline"] or plan.chains["describe"]), None)
    return QuoteEnvelope(
        quote=QuoteReply(
            provider=first.provider if first else LOCAL_PROVIDER,
            model=first.model if first else None,
            tokens=plan.estimate.tokens,
            cost_micros=plan.estimate.cost_micros,
            num_pages=num_pages,
            num_pages_known=len(plan.cached_descriptions),
            num_calls=plan.estimate.num_calls,
            plan_share=plan.estimate.tokens / limit if limit else None,
            tokens_left=left,
            is_affordable=left is None or plan.estimate.tokens <= left,
            resets_at=limits.allowance.period_end,
            needs_consent=needs_consent,
        )
    )


async def check_token_budget(
    state: AppState, db: AsyncSession, connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID
) -> None:
    """Raise OutOfTokens if the map is not affordable and the user has chosen to refuse maps without a model."""
    if not provider_endpoints(state.settings):
        return
    limits = await load_user_limits(db, user_id, state.settings.default_plan)
    if not limits.refuses_when_out_of_tokens or limits.allowance.token_limit is None:
        return
    plan, limits, balance, _ = await _plan(state, db, connection, session_id, user_id)
    left = balance.tokens_left or 0
    if plan.estimate.tokens > left:
        raise OutOfTokens(plan.estimate.tokens, left, limits.allowance.period_end)


@router.get("/disclosures", response_model_exclude_none=True)
async def disclosures(
    session_id: str,
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> DisclosureList:
    """The calls to AI providers for this session, with the text that was sent."""
    owned = await owned_session(db, parse_session_id(session_id), user_id)
    of_session = AiCall.session_id == owned.id
    total = await db.scalar(select(func.count()).select_from(AiCall).where(of_session))
    calls = await db.execute(
        select(AiCall, AiCallText)
        .outerjoin(AiCallText, AiCallText.call_id == AiCall.id)
        .where(of_session)
        .order_by(AiCall.started_at.desc(), AiCall.id)
        .limit(limit)
        .offset(offset)
    )
    return DisclosureList(
        disclosures=[
            DisclosureReply(
                id=str(call.id),
                provider=call.provider,
                model=call.model,
                operation=call.task_type,
                sent_at=call.started_at,
                status=call.status,
                num_chars=call.num_chars,
                num_redactions=call.num_redactions,
                text_digest=call.text_digest,
                text=texts.sent if texts else None,
                instructions=texts.instructions if texts else None,
                answer=texts.answer if texts else None,
            )
            for call, texts in calls.all()
        ],
        total=total or 0,
        text_retention_days=state.settings.privacy.ai_text_retention_days,
    )
