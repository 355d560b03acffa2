"""A vendor's model with two operations, describe and outline. Each response is validated, with one repair attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.gather_all import gather_all
from cluster.providers.model_catalog import effective_spec
from cluster.providers.prompting import merge, outline_parts
from cluster.providers.prompting.prompts import (
    BARE_TOPIC_TOKENS,
    PAGE_TOKENS,
    RICH_TOPIC_TOKENS,
    PromptAliases,
    describe_prompt,
    estimate_prompt_tokens,
    merge_prompt,
    outline_prompt,
    repair_prompt,
)
from cluster.providers.prompting.responses import (
    DescribeResponse,
    MergedDraft,
    OutlineDraft,
    Validation,
    parse_response,
    validate_descriptions,
    validate_merge,
    validate_outline,
)
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    PageDescription,
    PagePayload,
    Prompt,
    ProviderError,
    ResponseFormatRefused,
    SessionGone,
    UnusableResponse,
)
from models.billing.ledger import OutOfTokens

#: Pages per describe call: few, so that a failure loses little.
PAGES_PER_CALL = 5
#: Pages per outline call, where the model's limits allow as many.
PAGES_PER_OUTLINE = 160

Value = TypeVar("Value")
#: Parses and validates a response; the value is None when the response cannot be used at all.
ReadResponse = Callable[[ModelResponse], tuple[Value | None, Validation]]


class ModelCall(Protocol):
    """A completed and charged call."""

    @property
    def response(self) -> ModelResponse: ...

    async def reject(self) -> None:
        """Refund the call: its response is unusable. Idempotent."""
        ...


class ModelClient(Protocol):
    """Makes calls: waits for a permit, reserves tokens, sends the prompt, settles and logs the call."""

    async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> ModelCall:
        """Send `prompt` once; `operation` is the ledger's. Raises ProviderError, OutOfTokens."""
        ...

    def record_ahead(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> None:
        """Prepare a call that will be made soon, while others run."""
        ...


def pages_per_outline(target: ModelTarget) -> int:
    """The number of pages that fit one outline call, by the context, rate and output limits of the model."""
    spec = effective_spec(target)
    prompt_budget = spec.context_tokens * 0.6
    if spec.tokens_per_minute:
        prompt_budget = min(prompt_budget, spec.tokens_per_minute * 0.5)
    if spec.max_output_tokens:
        prompt_budget = min(prompt_budget, (spec.max_output_tokens - 1500) * 5)
    tokens_per_page = PAGE_TOKENS + BARE_TOPIC_TOKENS + RICH_TOPIC_TOKENS // 2 + 40
    return max(10, min(PAGES_PER_OUTLINE, int((prompt_budget - 4000) / tokens_per_page)))


def with_output_limit(prompt: Prompt, target: ModelTarget) -> Prompt:
    """`prompt` with room for the model's reasoning in its output limit, within the limit of the model."""
    spec = effective_spec(target)
    limit = min(spec.max_output_tokens, prompt.max_output_tokens + spec.reasoning_overhead_tokens)
    return replace(prompt, max_output_tokens=limit)


class ModelProvider:
    """One model of one vendor."""

    def __init__(self, target: ModelTarget, client: ModelClient) -> None:
        self.target, self._client = target, client

    @property
    def name(self) -> str:
        """The vendor, as in the `provider` field of a map."""
        return self.target.provider

    async def describe(self, payloads: Sequence[PagePayload], language: str) -> list[PageDescription]:
        """The descriptions of at most PAGES_PER_CALL pages. Pages that the repaired response lacks are missing.

        Raises:
            ProviderError: the call failed or its response is unusable.
            OutOfTokens: the user's tokens do not cover the call.
        """

        def read(response: ModelResponse) -> tuple[list[PageDescription] | None, Validation]:
            parsed, validation = parse_response(response.text, DescribeResponse, is_truncated=response.is_truncated)
            if parsed is None:
                return None, validation
            descriptions, validation = validate_descriptions(parsed, payloads)
            return descriptions or None, validation

        return await self._request("summarize", describe_prompt(payloads), read)

    def prepare_describe(self, payloads: Sequence[PagePayload]) -> None:
        """Prepare the call that will describe these pages, while others run."""
        prompt = with_output_limit(describe_prompt(payloads), self.target)
        self._client.record_ahead(self.target, "summarize", prompt, estimate_prompt_tokens(prompt))

    async def outline(self, skeleton: Outline, language: str) -> Outline:
        """`skeleton` renamed, regrouped and described. A long session is outlined in parts, which a last call merges.

        Raises:
            ProviderError: a call failed or its response is unusable.
            OutOfTokens: the user's tokens do not cover the calls.
        """
        parts = outline_parts.split_outline(skeleton, pages_per_outline(self.target))
        if len(parts) <= 1:
            return await self._outline(skeleton, language)
        outlined = await gather_all(*(self._outline(part, language) for part in parts))
        joined = outline_parts.join_outlines(skeleton, outlined)
        topics = {f"t{number}": topic for number, topic in enumerate(joined.topics, 1)}

        def read(response: ModelResponse) -> tuple[Outline | None, Validation]:
            draft, validation = parse_response(response.text, MergedDraft, is_truncated=response.is_truncated)
            if draft is None:
                return None, validation
            validation = validate_merge(draft, list(topics))
            return (None if validation.fatal else outline_parts.apply_merge_draft(joined, draft, topics)), validation

        return await self._request("mindmap", merge_prompt(topics, language), read)

    async def _outline(self, skeleton: Outline, language: str) -> Outline:
        aliases = PromptAliases(skeleton)

        def read(response: ModelResponse) -> tuple[Outline | None, Validation]:
            draft, validation = parse_response(response.text, OutlineDraft, is_truncated=response.is_truncated)
            if draft is None:
                return None, validation
            validation = validate_outline(draft, aliases)
            return (None if validation.fatal else merge.apply_outline_draft(skeleton, draft, aliases)), validation

        return await self._request("mindmap", outline_prompt(skeleton, aliases, language), read)

    async def _request(self, operation: str, prompt: Prompt, read: ReadResponse[Value]) -> Value:
        """The value of a valid response. A response with problems gets one repair attempt; only one call is charged."""
        prompt = with_output_limit(prompt, self.target)
        # The repair reserves no more than the first attempt, so that the cost estimate stays a ceiling.
        max_tokens = estimate_prompt_tokens(prompt)
        first_call = await self._call(operation, prompt, max_tokens)
        value, validation = read(first_call.response)
        if value is not None and not validation.problems:
            return value
        if value is None:
            # Refunded before the repair, which may fail: an unusable response is never charged.
            await first_call.reject()
        try:
            repair = repair_prompt(prompt, first_call.response.text, validation.problems)
            second_call = await self._call(operation, repair, max_tokens)
        except SessionGone:
            raise
        except (ProviderError, OutOfTokens):
            if value is not None:
                return value
            raise
        repaired, repaired_validation = read(second_call.response)
        if repaired is None:
            await second_call.reject()
            if value is not None:
                return value
            raise UnusableResponse(self.name, "unusable_answer", repaired_validation.problems)
        if value is not None:
            await first_call.reject()
        return repaired

    async def _call(self, operation: str, prompt: Prompt, max_tokens: int) -> ModelCall:
        for _ in range(2):
            try:
                return await self._client.call(self.target, operation, prompt, max_tokens)
            except ResponseFormatRefused:
                # The transport requests a simpler format in the next call, which is limited and charged like any other.
                continue
        return await self._client.call(self.target, operation, prompt, max_tokens)
