"""Limits, prices and capabilities of models. Prices and context sizes come from the data bundled in `genai-prices`."""

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
    """The limits and capabilities of a model. A limit of None means unlimited.

    `credits_unused_tokens` says whether the vendor counts the generated tokens against the tokens per minute, so that
    the unused part of a reservation can be spent again; other vendors count the requested maximum.
    `reasoning_overhead_tokens` are output tokens that a reasoning model may spend before its response starts.
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


# Each vendor's first paid tier, as a safe start. The vendor's response headers replace the limits; limits of the
# configuration are ceilings (see docs/providers.md).
_VENDORS: dict[str, ModelSpec] = {
    "openai": ModelSpec(128_000, 16_000, 500.0, 200_000.0, 32),
    "anthropic": ModelSpec(200_000, 32_000, 50.0, 40_000.0, 16, credits_unused_tokens=True),
    "gemini": ModelSpec(1_000_000, 32_000, 150.0, 1_000_000.0, 16, reasoning_overhead_tokens=1500),
}
_UNKNOWN_CONTEXT_TOKENS = 32_000
#: A self-hosted server has no quota, only a concurrency limit.
_SELF_HOSTED_MAX_CONCURRENT = 8
_PRICE_PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
# Reasoning models reject the temperature parameter.
_REASONING_PREFIXES = ("gpt-5", "gpt-6", "o1", "o3", "o4")

#: The chains without configuration; providers without a key are skipped. Describing needs a cheap model for much text,
#: outlining a capable one for little.
DEFAULT_CHAINS: dict[str, tuple[tuple[str, str], ...]] = {
    "describe": (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"), ("gemini", "gemini-3.5-flash-lite")),
    "outline": (("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6.1-terra"), ("gemini", "gemini-3.8-flash")),
}


#: The vendors whose models make maps.
VENDORS = tuple(_VENDORS)


@lru_cache(maxsize=256)
def catalog_spec(provider: str, model: str) -> ModelSpec:
    """The specification of a model; conservative limits for a model that is not in the price data."""
    spec = _VENDORS[provider]
    if provider == "openai" and model.startswith(_REASONING_PREFIXES):
        spec = replace(spec, supports_temperature=False, reasoning_overhead_tokens=1500)
    price = _price(provider, model, Usage())
    if price is None:
        return replace(spec, context_tokens=_UNKNOWN_CONTEXT_TOKENS, max_output_tokens=8_000, has_price=False)
    return replace(spec, context_tokens=price.model.context_window or spec.context_tokens)


def effective_spec(target: ModelTarget) -> ModelSpec:
    """The specification of a target's model with the limits of its configuration."""
    spec = catalog_spec(target.provider, target.model)
    if target.is_self_hosted:
        spec = replace(
            spec, requests_per_minute=None, tokens_per_minute=None, max_concurrent=_SELF_HOSTED_MAX_CONCURRENT
        )
    return replace(
        spec,
        context_tokens=target.context_tokens or spec.context_tokens,
        max_output_tokens=target.max_output_tokens or spec.max_output_tokens,
        requests_per_minute=target.requests_per_minute or spec.requests_per_minute,
        tokens_per_minute=target.tokens_per_minute or spec.tokens_per_minute,
        max_concurrent=target.max_concurrent or spec.max_concurrent,
    )


def cost_micros(target: ModelTarget, usage: Usage) -> int:
    """The price of a call in micro-dollars, rounded up; 0 for a model without a price, such as a self-hosted one."""
    price = _price(target.provider, target.model, usage)
    return 0 if price is None else math.ceil(price.total_price * 1_000_000)


def _price(provider: str, model: str, usage: Usage) -> Any:
    # Imported here, because its data take a third of a second to load, and maps without models do not need them.
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
