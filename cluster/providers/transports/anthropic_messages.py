"""Anthropic's Messages API."""

from __future__ import annotations

import uuid

import anthropic

from cluster.providers.transports.vendor_calls import chat_messages, temperature_option, translate_sdk_errors
from cluster.providers.transports.vendor_errors import rate_limit_hints
from cluster.providers.types import ModelResponse, ModelTarget, Prompt, ProviderRefused, Usage

OFFICIAL_URL = "https://api.anthropic.com"
_MAX_TEMPERATURE = 1.0


class AnthropicTransport:
    """Sends prompts through the official SDK, with its retries disabled. See types.Transport."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url or OFFICIAL_URL, max_retries=0)

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """See Transport."""
        with translate_sdk_errors("anthropic", anthropic):
            raw = await self._client.messages.with_raw_response.create(
                model=target.model,
                max_tokens=prompt.max_output_tokens,
                system=prompt.instructions,
                messages=chat_messages(prompt),
                output_config={"format": {"type": "json_schema", "schema": dict(prompt.schema)}},
                timeout=target.timeout_s,
                extra_headers={"Idempotency-Key": str(call_id)},
                **temperature_option(target, _MAX_TEMPERATURE),
            )
            message = await raw.parse()
        if message.stop_reason == "refusal":
            raise ProviderRefused("anthropic", "content_filter")
        return ModelResponse(
            text="".join(block.text for block in message.content if block.type == "text"),
            usage=_usage(message.usage),
            request_id=raw.headers.get("request-id") or message.id,
            is_truncated=message.stop_reason == "max_tokens",
            hints=rate_limit_hints(raw.headers),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _usage(usage: anthropic.types.Usage) -> Usage:
    cached_tokens = usage.cache_read_input_tokens or 0
    return Usage(
        # Unlike the other vendors, Anthropic counts cached tokens beside the input tokens.
        input_tokens=usage.input_tokens + cached_tokens + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        cached_tokens=cached_tokens,
        reasoning_tokens=int(getattr(usage.output_tokens_details, "thinking_tokens", 0) or 0),
    )
