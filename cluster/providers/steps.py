"""The two steps that call models: describing pages in batches, and refining the outline.

Both are coroutines; `cluster.providers.tasks` decides in which process they run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import (
    CallContext,
    CallContextConfig,
    CallRequest,
    ProviderConnections,
    open_call_context,
)
from cluster.providers.calling.gather_all import gather_all
from cluster.providers.calling.model_client import with_output_limit
from cluster.providers.calling.provider_chain import NoProviderAvailable
from cluster.providers.prompting.prompts import describe_prompt, estimate_prompt_tokens
from cluster.providers.response_cache import save_description, save_outline
from cluster.providers.types import ModelTarget, PageDescription, PagePayload, SessionGone
from models.billing.ledger import OutOfTokens

#: Concurrent calls of one task. They wait for the network, so that one process can hold many.
CALLS_PER_TASK = 16
#: A call runs for so long, at least, before the one that may follow it is prepared: not while it is being sent.
_PREPARE_AFTER_S = 0.05


@dataclass(slots=True)
class DescribeResult:
    """The descriptions, their number by model, and the number of pages without one by reason."""

    pages: list[PageDescription] = field(default_factory=list)
    by_model: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    out_of_tokens_until: datetime | None = None
    is_session_deleted: bool = False

    def merge(self, other: DescribeResult) -> None:
        """Add the result of another task."""
        self.pages += other.pages
        self.by_model += other.by_model
        self.failures += other.failures
        self.out_of_tokens_until = self.out_of_tokens_until or other.out_of_tokens_until
        self.is_session_deleted = self.is_session_deleted or other.is_session_deleted


async def describe_pages(
    config: CallContextConfig,
    request: CallRequest,
    batches: Sequence[Sequence[PagePayload]],
    connections: ProviderConnections | None = None,
) -> DescribeResult:
    """Describe every batch, at most CALLS_PER_TASK at a time, and cache each response as soon as it is valid.

    A batch that fails affects only its own pages: provider errors, spent tokens and a deleted session are part of the
    result. `connections` are those of the process; without them the function opens its own.
    """
    result = DescribeResult()
    semaphore = asyncio.Semaphore(CALLS_PER_TASK)
    num_pending = len(batches)
    loop = asyncio.get_running_loop()
    async with open_call_context(
        config,
        request,
        connections=connections,
        num_pending=lambda: num_pending,
        prefetch=_first_calls(request, batches),
    ) as context:

        def prepare(payloads: Sequence[PagePayload]) -> None:
            provider = context.chain.next_provider()
            if provider is not None and not result.failures and result.out_of_tokens_until is None:
                provider.prepare_describe(payloads)

        async def describe(payloads: Sequence[PagePayload], later: Sequence[Sequence[PagePayload]]) -> None:
            nonlocal num_pending
            async with semaphore:
                num_pending -= 1
                if result.out_of_tokens_until is not None or result.is_session_deleted:
                    return
                # The batch that probably starts when this one has ended.
                timers = [loop.call_later(_PREPARE_AFTER_S, prepare, following) for following in later[:1]]
                try:
                    described = await _describe_batch(context, request, payloads, result)
                finally:
                    for timer in timers:
                        timer.cancel()
            if described is not None:
                # The next call does not wait for the charge and the cache.
                await _save_descriptions(context, request, payloads, *described)
                result.pages += described[0]
                result.by_model[described[1].key] += len(described[0])

        await gather_all(
            *(describe(payloads, batches[number + CALLS_PER_TASK :]) for number, payloads in enumerate(batches))
        )
    return result


def _first_calls(request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> tuple[int, int]:
    """The upper bound of tokens of the calls that start at once, and their number."""
    if not request.targets:
        return 0, 0
    first = batches[:CALLS_PER_TASK]
    prompts = (with_output_limit(describe_prompt(payloads), request.targets[0]) for payloads in first)
    return max(map(estimate_prompt_tokens, prompts), default=0), len(first)


async def _describe_batch(
    context: CallContext, request: CallRequest, payloads: Sequence[PagePayload], result: DescribeResult
) -> tuple[list[PageDescription], ModelTarget] | None:
    """The descriptions and their model; None, noted in `result`, when there are none."""
    try:
        descriptions, provider = await context.chain.run(lambda provider: provider.describe(payloads, request.language))
    except OutOfTokens as error:
        result.out_of_tokens_until = error.resets_at
    except SessionGone:
        result.is_session_deleted = True
    except NoProviderAvailable as error:
        result.failures[error.reason] += len(payloads)
    else:
        return descriptions, provider.target
    return None


async def _save_descriptions(
    context: CallContext,
    request: CallRequest,
    payloads: Sequence[PagePayload],
    descriptions: Sequence[PageDescription],
    target: ModelTarget,
) -> None:
    scope = request.scope
    payload_of = {payload.page_id: payload for payload in payloads}
    await context.client.wait_until_charged()
    async with context.pool.connection() as connection, connection.transaction():
        for page in descriptions:
            await save_description(connection, scope.user_id, scope.session_id, target, payload_of[page.page_id], page)


async def refine_outline(
    config: CallContextConfig,
    request: CallRequest,
    skeleton: Outline,
    digest: str,
    connections: ProviderConnections | None = None,
) -> tuple[Outline, ModelTarget]:
    """The outline improved by a model, cached under `digest`, and the model that made it.

    Raises:
        NoProviderAvailable: every model of the chain failed.
        OutOfTokens: the user's tokens do not cover the call.
        SessionGone: the session or the account was deleted.
    """
    async with open_call_context(config, request, connections=connections) as context:
        outline, provider = await context.chain.run(lambda provider: provider.outline(skeleton, request.language))
        await context.client.wait_until_charged()
        async with context.pool.connection() as connection:
            await save_outline(
                connection, request.scope.user_id, request.scope.session_id, provider.target, digest, outline
            )
    return outline, provider.target
