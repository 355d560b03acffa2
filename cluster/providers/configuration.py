"""Which providers there are, and who does which task: keys from the settings, the rest from the `ai_configs` table.

The table is read anew for every map, so that a change takes effect at once on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from pydantic import SecretStr

from cluster.providers.model_catalog import DEFAULT_CHAINS
from cluster.providers.types import ModelTarget, Transport
from cluster.settings import Settings

DEFAULT_TIMEOUT_S = 60.0
MAX_CHAIN_LENGTH = 10


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """How one provider is reached. No address means the vendor's own."""

    api_key: SecretStr
    base_url: str | None = None


def provider_endpoints(settings: Settings) -> dict[str, ProviderEndpoint]:
    """The providers that can be used, by name. Empty when no key is set: then everything is local."""
    given = {
        "openai": (settings.openai_api_key, settings.openai_base_url),
        "anthropic": (settings.anthropic_api_key, settings.anthropic_base_url),
        "gemini": (settings.gemini_api_key, settings.gemini_base_url),
    }
    found = {}
    for name, (key, base_url) in given.items():
        if name == "openai" and key is None and base_url is not None:
            # A server of one's own asks for no key; the SDK insists on some.
            key = SecretStr("none")
        if key is not None and key.get_secret_value().strip():
            found[name] = ProviderEndpoint(key, base_url)
    return found


def open_transport(provider: str, access: ProviderEndpoint) -> Transport:
    """The vendor's SDK, imported only now: each takes seconds to load."""
    key = access.api_key.get_secret_value()
    if provider == "openai":
        from cluster.providers.transports.openai_chat import OpenAITransport

        return OpenAITransport(key, access.base_url)
    if provider == "anthropic":
        from cluster.providers.transports.anthropic_messages import AnthropicTransport

        return AnthropicTransport(key, access.base_url)
    from cluster.providers.transports.gemini_generate import GeminiTransport

    return GeminiTransport(key, access.base_url)


async def load_chains(
    connection: AsyncConnection[Any], endpoints: Mapping[str, ProviderEndpoint], openai_model: str | None = None
) -> dict[str, tuple[ModelTarget, ...]]:
    """For each task the models in the order they are tried, of those that can be reached; empty means local."""
    cursor = await connection.execute(
        "SELECT task_type, chain, temperature, max_output_tokens, timeout_s, is_enabled FROM ai_configs"
    )
    rows = {row[0]: row[1:] for row in await cursor.fetchall()}
    return {
        task: _chain(task, rows.get(task) or rows.get("default"), endpoints, openai_model) for task in DEFAULT_CHAINS
    }


def _chain(
    task: str, row: Sequence[Any] | None, endpoints: Mapping[str, ProviderEndpoint], openai_model: str | None
) -> tuple[ModelTarget, ...]:
    if row is None:
        links: list[dict[str, Any]] = [
            {"provider": provider, "model": openai_model if provider == "openai" and openai_model else model}
            for provider, model in DEFAULT_CHAINS[task]
        ]
        temperature, max_output_tokens, timeout_s, is_enabled = None, None, None, True
    else:
        links, temperature, max_output_tokens, timeout_s, is_enabled = row
    if not is_enabled:
        return ()
    found: list[ModelTarget] = []
    for link in links[:MAX_CHAIN_LENGTH]:
        if link["provider"] == "local":
            break
        if link["provider"] not in endpoints:
            continue
        target = ModelTarget(
            provider=link["provider"],
            model=link["model"],
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
            requests_per_minute=link.get("requests_per_minute"),
            tokens_per_minute=link.get("tokens_per_minute"),
            max_concurrent=link.get("max_concurrent"),
            context_tokens=link.get("context_tokens"),
            is_self_hosted=link["provider"] == "openai" and endpoints["openai"].base_url is not None,
        )
        if target.key not in {one.key for one in found}:
            found.append(target)
    return tuple(found)
