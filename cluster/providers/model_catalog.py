"""What models cost and can do. Prices and context sizes come from `genai-prices`, whose data are bundled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import structlog

from cluster.providers.types import ModelTarget, Usage

log = structlog.get_logger("providers")


@dataclass(frozen=True, slots=True)
class ModelSpec:
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
    supports_temperature: bool = True
    credits_unused_tokens: bool = False
    reasoning_overhead_tokens: int = 0
    has_price: bool = True


# The limits are those of a vendor's first paid tier, to begin safely. What the vendor's own headers say takes their
# place with the first answer; what the configuration sets is a ceiling (see docs/providers.md).
_VENDORS: dict[str, ModelSpec] = {
    "openai": ModelSpec(128_000, 16_000, 500.0, 200_000.0, 32),
    "anthropic": ModelSpec(200_000, 32_000, 50.0, 40_000.0, 16, credits_unused_tokens=True),
    "gemini": ModelSpec(1_000_000, 32_000, 150.0, 1_000_000.0, 16, reasoning_overhead_tokens=1500),
}
_UNKNOWN_CONTEXT_TOKENS = 32_000
#: A server of one's own has no quota, only so many calls it can work on.
_SELF_HOSTED_MAX_CONCURRENT = 8
_PRICE_PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
# Models that think take no temperature.
_REASONING_PREFIXES = ("gpt-5", "gpt-6", "o1", "o3", "o4")

#: Who does what when nobody configured anything: the first whose key is set, the others behind it. Describing is much
#: text and little thought, outlining the reverse.
DEFAULT_CHAINS: dict[str, tuple[tuple[str, str], ...]] = {
    "describe": (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"), ("gemini", "gemini-3.5-flash-lite")),
    "outline": (("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6.1-terra"), ("gemini", "gemini-3.8-flash")),
}


@lru_cache(maxsize=256)
def catalog_spec(provider: str, model: str) -> ModelSpec:
    """What is known of a model; of one nobody knows, what is safe to assume."""
    facts = _VENDORS[provider]
    if provider == "openai" and model.startswith(_REASONING_PREFIXES):
        facts = replace(facts, supports_temperature=False, reasoning_overhead_tokens=1500)
    price = _price(provider, model, Usage())
    if price is None:
        return replace(facts, context_tokens=_UNKNOWN_CONTEXT_TOKENS, max_output_tokens=8_000, has_price=False)
    return replace(facts, context_tokens=price.model.context_window or facts.context_tokens)


def effective_spec(target: ModelTarget) -> ModelSpec:
    """The same, with the limits the configuration sets."""
    facts = catalog_spec(target.provider, target.model)
    if target.is_self_hosted:
        facts = replace(
            facts, requests_per_minute=None, tokens_per_minute=None, max_concurrent=_SELF_HOSTED_MAX_CONCURRENT
        )
    return replace(
        facts,
        context_tokens=target.context_tokens or facts.context_tokens,
        max_output_tokens=target.max_output_tokens or facts.max_output_tokens,
        requests_per_minute=target.requests_per_minute or facts.requests_per_minute,
        tokens_per_minute=target.tokens_per_minute or facts.tokens_per_minute,
        max_concurrent=target.max_concurrent or facts.max_concurrent,
    )


def cost_micros(target: ModelTarget, usage: Usage) -> int:
    """What a call cost in micro-dollars, rounded up; nothing for a model without a price, as on one's own machine."""
    price = _price(target.provider, target.model, usage)
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
            provider_id=_PRICE_PROVIDER_IDS[provider],
        )
    except LookupError:
        return None
