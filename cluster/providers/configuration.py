"""The reachable providers and the model chain of each task: keys from the settings, the rest from `ai_configs`.

The table is read for every map, so that a change applies at once on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from cluster.providers.model_catalog import DEFAULT_CHAINS
from cluster.providers.types import LOCAL_PROVIDER, ModelTarget, Transport
from cluster.settings import Settings
from models.ai_calls import TaskConfig, load_task_configs
from models.database import Connection

DEFAULT_TIMEOUT_S = 60.0
MAX_CHAIN_LENGTH = 10


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """The key and the base URL of one provider; without a URL, the vendor's own API."""

    api_key: SecretStr
    base_url: str | None = None


def provider_endpoints(settings: Settings) -> dict[str, ProviderEndpoint]:
    """The configured providers by name. Empty without any key: then every map is local."""
    configured = {
        "openai": (settings.providers.openai_api_key, settings.providers.openai_base_url),
        "anthropic": (settings.providers.anthropic_api_key, settings.providers.anthropic_base_url),
        "gemini": (settings.providers.gemini_api_key, settings.providers.gemini_base_url),
    }
    endpoints = {}
    for name, (key, base_url) in configured.items():
        if name == "openai" and key is None and base_url is not None:
            # A self-hosted server needs no key, but the SDK requires one.
            key = SecretStr("none")
        if key is not None and key.get_secret_value().strip():
            endpoints[name] = ProviderEndpoint(key, base_url)
    return endpoints


def open_transport(provider: str, endpoint: ProviderEndpoint) -> Transport:
    """The transport of a vendor. Its SDK is imported on the first use, because each takes seconds to load."""
    key = endpoint.api_key.get_secret_value()
    if provider == "openai":
        from cluster.providers.transports.openai_chat import OpenAITransport

        return OpenAITransport(key, endpoint.base_url)
    if provider == "anthropic":
        from cluster.providers.transports.anthropic_messages import AnthropicTransport

        return AnthropicTransport(key, endpoint.base_url)
    from cluster.providers.transports.gemini_generate import GeminiTransport

    return GeminiTransport(key, endpoint.base_url)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The provider that a regeneration run uses instead of the configured chains; without `model`, its default one."""

    provider: str
    model: str | None = None


async def load_chains(
    connection: Connection,
    endpoints: Mapping[str, ProviderEndpoint],
    openai_model: str | None = None,
    choice: ModelChoice | None = None,
) -> dict[str, tuple[ModelTarget, ...]]:
    """The reachable models of each task in the order in which they are tried; an empty chain means local.

    `openai_model` replaces the model of OpenAI in the default chains. With `choice`, each chain is that model alone,
    with the configured call parameters.
    """
    configs = await load_task_configs(connection)
    if choice is not None:
        return {task: _chosen_chain(task, configs, endpoints, choice, openai_model) for task in DEFAULT_CHAINS}
    return {
        task: _chain(configs.get(task) or configs.get("default") or _default_config(task, openai_model), endpoints)
        for task in DEFAULT_CHAINS
    }


def _chosen_chain(
    task: str,
    configs: Mapping[str, TaskConfig],
    endpoints: Mapping[str, ProviderEndpoint],
    choice: ModelChoice,
    openai_model: str | None,
) -> tuple[ModelTarget, ...]:
    default = _default_config(task, openai_model)
    config = configs.get(task) or configs.get("default") or default
    links = [
        link
        for link in (*config.chain, *default.chain)
        if link["provider"] == choice.provider and choice.model in (None, link["model"])
    ]
    link = links[0] if links else {"provider": choice.provider, "model": choice.model}
    return _chain(replace(config, chain=[link], is_enabled=True), endpoints)


def _default_config(task: str, openai_model: str | None) -> TaskConfig:
    return TaskConfig(
        [
            {"provider": provider, "model": openai_model if provider == "openai" and openai_model else model}
            for provider, model in DEFAULT_CHAINS[task]
        ]
    )


def _chain(config: TaskConfig, endpoints: Mapping[str, ProviderEndpoint]) -> tuple[ModelTarget, ...]:
    if not config.is_enabled:
        return ()
    targets: dict[str, ModelTarget] = {}
    for link in config.chain[:MAX_CHAIN_LENGTH]:
        if link["provider"] == LOCAL_PROVIDER:
            break
        if link["provider"] in endpoints:
            target = _target(link, config, endpoints[link["provider"]])
            targets.setdefault(target.key, target)
    return tuple(targets.values())


def _target(link: Mapping[str, Any], config: TaskConfig, endpoint: ProviderEndpoint) -> ModelTarget:
    return ModelTarget(
        provider=link["provider"],
        model=link["model"],
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        timeout_s=config.timeout_s or DEFAULT_TIMEOUT_S,
        requests_per_minute=link.get("requests_per_minute"),
        tokens_per_minute=link.get("tokens_per_minute"),
        max_concurrent=link.get("max_concurrent"),
        context_tokens=link.get("context_tokens"),
        is_self_hosted=link["provider"] == "openai" and endpoint.base_url is not None,
    )
