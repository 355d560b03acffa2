"""What a map may cost at most, before it is made. The same arithmetic reserves the tokens while it is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.providers.calling.model_client import PAGES_PER_CALL, pages_per_outline
from cluster.providers.model_catalog import cost_micros, effective_spec
from cluster.providers.prompting import prompts
from cluster.providers.token_estimate import OVERHEAD_TOKENS, estimate_tokens
from cluster.providers.types import ModelTarget, PagePayload, Usage


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Ceilings: `input_tokens` and `output_tokens` together are what may be charged."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    num_calls: int = 0

    @property
    def tokens(self) -> int:
        """What is compared with the plan."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: CostEstimate) -> CostEstimate:
        return CostEstimate(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_micros + other.cost_micros,
            self.num_calls + other.num_calls,
        )


def estimate_map_cost(
    describe_targets: Sequence[ModelTarget],
    outline_targets: Sequence[ModelTarget],
    payloads: Sequence[PagePayload],
    num_pages: int,
    *,
    has_outline: bool = False,
) -> CostEstimate:
    """The ceiling of describing `payloads` and outlining `num_pages`, by the dearest model of each chain."""
    total = CostEstimate()
    if describe_targets and payloads:
        total += max((_describe_cost(target, payloads) for target in describe_targets), key=lambda quote: quote.tokens)
    if outline_targets and num_pages and not has_outline:
        total += max((_outline_cost(target, num_pages) for target in outline_targets), key=lambda quote: quote.tokens)
    return total


def page_batches(payloads: Sequence[PagePayload]) -> list[list[PagePayload]]:
    """The payloads as they are sent: a few to a call."""
    return [list(payloads[start : start + PAGES_PER_CALL]) for start in range(0, len(payloads), PAGES_PER_CALL)]


def _describe_cost(target: ModelTarget, payloads: Sequence[PagePayload]) -> CostEstimate:
    total = CostEstimate()
    for batch in page_batches(payloads):
        prompt = prompts.describe_prompt(batch)
        output = prompt.max_output_tokens + effective_spec(target).reasoning_overhead_tokens
        total += _call_cost(target, prompts.estimate_prompt_tokens(prompt) - prompt.max_output_tokens, output)
    return total


def _outline_cost(target: ModelTarget, num_pages: int) -> CostEstimate:
    room = effective_spec(target).reasoning_overhead_tokens
    per_call = pages_per_outline(target)
    # Topics are kept whole, so that parts may be filled to little more than a half.
    num_parts = 1 if num_pages <= per_call else -(-2 * num_pages // per_call)
    fixed = OVERHEAD_TOKENS + estimate_tokens(
        prompts.OUTLINE_INSTRUCTIONS + json.dumps(prompts.OUTLINE_SCHEMA) + "x" * 200
    )
    # Every page may be a topic of its own; only one of two pages or more has keywords and searches.
    per_page = prompts.PAGE_TOKENS + prompts.BARE_TOPIC_TOKENS + prompts.RICH_TOPIC_TOKENS / 2
    total = _call_cost(
        target,
        fixed * num_parts + math.ceil(per_page * num_pages),
        prompts.outline_output_tokens(num_pages)
        + (num_parts - 1) * prompts.outline_output_tokens(0)
        + room * num_parts,
    )
    if num_parts > 1:
        per_topic = prompts.BARE_TOPIC_TOKENS + prompts.TOPIC_SUMMARY_TOKENS + prompts.RICH_TOPIC_TOKENS
        # An answer with more topics than a third of its pages is refused (see answers.check_outline).
        topics = num_pages // 3 + 12 * num_parts
        total += _call_cost(target, fixed + per_topic * topics, prompts.merge_output_tokens(topics) + room)
    return total


def _call_cost(target: ModelTarget, input_tokens: int, output_tokens: int) -> CostEstimate:
    cost = cost_micros(target, Usage(input_tokens, output_tokens))
    return CostEstimate(input_tokens, output_tokens, cost, 1)
