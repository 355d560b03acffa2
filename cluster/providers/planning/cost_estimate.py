"""What a map may cost at most, before it is made. The same arithmetic reserves the tokens while it is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.providers.calling.model_client import PAGES_PER_CALL, pages_per_outline
from cluster.providers.model_catalog import cost_micros, facts_of
from cluster.providers.prompting import prompts
from cluster.providers.token_estimate import OVERHEAD_TOKENS, estimate_tokens
from cluster.providers.types import ModelChoice, PageCard, Usage


@dataclass(frozen=True, slots=True)
class Quote:
    """Ceilings: `input_tokens` and `output_tokens` together are what may be charged."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    num_calls: int = 0

    @property
    def tokens(self) -> int:
        """What is compared with the plan."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Quote) -> Quote:
        return Quote(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_micros + other.cost_micros,
            self.num_calls + other.num_calls,
        )


def quote_map(
    describing: Sequence[ModelChoice],
    outlining: Sequence[ModelChoice],
    cards: Sequence[PageCard],
    num_pages: int,
    *,
    has_outline: bool = False,
) -> Quote:
    """The ceiling of describing `cards` and outlining `num_pages`, by the dearest model of each chain."""
    total = Quote()
    if describing and cards:
        total += max((_describing(choice, cards) for choice in describing), key=lambda quote: quote.tokens)
    if outlining and num_pages and not has_outline:
        total += max((_outlining(choice, num_pages) for choice in outlining), key=lambda quote: quote.tokens)
    return total


def batches_of(cards: Sequence[PageCard]) -> list[list[PageCard]]:
    """The cards as they are sent: a few to a call."""
    return [list(cards[start : start + PAGES_PER_CALL]) for start in range(0, len(cards), PAGES_PER_CALL)]


def _describing(choice: ModelChoice, cards: Sequence[PageCard]) -> Quote:
    total = Quote()
    for batch in batches_of(cards):
        prompt = prompts.describe_prompt(batch)
        output = prompt.max_output_tokens + facts_of(choice).thinking_room
        total += _quote(choice, prompts.prompt_tokens(prompt) - prompt.max_output_tokens, output)
    return total


def _outlining(choice: ModelChoice, num_pages: int) -> Quote:
    room = facts_of(choice).thinking_room
    per_call = pages_per_outline(choice)
    # Topics are kept whole, so that parts may be filled to little more than a half.
    num_parts = 1 if num_pages <= per_call else -(-2 * num_pages // per_call)
    fixed = OVERHEAD_TOKENS + estimate_tokens(
        prompts.OUTLINE_INSTRUCTIONS + json.dumps(prompts.OUTLINE_SCHEMA) + "x" * 200
    )
    # Every page may be a topic of its own; only one of two pages or more has keywords and searches.
    per_page = prompts.PAGE_TOKENS + prompts.BARE_TOPIC_TOKENS + prompts.RICH_TOPIC_TOKENS / 2
    total = _quote(
        choice,
        fixed * num_parts + math.ceil(per_page * num_pages),
        prompts.outline_output_tokens(num_pages)
        + (num_parts - 1) * prompts.outline_output_tokens(0)
        + room * num_parts,
    )
    if num_parts > 1:
        per_topic = prompts.BARE_TOPIC_TOKENS + prompts.TOPIC_SUMMARY_TOKENS + prompts.RICH_TOPIC_TOKENS
        # An answer with more topics than a third of its pages is refused (see answers.check_outline).
        topics = num_pages // 3 + 12 * num_parts
        total += _quote(choice, fixed + per_topic * topics, prompts.merge_output_tokens(topics) + room)
    return total


def _quote(choice: ModelChoice, input_tokens: int, output_tokens: int) -> Quote:
    cost = cost_micros(choice, Usage(input_tokens, output_tokens))
    return Quote(input_tokens, output_tokens, cost, 1)
