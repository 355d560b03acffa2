"""OpenAI's chat completions, also as spoken by vLLM, Ollama and other compatible servers."""

from __future__ import annotations

import uuid
from typing import Any

import openai

from cluster.providers.catalog import facts_of
from cluster.providers.protocol import (
    Answer,
    ModelChoice,
    Prompt,
    ProviderDown,
    ProviderRefused,
    ProviderTimedOut,
    Usage,
)
from cluster.providers.vendor_errors import error_for, hints_in

OFFICIAL_URL = "https://api.openai.com/v1"


class OpenAITransport:
    """Asks through the official SDK, which is told not to retry."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        # Given explicitly, because the SDK would otherwise look into the environment.
        self._client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url or OFFICIAL_URL, max_retries=0)
        self._is_official = base_url is None

    async def ask(self, prompt: Prompt, choice: ModelChoice, call_id: uuid.UUID) -> Answer:
        """See Transport."""
        messages: list[Any] = [
            {"role": "system", "content": prompt.instructions},
            {"role": "user", "content": prompt.data},
        ]
        if prompt.earlier is not None:
            messages += [
                {"role": "assistant", "content": prompt.earlier[0]},
                {"role": "user", "content": prompt.earlier[1]},
            ]
        # Untyped, because the SDK's overloads want literals.
        more: dict[str, Any] = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": prompt.schema_name, "strict": True, "schema": dict(prompt.schema)},
            }
        }
        if self._is_official and facts_of(choice).thinking_room:
            more["reasoning_effort"] = "low"
        if choice.temperature is not None and facts_of(choice).takes_temperature:
            more["temperature"] = choice.temperature
        # Compatible servers know the older name of the limit.
        more["max_completion_tokens" if self._is_official else "max_tokens"] = prompt.max_output_tokens
        try:
            raw = await self._client.chat.completions.with_raw_response.create(
                model=choice.model,
                messages=messages,
                timeout=choice.timeout_s,
                extra_headers={"Idempotency-Key": str(call_id)},
                **more,
            )
            found = raw.parse()
        except openai.APITimeoutError as error:
            raise ProviderTimedOut("openai", "timeout") from error
        except openai.APIStatusError as error:
            raise error_for("openai", error.status_code, error.response.headers) from error
        except openai.APIConnectionError as error:
            raise ProviderDown("openai", "connection") from error
        except (openai.APIError, ValueError) as error:
            raise ProviderDown("openai", "not_an_answer") from error
        if not found.choices:
            raise ProviderDown("openai", "empty_answer")
        first = found.choices[0]
        if first.finish_reason == "content_filter" or first.message.refusal:
            raise ProviderRefused("openai", "content_filter")
        return Answer(
            text=first.message.content or "",
            usage=_usage(found.usage),
            request_id=raw.headers.get("x-request-id") or found.id,
            is_truncated=first.finish_reason == "length",
            hints=hints_in(raw.headers),
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()


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
