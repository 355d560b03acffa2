"""A vendor's model as a provider: the two operations, each checked, with one chance to put a fault right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.gather_all import gather_all
from cluster.providers.model_catalog import effective_spec
from cluster.providers.prompting import merge
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

#: Pages one describing call takes: few enough that a failure loses little.
PAGES_PER_CALL = 5
#: Pages one outlining call takes, where the model has room for them.
PAGES_PER_OUTLINE = 160

Value = TypeVar("Value")


class ModelCall(Protocol):
    """A call that was made and answered."""

    @property
    def response(self) -> ModelResponse: ...

    async def reject(self) -> None:
        """The answer is of no use: nobody pays for it."""
        ...


class ModelClient(Protocol):
    """Makes calls: waits for the limiter, reserves, asks, settles, logs."""

    async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> ModelCall:
        """Raises ProviderError, OutOfTokens."""
        ...


def pages_per_outline(target: ModelTarget) -> int:
    """How many pages fit one outlining call, by the model's context and its tokens a minute."""
    facts = effective_spec(target)
    room = facts.context_tokens * 0.6
    if facts.tokens_per_minute:
        room = min(room, facts.tokens_per_minute * 0.5)
    if facts.max_output_tokens:
        room = min(room, (facts.max_output_tokens - 1500) * 5)
    return max(
        10, min(PAGES_PER_OUTLINE, int((room - 4000) / (PAGE_TOKENS + BARE_TOPIC_TOKENS + RICH_TOPIC_TOKENS // 2 + 40)))
    )


def with_output_limit(prompt: Prompt, target: ModelTarget) -> Prompt:
    """`prompt` with as much room for the answer as the model needs and has."""
    facts = effective_spec(target)
    room = min(facts.max_output_tokens, prompt.max_output_tokens + facts.reasoning_overhead_tokens)
    return replace(prompt, max_output_tokens=room)


class ModelProvider:
    """One model of one vendor. See MapProvider."""

    def __init__(self, target: ModelTarget, client: ModelClient) -> None:
        self.target, self._client = target, client

    @property
    def name(self) -> str:
        """The vendor."""
        return self.target.provider

    async def describe(self, payloads: Sequence[PagePayload], language: str) -> list[PageDescription]:
        """Descriptions of at most PAGES_PER_CALL pages; some may be missing when even a second answer lacks them."""

        def read(answer: ModelResponse) -> tuple[list[PageDescription] | None, Validation]:
            found, verdict = parse_response(answer.text, DescribeResponse, is_truncated=answer.is_truncated)
            if found is None:
                return None, verdict
            told, verdict = validate_descriptions(found, payloads)
            return told or None, verdict

        return await self._request("summarize", describe_prompt(payloads), read)

    async def outline(self, skeleton: Outline, language: str) -> Outline:
        """See MapProvider. A session too long for one call is outlined in parts, which are then brought together."""
        parts = merge.split_outline(skeleton, pages_per_outline(self.target))
        if len(parts) <= 1:
            return await self._outline(skeleton, language)
        done = await gather_all(*(self._outline(part, language) for part in parts))
        whole = merge.join_outlines(skeleton, done)
        names = {f"t{number}": topic for number, topic in enumerate(whole.topics, 1)}

        def read(answer: ModelResponse) -> tuple[Outline | None, Validation]:
            draft, verdict = parse_response(answer.text, MergedDraft, is_truncated=answer.is_truncated)
            if draft is None:
                return None, verdict
            verdict = validate_merge(draft, list(names))
            return (None if verdict.fatal else merge.apply_merge_draft(whole, draft, names)), verdict

        return await self._request("mindmap", merge_prompt(names, language), read)

    async def _outline(self, skeleton: Outline, language: str) -> Outline:
        names = PromptAliases(skeleton)

        def read(answer: ModelResponse) -> tuple[Outline | None, Validation]:
            draft, verdict = parse_response(answer.text, OutlineDraft, is_truncated=answer.is_truncated)
            if draft is None:
                return None, verdict
            verdict = validate_outline(draft, names)
            return (None if verdict.fatal else merge.apply_outline_draft(skeleton, draft, names)), verdict

        return await self._request("mindmap", outline_prompt(skeleton, names, language), read)

    async def _request(
        self, operation: str, prompt: Prompt, read: Callable[[ModelResponse], tuple[Value | None, Validation]]
    ) -> Value:
        # The second attempt reserves no more than the first, so that what was quoted stays the ceiling.
        prompt = with_output_limit(prompt, self.target)
        max_tokens = estimate_prompt_tokens(prompt)
        made = await self._call(operation, prompt, max_tokens)
        value, verdict = read(made.response)
        if value is not None and not verdict.problems:
            return value
        if value is None:
            # Given back before anything else can happen: nobody pays for what cannot be used.
            await made.reject()
        try:
            again = await self._call(operation, repair_prompt(prompt, made.response.text, verdict.problems), max_tokens)
        except SessionGone:
            raise
        except (ProviderError, OutOfTokens):
            if value is not None:
                return value
            raise
        second, second_verdict = read(again.response)
        if second is None:
            await again.reject()
            if value is not None:
                return value
            raise UnusableResponse(self.name, "unusable_answer", second_verdict.problems)
        if value is not None:
            await made.reject()
        return second

    async def _call(self, operation: str, prompt: Prompt, max_tokens: int) -> ModelCall:
        for _ in range(2):
            try:
                return await self._client.call(self.target, operation, prompt, max_tokens)
            except ResponseFormatRefused:
                # A call like any other, which the limiter and the ledger know of; the next is asked more plainly.
                continue
        return await self._client.call(self.target, operation, prompt, max_tokens)
