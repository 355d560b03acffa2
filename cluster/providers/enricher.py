"""Improves a local outline with models, where a provider is configured and the user's plan covers the cost.

Failures here never block map generation: the local outline is used, and the map's notes give the reason.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import CallRequest
from cluster.providers.calling.metered_client import CallScope
from cluster.providers.configuration import ModelChoice, ProviderEndpoint, load_chains, provider_endpoints
from cluster.providers.planning.call_plan import CallPlan, plan_calls
from cluster.providers.planning.cost_estimate import page_batches
from cluster.providers.planning.user_limits import UserLimits, user_limits_loader
from cluster.providers.privacy.outline_redaction import redact_outline
from cluster.providers.prompting.grounding import grounded_outline
from cluster.providers.prompting.merge import apply_descriptions
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.providers.response_cache import load_outline, outline_digest
from cluster.providers.tasks import ProviderTasks
from cluster.providers.types import LOCAL_PROVIDER, PageDescription, ProviderError, SessionGone
from cluster.settings import Settings
from models.ai_calls import count_cached_digests, session_accepts_calls
from models.billing.ledger import OutOfTokens, load_balance
from models.errors import NotFound
from models.mindmap.notes import MapNote, map_note
from models.recording.pages import CapturedPage
from telemetry.metrics import QUOTA_DENIALS

log = structlog.get_logger("providers")

#: The time for all model calls of one map, in seconds.
BUDGET_S = 150.0
#: Calls started within the budget may run this much longer; then the map is made without models.
_GRACE_S = 30.0
#: The interval at which progress and deletion are polled.
_WATCH_S = 1.0

#: Receives the number of described pages and the number of all pages.
ProgressCallback = Callable[[int, int], Awaitable[None]]


@dataclass(slots=True)
class EnrichResult:
    """The outline, the provider and model that made it, and notes for the map.

    `fallback` is the reason of a local outline that is not the user's decision: an outage, or used up tokens.
    """

    outline: Outline
    provider: str = LOCAL_PROVIDER
    model: str | None = None
    notes: list[MapNote] = field(default_factory=list)
    fallback: MapNote | None = None

    @classmethod
    def without_models(cls, outline: Outline, note: MapNote) -> EnrichResult:
        """A local outline because of what `note` says."""
        return cls(outline, notes=[note], fallback=note)


@dataclass(frozen=True, slots=True)
class _MapRun:
    """The inputs of one map. `request` has no targets yet; `pages` are the captured pages on the map by id."""

    request: CallRequest
    plan: CallPlan
    skeleton: Outline
    pages: dict[str, CapturedPage]
    nonce: str
    on_progress: ProgressCallback | None


class Enricher:
    """Improves outlines with models. Exists only where at least one provider is configured.

    Args:
        pool: Autocommit database connections.
        endpoints: The configured providers by name.
        tasks: Where the calls run.
        load_limits: Loads the limits of a user. Raises NotFound for a closed account.
        openai_model: Replaces the model of OpenAI in the default chains.
        stores_texts: Whether sent texts and responses are stored for disclosure.
        budget_s: The time for all model calls of one map.
        run_id: The regeneration run that pays for the calls instead of the users.
        choice: The model of that run, instead of the configured chains.
    """

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
        run_id: str | None = None,
        choice: ModelChoice | None = None,
    ) -> None:
        self._run_id, self._choice = run_id, choice
        self._pool, self._endpoints, self._tasks, self._load_limits = pool, endpoints, tasks, load_limits
        self._openai_model, self._stores_texts, self._budget_s = openai_model, stores_texts, budget_s

    async def configuration_digest(self) -> str:
        """The prompt version and the model chains, on which a map depends besides its pages; empty without models."""
        async with self._pool.connection() as connection:
            chains = await load_chains(connection, self._endpoints, self._openai_model, self._choice)
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
        on_progress: ProgressCallback | None = None,
    ) -> EnrichResult:
        """The outline improved by models, or `skeleton` itself with a note that gives the reason.

        Args:
            session_id: The browsing session of the map.
            user_id: Its owner, who pays for the calls.
            skeleton: The local outline.
            pages: The captured pages of the session; those that `skeleton` excludes are not sent.
            is_interactive: Whether a user waits for the map; interactive calls precede batch calls.
            nonce: Makes a forced map differ from the cached outline of the same pages.
            on_progress: Called with the number of described pages, and of all pages.

        Raises:
            OutOfTokens: the tokens do not cover the map, and the user prefers no map over a local one.
            RunBudgetSpent: the budget of the run does not cover a call.
            SessionGone: the session or the account was deleted.
        """
        placed = set(skeleton.placed_page_ids())
        captured = {page.page_id: page for page in pages if page.page_id in placed}
        async with self._pool.connection() as connection:
            plan = await plan_calls(
                connection,
                self._endpoints,
                user_id,
                session_id,
                list(captured.values()),
                self._openai_model,
                choice=self._choice,
            )
        if plan.is_local:
            vendors = ", ".join(plan.awaiting_consent)
            return EnrichResult(skeleton, notes=[map_note("consent_missing", vendors=vendors)] if vendors else [])
        try:
            limits = await self._load_limits(user_id)
        except NotFound as error:
            raise SessionGone("all", "account_closed") from error
        try:
            await self._check_budget(user_id, limits, plan)
        except OutOfTokens as error:
            if limits.refuses_when_out_of_tokens:
                raise
            return EnrichResult.without_models(skeleton, _out_of_tokens_note(error.resets_at))
        request = CallRequest(
            scope=CallScope(
                user_id=user_id,
                session_id=session_id,
                allowance=limits.allowance,
                is_interactive=is_interactive,
                weight=limits.weight,
                stores_texts=self._stores_texts,
                run_id=self._run_id,
                nonce=nonce,
            ),
            targets=(),
            language=limits.language or skeleton.language,
            deadline=time.time() + self._budget_s,
        )
        return await self._enrich_in_time(_MapRun(request, plan, skeleton, captured, nonce, on_progress))

    async def _check_budget(self, user_id: uuid.UUID, limits: UserLimits, plan: CallPlan) -> None:
        """Raise OutOfTokens unless the whole estimate is covered: a map with half of its calls is not started."""
        allowance = limits.allowance
        if allowance.token_limit is None or self._run_id is not None:
            return
        async with self._pool.connection() as connection:
            tokens_left = (await load_balance(connection, user_id, allowance)).tokens_left
        if tokens_left is not None and plan.estimate.tokens > tokens_left:
            QUOTA_DENIALS.labels(what="tokens").inc()
            raise OutOfTokens(plan.estimate.tokens, tokens_left, allowance.period_end)

    async def _enrich_in_time(self, run: _MapRun) -> EnrichResult:
        session_id = run.request.scope.session_id
        enriching = asyncio.ensure_future(self._enrich(run))
        finished = asyncio.Event()
        watching = asyncio.ensure_future(self._watch_for_deletion(session_id, finished))
        try:
            await asyncio.wait(
                [enriching, watching], timeout=self._budget_s + _GRACE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if enriching.done():
                return enriching.result()
            if watching.done():
                raise SessionGone("all", "session_gone")
            # A lost node or a full cluster must not delay the map any longer.
            log.warning("models_timed_out", session_id=str(session_id))
            return EnrichResult.without_models(run.skeleton, map_note("models_late"))
        finally:
            finished.set()
            for task in (enriching, watching):
                task.cancel()
            await asyncio.gather(enriching, watching, return_exceptions=True)

    async def _enrich(self, run: _MapRun) -> EnrichResult:
        result = EnrichResult(run.skeleton)
        descriptions = dict(run.plan.cached_descriptions)
        try:
            if run.plan.pages_to_describe:
                descriptions |= await self._describe(run, result)
            # In a thread: the wording is compared with the text of all pages.
            result.outline = await asyncio.to_thread(apply_descriptions, run.skeleton, descriptions, run.pages)
            if run.plan.chains["outline"]:
                described = result.outline
                await self._outline(run, result)
                result.outline = await asyncio.to_thread(grounded_outline, result.outline, described, run.pages)
            elif descriptions:
                first = run.plan.chains["describe"][0]
                result.provider, result.model = first.provider, first.model
        except OutOfTokens as error:
            result.fallback = _out_of_tokens_note(error.resets_at)
        except SessionGone:
            raise
        except ProviderError as error:
            result.fallback = map_note("models_failed", reason=error.reason)
        if result.fallback is not None:
            # Where no page was described, the fallback says so: "only some pages" would not be true.
            result.notes = [*(result.notes if descriptions else []), result.fallback]
        return result

    async def _describe(self, run: _MapRun, result: EnrichResult) -> dict[str, PageDescription]:
        """The new descriptions by page id; notes missing ones in `result`. Raises SessionGone, OutOfTokens."""
        plan, num_pages = run.plan, len(run.pages)
        request = replace(run.request, targets=plan.chains["describe"])
        finished = asyncio.Event()
        reporting = asyncio.ensure_future(self._report_progress(run, finished))
        try:
            described = await self._tasks.describe(request, page_batches(plan.pages_to_describe))
        finally:
            finished.set()
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        if described.is_session_deleted:
            raise SessionGone("all", "session_gone")
        num_failed = len(plan.pages_to_describe) - len(described.pages)
        if num_failed:
            reasons = ", ".join(sorted(described.failures)) or "no answer"
            note = map_note("pages_not_described", count=num_failed, total=num_pages, reasons=reasons)
            result.notes.append(note)
        log.info("pages_described", num_pages=len(described.pages), num_failed=num_failed)
        if described.out_of_tokens_until is not None:
            raise OutOfTokens(plan.estimate.tokens, 0, described.out_of_tokens_until)
        return {page.page_id: page for page in described.pages}

    async def _outline(self, run: _MapRun, result: EnrichResult) -> None:
        """Replace the outline of `result` by a cached or a new one of the model chain."""
        targets, scope = run.plan.chains["outline"], run.request.scope
        skeleton = redact_outline(result.outline, run.plan.secret_fragments)
        digest = outline_digest(skeleton, run.request.language, run.nonce)
        async with self._pool.connection() as connection:
            cached = await load_outline(connection, scope.user_id, scope.session_id, targets, digest)
        if cached is not None:
            result.outline, result.provider, result.model = cached
            return
        request = replace(run.request, targets=targets)
        result.outline, target = await self._tasks.outline(request, skeleton, digest)
        result.provider, result.model = target.provider, target.model
        if target != targets[0]:
            result.notes.append(map_note("provider_replaced", expected=targets[0].provider, provider=target.provider))

    async def _report_progress(self, run: _MapRun, finished: asyncio.Event) -> None:
        # Progress is read from the response cache, because the tasks may run on any machine.
        digests = [payload.digest for payload in run.plan.pages_to_describe]
        num_pages = len(run.pages)
        num_cached_before = num_pages - len(digests)
        while run.on_progress is not None and not await _is_set_within(_WATCH_S, finished):
            async with self._pool.connection() as connection:
                num_cached = await count_cached_digests(connection, run.request.scope.user_id, digests)
            await run.on_progress(num_cached_before + num_cached, num_pages)

    async def _watch_for_deletion(self, session_id: uuid.UUID, finished: asyncio.Event) -> None:
        """Return when the session or its account is deleted, or when `finished` is set."""
        while not await _is_set_within(_WATCH_S, finished):
            async with self._pool.connection() as connection:
                if not await session_accepts_calls(connection, session_id):
                    return


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    """Whether `event` is set within `seconds`.

    Background loops end by an event and not by cancellation alone, because a cancellation can be lost: in Python 3.11
    `asyncio.wait_for` drops one that coincides with its result. The loop would then run on, and the map would wait for
    it.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _out_of_tokens_note(resets_at: datetime) -> MapNote:
    return map_note("out_of_tokens", until=f"{resets_at:%Y-%m-%d}")


def build_enricher(
    settings: Settings,
    pool: AsyncConnectionPool[Any],
    tasks: ProviderTasks,
    *,
    run_id: str | None = None,
    choice: ModelChoice | None = None,
) -> Enricher | None:
    """The enricher for these settings; None when no provider is configured. `run_id` and `choice`: see Enricher."""
    endpoints = provider_endpoints(settings)
    if not endpoints:
        return None
    engine = create_async_engine(settings.database.sqlalchemy_url, poolclass=NullPool)
    return Enricher(
        pool,
        endpoints,
        tasks,
        user_limits_loader(engine, settings.default_plan),
        openai_model=settings.providers.openai_model,
        stores_texts=settings.privacy.ai_text_retention_days > 0,
        run_id=run_id,
        choice=choice,
    )
