"""Anthropic's messages."""

from __future__ import annotations

import uuid
from typing import Any

import anthropic

from cluster.providers.model_catalog import effective_spec
from cluster.providers.transports.vendor_calls import chat_messages, translate_sdk_errors
from cluster.providers.transports.vendor_errors import rate_limit_hints
from cluster.providers.types import ModelResponse, ModelTarget, Prompt, ProviderRefused, Usage

OFFICIAL_URL = "https://api.anthropic.com"


class AnthropicTransport:
    """Asks through the official SDK, which is told not to retry."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url or OFFICIAL_URL, max_retries=0)

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """See Transport."""
        more: dict[str, Any] = {}
        if target.temperature is not None and effective_spec(target).supports_temperature:
            more["temperature"] = min(1.0, target.temperature)
        with translate_sdk_errors("anthropic", anthropic):
            raw = await self._client.messages.with_raw_response.create(
                model=target.model,
                max_tokens=prompt.max_output_tokens,
                system=prompt.instructions,
                messages=chat_messages(prompt),
                output_config={"format": {"type": "json_schema", "schema": dict(prompt.schema)}},
                timeout=target.timeout_s,
                extra_headers={"Idempotency-Key": str(call_id)},
                **more,
            )
            found = await raw.parse()
        if found.stop_reason == "refusal":
            raise ProviderRefused("anthropic", "content_filter")
        usage = found.usage
        cached = usage.cache_read_input_tokens or 0
        details = usage.output_tokens_details
        return ModelResponse(
            text="".join(block.text for block in found.content if block.type == "text"),
            # Here alone cached tokens stand beside the input, not in it.
            usage=Usage(
                input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
                output_tokens=usage.output_tokens,
                cached_tokens=cached,
                reasoning_tokens=int(getattr(details, "thinking_tokens", 0) or 0),
            ),
            request_id=raw.headers.get("request-id") or found.id,
            is_truncated=found.stop_reason == "max_tokens",
            hints=rate_limit_hints(raw.headers),
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()
