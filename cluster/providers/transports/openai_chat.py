"""OpenAI's chat completions, also as spoken by vLLM, Ollama and other compatible servers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import openai

from cluster.providers.model_catalog import effective_spec
from cluster.providers.transports.vendor_calls import chat_messages, translate_sdk_errors
from cluster.providers.transports.vendor_errors import rate_limit_hints
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    Prompt,
    ProviderDown,
    ProviderRefused,
    ResponseFormatRefused,
    Usage,
)

OFFICIAL_URL = "https://api.openai.com/v1"
_FORMATS = ("json_schema", "json_object", "text")
#: The best form of answer each compatible server is known to take, by address and model, for as long as we run.
_supported_formats: dict[tuple[str, str], int] = {}


class OpenAITransport:
    """Asks through the official SDK, which is told not to retry."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        # Given explicitly, because the SDK would otherwise look into the environment.
        self._client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url or OFFICIAL_URL, max_retries=0)
        self._base_url = base_url

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """See Transport. Raises FormatRefused when a compatible server is to be asked again in a plainer way."""
        facts, instructions = effective_spec(target), prompt.instructions
        more: dict[str, Any] = {}
        if target.temperature is not None and facts.supports_temperature:
            more["temperature"] = target.temperature
        form = 0
        if self._base_url is None:
            more["max_completion_tokens"] = prompt.max_output_tokens
            if facts.reasoning_overhead_tokens:
                more["reasoning_effort"] = "low"
        else:
            # Compatible servers know the older name of the limit. Some take no schema, some take it and do not mind it.
            more["max_tokens"] = prompt.max_output_tokens
            form = _supported_formats.get((self._base_url, target.model), 0)
            instructions += f"\nThe JSON schema of the answer:\n{json.dumps(prompt.schema)}\n"
        if _FORMATS[form] == "json_schema":
            schema = {"name": prompt.schema_name, "strict": True, "schema": dict(prompt.schema)}
            more["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif _FORMATS[form] == "json_object":
            more["response_format"] = {"type": "json_object"}
        # Untyped, because the SDK's overloads want literals.
        said: list[Any] = [{"role": "system", "content": instructions}, *chat_messages(prompt)]
        try:
            with translate_sdk_errors("openai", openai):
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=target.model,
                    messages=said,
                    timeout=target.timeout_s,
                    extra_headers={"Idempotency-Key": str(call_id)},
                    **more,
                )
                found = raw.parse()
        except ProviderRefused as error:
            if self._base_url is None or error.reason not in _FORMAT_REASONS:
                raise
            if form + 1 == len(_FORMATS):
                # It was not the form that was refused.
                _supported_formats.pop((self._base_url, target.model), None)
                raise
            # Calls made side by side meet the same refusal: one step down for all of them.
            _supported_formats[self._base_url, target.model] = form + 1
            raise ResponseFormatRefused("openai", f"no_{_FORMATS[form]}") from error
        if not found.choices:
            raise ProviderDown("openai", "empty_answer")
        first = found.choices[0]
        if first.finish_reason == "content_filter" or first.message.refusal:
            raise ProviderRefused("openai", "content_filter")
        return ModelResponse(
            text=first.message.content or "",
            usage=_usage(found.usage),
            request_id=raw.headers.get("x-request-id") or found.id,
            is_truncated=first.finish_reason == "length",
            hints=rate_limit_hints(raw.headers),
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()


_FORMAT_REASONS = {"bad_request", "status_422", "status_415"}


def _usage(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning_tokens=(output.reasoning_tokens or 0) if output else 0,
    )
