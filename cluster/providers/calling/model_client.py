"""A vendor's model as a provider: the two operations, each checked, with one chance to put a fault right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.gather_all import all_of
from cluster.providers.model_catalog import facts_of
from cluster.providers.prompting import merge
from cluster.providers.prompting.prompts import (
    BARE_TOPIC_TOKENS,
    PAGE_TOKENS,
    RICH_TOPIC_TOKENS,
    Names,
    describe_prompt,
    merge_prompt,
    outline_prompt,
    prompt_tokens,
    repaired,
)
from cluster.providers.prompting.responses import (
    Descriptions,
    MergedDraft,
    OutlineDraft,
    Verdict,
    check_descriptions,
    check_merge,
    check_outline,
    read_answer,
)
from cluster.providers.types import (
    Answer,
    AnswerUnusable,
    FormatRefused,
    ModelChoice,
    PageCard,
    PageDescription,
    Prompt,
    ProviderError,
    SessionGone,
)
from models.billing.ledger import OutOfTokens

#: Pages one describing call takes: few enough that a failure loses little.
PAGES_PER_CALL = 5
#: Pages one outlining call takes, where the model has room for them.
PAGES_PER_OUTLINE = 160

Value = TypeVar("Value")


class Made(Protocol):
    """A call that was made and answered."""

    @property
    def answer(self) -> Answer: ...

    async def reject(self) -> None:
        """The answer is of no use: nobody pays for it."""
        ...


class Asker(Protocol):
    """Makes calls: waits for the limiter, reserves, asks, settles, logs."""

    async def call(self, choice: ModelChoice, operation: str, prompt: Prompt, max_tokens: int) -> Made:
        """Raises ProviderError, OutOfTokens."""
        ...


def pages_per_outline(choice: ModelChoice) -> int:
    """How many pages fit one outlining call, by the model's context and its tokens a minute."""
    facts = facts_of(choice)
    room = facts.context_tokens * 0.6
    if facts.tokens_per_minute:
        room = min(room, facts.tokens_per_minute * 0.5)
    if facts.max_output_tokens:
        room = min(room, (facts.max_output_tokens - 1500) * 5)
    return max(
        10, min(PAGES_PER_OUTLINE, int((room - 4000) / (PAGE_TOKENS + BARE_TOPIC_TOKENS + RICH_TOPIC_TOKENS // 2 + 40)))
    )


def sized(prompt: Prompt, choice: ModelChoice) -> Prompt:
    """`prompt` with as much room for the answer as the model needs and has."""
    facts = facts_of(choice)
    room = min(facts.max_output_tokens, prompt.max_output_tokens + facts.thinking_room)
    return replace(prompt, max_output_tokens=room)


class ModelProvider:
    """One model of one vendor. See MapProvider."""

    def __init__(self, choice: ModelChoice, asker: Asker) -> None:
        self.choice, self._asker = choice, asker

    @property
    def name(self) -> str:
        """The vendor."""
        return self.choice.provider

    async def describe(self, cards: Sequence[PageCard], language: str) -> list[PageDescription]:
        """Descriptions of at most PAGES_PER_CALL pages; some may be missing when even a second answer lacks them."""

        def read(answer: Answer) -> tuple[list[PageDescription] | None, Verdict]:
            found, verdict = read_answer(answer.text, Descriptions, is_truncated=answer.is_truncated)
            if found is None:
                return None, verdict
            told, verdict = check_descriptions(found, cards)
            return told or None, verdict

        return await self._ask("summarize", describe_prompt(cards), read)

    async def outline(self, skeleton: Outline, language: str) -> Outline:
        """See MapProvider. A session too long for one call is outlined in parts, which are then brought together."""
        parts = merge.split(skeleton, pages_per_outline(self.choice))
        if len(parts) <= 1:
            return await self._outline(skeleton, language)
        done = await all_of(*(self._outline(part, language) for part in parts))
        whole = merge.joined(skeleton, done)
        names = {f"t{number}": topic for number, topic in enumerate(whole.topics, 1)}

        def read(answer: Answer) -> tuple[Outline | None, Verdict]:
            draft, verdict = read_answer(answer.text, MergedDraft, is_truncated=answer.is_truncated)
            if draft is None:
                return None, verdict
            verdict = check_merge(draft, list(names))
            return (None if verdict.fatal else merge.with_merged(whole, draft, names)), verdict

        return await self._ask("mindmap", merge_prompt(whole, names, language), read)

    async def _outline(self, skeleton: Outline, language: str) -> Outline:
        names = Names(skeleton)

        def read(answer: Answer) -> tuple[Outline | None, Verdict]:
            draft, verdict = read_answer(answer.text, OutlineDraft, is_truncated=answer.is_truncated)
            if draft is None:
                return None, verdict
            verdict = check_outline(draft, names)
            return (None if verdict.fatal else merge.with_draft(skeleton, draft, names)), verdict

        return await self._ask("mindmap", outline_prompt(skeleton, names, language), read)

    async def _ask(
        self, operation: str, prompt: Prompt, read: Callable[[Answer], tuple[Value | None, Verdict]]
    ) -> Value:
        # The second attempt reserves no more than the first, so that what was quoted stays the ceiling.
        prompt = sized(prompt, self.choice)
        max_tokens = prompt_tokens(prompt)
        made = await self._call(operation, prompt, max_tokens)
        value, verdict = read(made.answer)
        if value is not None and not verdict.problems:
            return value
        if value is None:
            # Given back before anything else can happen: nobody pays for what cannot be used.
            await made.reject()
        try:
            again = await self._call(operation, repaired(prompt, made.answer.text, verdict.problems), max_tokens)
        except SessionGone:
            raise
        except (ProviderError, OutOfTokens):
            if value is not None:
                return value
            raise
        second, second_verdict = read(again.answer)
        if second is None:
            await again.reject()
            if value is not None:
                return value
            raise AnswerUnusable(self.name, "unusable_answer", second_verdict.problems)
        if value is not None:
            await made.reject()
        return second

    async def _call(self, operation: str, prompt: Prompt, max_tokens: int) -> Made:
        for _ in range(2):
            try:
                return await self._asker.call(self.choice, operation, prompt, max_tokens)
            except FormatRefused:
                # A call like any other, which the limiter and the ledger know of; the next is asked more plainly.
                continue
        return await self._asker.call(self.choice, operation, prompt, max_tokens)
