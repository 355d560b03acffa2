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
from cluster.providers.calling.call_context import Connections, Desk, DeskParts, WorkOrder, open_desk
from cluster.providers.calling.gather_all import all_of
from cluster.providers.calling.model_client import sized
from cluster.providers.calling.provider_chain import NoProvider
from cluster.providers.prompting.prompts import describe_prompt, prompt_tokens
from cluster.providers.response_cache import save_description, save_outline
from cluster.providers.types import ModelChoice, PageCard, PageDescription, SessionGone
from models.billing.ledger import OutOfTokens

log = structlog.get_logger("providers")

#: Calls one task has out at a time: they wait for the network, so one process can hold many.
CALLS_PER_TASK = 16


@dataclass(slots=True)
class Described:
    """What came of describing: the descriptions, who made how many, why pages went without."""

    pages: list[PageDescription] = field(default_factory=list)
    by_model: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    out_of_tokens_until: datetime | None = None
    is_session_gone: bool = False

    def add(self, other: Described) -> None:
        """Take in what another task has done."""
        self.pages += other.pages
        self.by_model += other.by_model
        self.failures += other.failures
        self.out_of_tokens_until = self.out_of_tokens_until or other.out_of_tokens_until
        self.is_session_gone = self.is_session_gone or other.is_session_gone


async def describe_batches(
    parts: DeskParts,
    order: WorkOrder,
    batches: Sequence[Sequence[PageCard]],
    connections: Connections | None = None,
) -> Described:
    """Describe every batch, a bounded number at a time, and keep each answer as soon as it is there.

    A batch that fails costs only itself. Never raises for a provider's fault.
    """
    done = Described()
    gate = asyncio.Semaphore(CALLS_PER_TASK)
    num_waiting = len(batches)
    expect = (0, 0)
    if order.choices and batches:
        largest = max(
            prompt_tokens(sized(describe_prompt(cards), order.choices[0])) for cards in batches[:CALLS_PER_TASK]
        )
        expect = (largest, min(num_waiting, CALLS_PER_TASK))
    async with open_desk(parts, order, more=lambda: num_waiting, expect=expect) as desk:

        async def one(cards: Sequence[PageCard]) -> None:
            nonlocal num_waiting
            async with gate:
                num_waiting -= 1
                if done.out_of_tokens_until is not None or done.is_session_gone:
                    return
                await _describe_one(desk, order, cards, done)

        await all_of(*(one(cards) for cards in batches))
    return done


def _first_calls(order: WorkOrder, batches: Sequence[Sequence[PageCard]]) -> tuple[int, int]:
    """How many tokens the first calls may use each, and how many they are."""
    if not order.choices:
        return 0, 0
    prompts = [sized(describe_prompt(cards), order.choices[0]) for cards in batches]
    return max(map(prompt_tokens, prompts), default=0), len(prompts)


async def _describe_one(desk: Desk, order: WorkOrder, cards: Sequence[PageCard], done: Described) -> None:
    try:
        told, provider = await desk.chain.run(lambda provider: provider.describe(cards, order.language))
    except OutOfTokens as error:
        done.out_of_tokens_until = error.resets_at
        return
    except SessionGone:
        done.is_session_gone = True
        return
    except NoProvider as error:
        done.failures[error.reason] += len(cards)
        return
    by_id = {card.page_id: card for card in cards}
    async with desk.pool.connection() as connection, connection.transaction():
        for page in told:
            await save_description(
                connection, order.scope.user_id, order.scope.session_id, provider.choice, by_id[page.page_id], page
            )
    done.pages += told
    done.by_model[provider.choice.key] += len(told)


async def outline_session(
    parts: DeskParts, order: WorkOrder, skeleton: Outline, digest: str, connections: Connections | None = None
) -> tuple[Outline, ModelChoice]:
    """A better outline, and who made it. Raises NoProvider, OutOfTokens, SessionGone."""
    async with open_desk(parts, order, connections=connections) as desk:
        outline, provider = await desk.chain.run(lambda provider: provider.outline(skeleton, order.language))
        async with desk.pool.connection() as connection:
            await save_outline(
                connection, order.scope.user_id, order.scope.session_id, provider.choice, digest, outline
            )
    return outline, provider.choice
