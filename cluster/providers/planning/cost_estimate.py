"""The upper bound of a map's tokens and cost, by the same arithmetic that reserves the tokens of each call."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.providers.calling.model_client import PAGES_PER_CALL, pages_per_outline
from cluster.providers.model_catalog import cost_micros, effective_spec
from cluster.providers.prompting import prompts
from cluster.providers.token_estimate import OVERHEAD_TOKENS, estimate_tokens
from cluster.providers.types import ModelTarget, PagePayload, Usage


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Upper bounds: `tokens` are the most that is charged, `cost_micros` (micro-dollars) the most that is billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    num_calls: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens, which the user's allowance must cover."""
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
) -> CostEstimate:
    """The upper bound of describing `payloads` and outlining `num_pages`, by the largest target of each chain."""
    total = CostEstimate()
    if describe_targets and payloads:
        total += _largest(_describe_cost(target, payloads) for target in describe_targets)
    if outline_targets and num_pages:
        total += _largest(_outline_cost(target, num_pages) for target in outline_targets)
    return total


def page_batches(payloads: Sequence[PagePayload]) -> list[list[PagePayload]]:
    """The payloads in batches of one call each."""
    return [list(payloads[start : start + PAGES_PER_CALL]) for start in range(0, len(payloads), PAGES_PER_CALL)]


def _largest(estimates: Iterable[CostEstimate]) -> CostEstimate:
    return max(estimates, key=lambda estimate: estimate.tokens)


def _describe_cost(target: ModelTarget, payloads: Sequence[PagePayload]) -> CostEstimate:
    overhead = effective_spec(target).reasoning_overhead_tokens
    total = CostEstimate()
    for batch in page_batches(payloads):
        prompt = prompts.describe_prompt(batch)
        input_tokens = prompts.estimate_prompt_tokens(prompt) - prompt.max_output_tokens
        total += _call_cost(target, input_tokens, prompt.max_output_tokens + overhead)
    return total


def _outline_cost(target: ModelTarget, num_pages: int) -> CostEstimate:
    overhead = effective_spec(target).reasoning_overhead_tokens
    per_call = pages_per_outline(target)
    # Topics are not divided, so that a part may be filled to little more than a half.
    num_parts = 1 if num_pages <= per_call else -(-2 * num_pages // per_call)
    fixed_tokens = OVERHEAD_TOKENS + estimate_tokens(
        prompts.OUTLINE_INSTRUCTIONS + json.dumps(prompts.OUTLINE_SCHEMA) + "x" * 200
    )
    # Every page may be a topic of its own; only a topic of two or more pages has keywords and searches.
    tokens_per_page = prompts.PAGE_TOKENS + prompts.BARE_TOPIC_TOKENS + prompts.RICH_TOPIC_TOKENS / 2
    total = _call_cost(
        target,
        fixed_tokens * num_parts + math.ceil(tokens_per_page * num_pages),
        prompts.outline_output_tokens(num_pages)
        + (num_parts - 1) * prompts.outline_output_tokens(0)
        + overhead * num_parts,
    )
    if num_parts > 1:
        tokens_per_topic = prompts.BARE_TOPIC_TOKENS + prompts.TOPIC_SUMMARY_TOKENS + prompts.RICH_TOPIC_TOKENS
        # Validation rejects a response with more topics than a third of its pages (responses.validate_outline).
        max_topics = num_pages // 3 + 12 * num_parts
        total += _call_cost(
            target, fixed_tokens + tokens_per_topic * max_topics, prompts.merge_output_tokens(max_topics) + overhead
        )
    return total


def _call_cost(target: ModelTarget, input_tokens: int, output_tokens: int) -> CostEstimate:
    cost = cost_micros(target, Usage(input_tokens, output_tokens))
    return CostEstimate(input_tokens, output_tokens, cost, 1)
