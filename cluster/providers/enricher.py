"""Making a local outline better with models, if there are any and the user's plan pays for it.

Nothing here may keep a map from being made: whatever goes wrong, the local outline stands, and the map's notes say so.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import CallRequest
from cluster.providers.calling.metered_client import CallScope
from cluster.providers.configuration import ProviderEndpoint, load_chains, provider_endpoints
from cluster.providers.planning.call_plan import CallPlan, plan_calls
from cluster.providers.planning.cost_estimate import page_batches
from cluster.providers.planning.user_limits import UserLimits, user_limits_loader
from cluster.providers.privacy.outline_redaction import redact_outline
from cluster.providers.prompting.merge import apply_descriptions
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.providers.response_cache import load_outline, outline_digest
from cluster.providers.tasks import ProviderTasks
from cluster.providers.types import LOCAL_PROVIDER, PageDescription, ProviderError, SessionGone
from cluster.settings import Settings
from models.ai_calls import count_cached_digests, session_accepts_calls
from models.billing.ledger import OutOfTokens, load_balance
from models.errors import NotFound
from models.recording.pages import CapturedPage

log = structlog.get_logger("providers")

#: A map waits no longer than this for models, all in all.
BUDGET_S = 150.0
#: What was begun in time may still end; then the map is made without.
_GRACE_S = 30.0
_WATCH_S = 1.0


@dataclass(slots=True)
class EnrichResult:
    """What came of it: the outline, who made it, sentences for the map's notes."""

    outline: Outline
    provider: str = LOCAL_PROVIDER
    model: str | None = None
    notes: list[str] = field(default_factory=list)


class Enricher:
    """Brings models into the making of maps. Exists only where a provider can be reached."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        endpoints: dict[str, ProviderEndpoint],
        tasks: ProviderTasks,
        load_limits: Callable[[uuid.UUID], Awaitable[UserLimits]],
        *,
        openai_model: str | None = None,
        stores_texts: bool = True,
        budget_s: float = BUDGET_S,
    ) -> None:
        self._pool, self._endpoints, self._tasks, self._load_limits = pool, endpoints, tasks, load_limits
        self._openai_model, self._stores_texts, self._budget_s = openai_model, stores_texts, budget_s

    async def configuration_digest(self) -> str:
        """What a map's making depends on besides its pages; empty when everything is local."""
        async with self._pool.connection() as connection:
            chains = await load_chains(connection, self._endpoints, self._openai_model)
        keys = [target.key for task in sorted(chains) for target in chains[task]]
        return f"{PROMPT_VERSION}:{','.join(keys)}" if keys else ""

    async def enrich(
        self,
        session_id: uuid.UUID,
        user_id: uuid.UUID,
        skeleton: Outline,
        pages: Sequence[CapturedPage],
        *,
        is_interactive: bool = True,
        nonce: str = "",
        on_progress: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> EnrichResult:
        """`skeleton` made better, or as it is with a note on why. Raises OutOfTokens for a user who wants that, and
        SessionGone."""
        placed = set(skeleton.placed_page_ids())
        captured = {page.page_id: page for page in pages if page.page_id in placed}
        async with self._pool.connection() as connection:
            plan = await plan_calls(
                connection, self._endpoints, user_id, session_id, list(captured.values()), self._openai_model
            )
        if plan.is_local:
            return EnrichResult(skeleton)
        try:
            terms = await self._load_limits(user_id)
        except NotFound as error:
            raise SessionGone("all", "account_closed") from error
        try:
            await self._check_budget(user_id, terms, plan)
        except OutOfTokens as error:
            if terms.refuses_when_out_of_tokens:
                raise
            return EnrichResult(skeleton, notes=[_out_of_tokens(error.resets_at)])
        order = CallRequest(
            scope=CallScope(
                user_id=user_id,
                session_id=session_id,
                allowance=terms.allowance,
                is_interactive=is_interactive,
                weight=terms.weight,
                stores_texts=self._stores_texts,
            ),
            targets=(),
            language=terms.language or skeleton.language,
            deadline=time.time() + self._budget_s,
        )
        work = asyncio.ensure_future(self._enrich(order, plan, skeleton, captured, nonce, on_progress))
        over = asyncio.Event()
        watch = asyncio.ensure_future(self._watch_for_deletion(session_id, over))
        try:
            await asyncio.wait([work, watch], timeout=self._budget_s + _GRACE_S, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if watch.done():
                raise SessionGone("all", "session_gone")
            # Whatever hangs (a node that was lost, a cluster without room), the map does not.
            log.warning("models_took_too_long", session_id=str(session_id))
            return EnrichResult(skeleton, notes=["No model answered in time: the topics are our own."])
        finally:
            over.set()
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _check_budget(self, user_id: uuid.UUID, terms: UserLimits, plan: CallPlan) -> None:
        """Better no call than half of them: the quote must be there as a whole."""
        allowance = terms.allowance
        if allowance.token_limit is None:
            return
        async with self._pool.connection() as connection:
            left = (await load_balance(connection, user_id, allowance)).tokens_left
        if left is not None and plan.estimate.tokens > left:
            raise OutOfTokens(plan.estimate.tokens, left, allowance.period_end)

    async def _enrich(
        self,
        order: CallRequest,
        plan: CallPlan,
        skeleton: Outline,
        captured: dict[str, CapturedPage],
        nonce: str,
        on_progress: Callable[[int, int], Awaitable[None]] | None,
    ) -> EnrichResult:
        result = EnrichResult(skeleton)
        told = dict(plan.cached_descriptions)
        try:
            if plan.pages_to_describe:
                await self._describe(order, plan, told, result, len(captured), on_progress)
            result.outline = apply_descriptions(skeleton, told, captured)
            if plan.chains["outline"]:
                await self._outline(order, plan, result, nonce)
            elif told:
                result.provider, result.model = plan.chains["describe"][0].provider, plan.chains["describe"][0].model
        except OutOfTokens as error:
            result.notes.append(_out_of_tokens(error.resets_at))
        except SessionGone:
            raise
        except ProviderError as error:
            result.notes.append(f"No model could outline this session ({error.reason}): the topics are our own.")
        return result

    async def _describe(
        self,
        order: CallRequest,
        plan: CallPlan,
        told: dict[str, PageDescription],
        result: EnrichResult,
        total: int,
        on_progress: Callable[[int, int], Awaitable[None]] | None,
    ) -> None:
        asked = CallRequest(order.scope, plan.chains["describe"], order.language, order.deadline)
        over = asyncio.Event()
        telling = asyncio.ensure_future(
            self._report_progress(order, plan, total - len(plan.pages_to_describe), total, on_progress, over)
        )
        try:
            done = await self._tasks.describe(asked, page_batches(plan.pages_to_describe))
        finally:
            over.set()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        told.update({page.page_id: page for page in done.pages})
        if done.is_session_deleted:
            raise SessionGone("all", "session_gone")
        left = len(plan.pages_to_describe) - len(done.pages)
        if left:
            why = ", ".join(sorted(done.failures)) or "no answer"
            result.notes.append(f"{left} of {total} pages were not described by a model ({why}).")
        log.info("pages_described", num_pages=len(done.pages), num_failed=left)
        if done.out_of_tokens_until is not None:
            raise OutOfTokens(plan.estimate.tokens, 0, done.out_of_tokens_until)

    async def _outline(self, order: CallRequest, plan: CallPlan, result: EnrichResult, nonce: str) -> None:
        targets = plan.chains["outline"]
        skeleton = redact_outline(result.outline, plan.secret_fragments)
        digest = outline_digest(skeleton, order.language, nonce)
        async with self._pool.connection() as connection:
            known = await load_outline(connection, order.scope.user_id, order.scope.session_id, targets, digest)
        if known is not None:
            result.outline, result.provider, result.model = known
            return
        asked = CallRequest(order.scope, targets, order.language, order.deadline)
        result.outline, target = await self._tasks.outline(asked, skeleton, digest)
        result.provider, result.model = target.provider, target.model
        if target != targets[0]:
            result.notes.append(f"{targets[0].provider} could not be used; {target.provider} made this map.")

    async def _report_progress(
        self,
        order: CallRequest,
        plan: CallPlan,
        known: int,
        total: int,
        on_progress: Callable[[int, int], Awaitable[None]] | None,
        over: asyncio.Event,
    ) -> None:
        # The checkpoints are where progress can be seen, whichever machines the tasks run on.
        digests = [payload.digest for payload in plan.pages_to_describe]
        while on_progress is not None and not await _is_set_within(_WATCH_S, over):
            async with self._pool.connection() as connection:
                num_cached = await count_cached_digests(connection, order.scope.user_id, digests)
            await on_progress(known + num_cached, total)

    async def _watch_for_deletion(self, session_id: uuid.UUID, over: asyncio.Event) -> None:
        """Returns when the session has been deleted, or its account closed."""
        while not await _is_set_within(_WATCH_S, over):
            async with self._pool.connection() as connection:
                if not await session_accepts_calls(connection, session_id):
                    return


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    """Whether `event` comes within `seconds`.

    What runs beside the work ends by an event, not by being cancelled alone: a cancellation can be lost on its way (as
    in Python 3.11, whose `asyncio.wait_for` drops one that comes together with its answer), and a loop would go on for
    ever, with the map waiting for its end.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _out_of_tokens(until: datetime) -> str:
    return f"Made without a model: your plan's tokens are used up until {until:%Y-%m-%d}."


def build_enricher(settings: Settings, pool: AsyncConnectionPool[Any], tasks: ProviderTasks) -> Enricher | None:
    """The enricher these settings allow; None without any key, and then nothing of this room is ever touched."""
    endpoints = provider_endpoints(settings)
    if not endpoints:
        return None
    engine = create_async_engine(settings.database.sqlalchemy_url, poolclass=NullPool)
    return Enricher(
        pool,
        endpoints,
        tasks,
        user_limits_loader(engine, settings.limits.default_plan),
        openai_model=settings.providers.openai_model,
        stores_texts=settings.privacy.ai_text_retention_days > 0,
    )
