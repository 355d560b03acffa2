"""What models cost and can do. Prices and context sizes come from `genai-prices`, whose data are bundled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import structlog

from cluster.providers.types import ModelChoice, Usage

log = structlog.get_logger("providers")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What to know of a model before asking it. A limit of None is none.

    `credits_unused` says whether the vendor counts what was really generated against tokens per minute, so that the
    rest of a reservation may be used again; otherwise it counts what was asked for. `thinking_room` are output tokens
    a model may spend before it begins to answer.
    """

    context_tokens: int
    max_output_tokens: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_concurrent: int
    takes_temperature: bool = True
    credits_unused: bool = False
    thinking_room: int = 0
    has_price: bool = True


# The limits are those of a vendor's first paid tier, to begin safely. What the vendor's own headers say takes their
# place with the first answer; what the configuration sets is a ceiling (see docs/providers.md).
_VENDORS: dict[str, ModelFacts] = {
    "openai": ModelFacts(128_000, 16_000, 500.0, 200_000.0, 32),
    "anthropic": ModelFacts(200_000, 32_000, 50.0, 40_000.0, 16, credits_unused=True),
    "gemini": ModelFacts(1_000_000, 32_000, 150.0, 1_000_000.0, 16, thinking_room=1500),
}
_UNKNOWN_CONTEXT = 32_000
#: A server of one's own has no quota, only so many calls it can work on.
_OWN_SERVER_CALLS = 8
_PRICED_AS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
# Models that think take no temperature.
_THINKING = ("gpt-5", "gpt-6", "o1", "o3", "o4")

PROVIDERS = tuple(_VENDORS)
#: Who does what when nobody configured anything: the first whose key is set, the others behind it. Describing is much
#: text and little thought, outlining the reverse.
DEFAULT_CHAINS: dict[str, tuple[tuple[str, str], ...]] = {
    "describe": (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"), ("gemini", "gemini-3.5-flash-lite")),
    "outline": (("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6.1-terra"), ("gemini", "gemini-3.8-flash")),
}


@lru_cache(maxsize=256)
def model_facts(provider: str, model: str) -> ModelFacts:
    """What is known of a model; of one nobody knows, what is safe to assume."""
    facts = _VENDORS[provider]
    if provider == "openai" and model.startswith(_THINKING):
        facts = replace(facts, takes_temperature=False, thinking_room=1500)
    price = _price(provider, model, Usage())
    if price is None:
        return replace(facts, context_tokens=_UNKNOWN_CONTEXT, max_output_tokens=8_000, has_price=False)
    return replace(facts, context_tokens=price.model.context_window or facts.context_tokens)


def facts_of(choice: ModelChoice) -> ModelFacts:
    """The same, with the limits the configuration sets."""
    facts = model_facts(choice.provider, choice.model)
    if choice.is_own_server:
        facts = replace(facts, requests_per_minute=None, tokens_per_minute=None, max_concurrent=_OWN_SERVER_CALLS)
    return replace(
        facts,
        context_tokens=choice.context_tokens or facts.context_tokens,
        max_output_tokens=choice.max_output_tokens or facts.max_output_tokens,
        requests_per_minute=choice.requests_per_minute or facts.requests_per_minute,
        tokens_per_minute=choice.tokens_per_minute or facts.tokens_per_minute,
        max_concurrent=choice.max_concurrent or facts.max_concurrent,
    )


def cost_micros(choice: ModelChoice, usage: Usage) -> int:
    """What a call cost in micro-dollars, rounded up; nothing for a model without a price, as on one's own machine."""
    price = _price(choice.provider, choice.model, usage)
    return 0 if price is None else math.ceil(price.total_price * 1_000_000)


def _price(provider: str, model: str, usage: Usage) -> Any:
    # Imported here, because its data take a third of a second to load and the local path never needs them.
    import genai_prices

    try:
        return genai_prices.calc_price(
            genai_prices.Usage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
            ),
            model_ref=model,
            provider_id=_PRICED_AS[provider],
        )
    except LookupError:
        return None
