"""The two pieces of work with models: describing pages in batches, and outlining. Coroutines; where they run is decided
in `provider_tasks`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

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

log = structlog.get_logger("providers")

#: Calls one task has out at a time: they wait for the network, so one process can hold many.
CALLS_PER_TASK = 16


@dataclass(slots=True)
class DescribeResult:
    """What came of describing: the descriptions, who made how many, why pages went without."""

    pages: list[PageDescription] = field(default_factory=list)
    by_model: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    out_of_tokens_until: datetime | None = None
    is_session_deleted: bool = False

    def merge(self, other: DescribeResult) -> None:
        """Take in what another task has done."""
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
    """Describe every batch, a bounded number at a time, and keep each answer as soon as it is there.

    A batch that fails costs only itself. Never raises for a provider's fault.
    """
    done = DescribeResult()
    gate = asyncio.Semaphore(CALLS_PER_TASK)
    num_waiting = len(batches)
    expect = (0, 0)
    if request.targets and batches:
        largest = max(
            estimate_prompt_tokens(with_output_limit(describe_prompt(payloads), request.targets[0]))
            for payloads in batches[:CALLS_PER_TASK]
        )
        expect = (largest, min(num_waiting, CALLS_PER_TASK))
    async with open_call_context(
        config, request, connections=connections, num_pending=lambda: num_waiting, prefetch=expect
    ) as desk:

        async def one(payloads: Sequence[PagePayload]) -> None:
            nonlocal num_waiting
            async with gate:
                num_waiting -= 1
                if done.out_of_tokens_until is not None or done.is_session_deleted:
                    return
                await _describe_batch(desk, request, payloads, done)

        await gather_all(*(one(payloads) for payloads in batches))
    return done


async def _describe_batch(
    desk: CallContext, order: CallRequest, payloads: Sequence[PagePayload], done: DescribeResult
) -> None:
    try:
        told, provider = await desk.chain.run(lambda provider: provider.describe(payloads, order.language))
    except OutOfTokens as error:
        done.out_of_tokens_until = error.resets_at
        return
    except SessionGone:
        done.is_session_deleted = True
        return
    except NoProviderAvailable as error:
        done.failures[error.reason] += len(payloads)
        return
    by_id = {payload.page_id: payload for payload in payloads}
    async with desk.pool.connection() as connection, connection.transaction():
        for page in told:
            await save_description(
                connection, order.scope.user_id, order.scope.session_id, provider.target, by_id[page.page_id], page
            )
    done.pages += told
    done.by_model[provider.target.key] += len(told)


async def refine_outline(
    config: CallContextConfig,
    request: CallRequest,
    skeleton: Outline,
    digest: str,
    connections: ProviderConnections | None = None,
) -> tuple[Outline, ModelTarget]:
    """A better outline, and who made it. Raises NoProvider, OutOfTokens, SessionGone."""
    async with open_call_context(config, request, connections=connections) as desk:
        outline, provider = await desk.chain.run(lambda provider: provider.outline(skeleton, request.language))
        async with desk.pool.connection() as connection:
            await save_outline(
                connection, request.scope.user_id, request.scope.session_id, provider.target, digest, outline
            )
    return outline, provider.target
