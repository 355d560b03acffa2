"""Google's Gemini API (generateContent)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from cluster.providers.transports.vendor_calls import conversation_turns
from cluster.providers.transports.vendor_errors import error_from_status, rate_limit_hints
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    Prompt,
    ProviderDown,
    ProviderRefused,
    ProviderTimedOut,
    Usage,
)

OFFICIAL_URL = "https://generativelanguage.googleapis.com/"
#: Finish reasons of a response that a content filter has blocked.
_BLOCKED_REASONS = {"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"}


class GeminiTransport:
    """Sends prompts through the official SDK, with its retries disabled. See types.Transport."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        # Our own client, because the SDK would otherwise use aiohttp where it is installed, with a warning.
        self._http = httpx2.AsyncClient()
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url or OFFICIAL_URL,
                # The API version that accepts a plain JSON schema.
                api_version="v1beta",
                httpx_async_client=self._http,
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """See Transport."""
        contents: list[Any] = [
            types.Content(role="model" if is_model else "user", parts=[types.Part(text=text)])
            for is_model, text in conversation_turns(prompt)
        ]
        try:
            response = await self._client.aio.models.generate_content(
                model=target.model,
                contents=contents,
                config=types.GenerateContentConfig(
                    system_instruction=prompt.instructions,
                    response_mime_type="application/json",
                    response_json_schema=dict(prompt.schema),
                    max_output_tokens=prompt.max_output_tokens,
                    temperature=target.temperature,
                    http_options=types.HttpOptions(timeout=int(target.timeout_s * 1000)),
                ),
            )
        except errors.APIError as error:
            raise error_from_status("gemini", error.code, _headers(error.response), error.details) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ProviderTimedOut("gemini", "timeout") from error
        except (httpx2.HTTPError, OSError) as error:
            raise ProviderDown("gemini", "connection") from error
        except ValueError as error:
            raise ProviderDown("gemini", "not_an_answer") from error
        if not response.candidates:
            is_blocked = response.prompt_feedback is not None
            raise ProviderRefused("gemini", "content_filter") if is_blocked else ProviderDown("gemini", "empty_answer")
        reason = response.candidates[0].finish_reason
        if reason is not None and reason.value in _BLOCKED_REASONS:
            raise ProviderRefused("gemini", "content_filter")
        headers = _headers(response.sdk_http_response)
        return ModelResponse(
            text=response.text or "",
            usage=_usage(response.usage_metadata),
            request_id=response.response_id,
            is_truncated=reason is not None and reason.value == "MAX_TOKENS",
            hints=rate_limit_hints(headers),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()


def _headers(response: Any) -> Mapping[str, str]:
    headers = getattr(response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _usage(usage: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if usage is None:
        return Usage()
    reasoning_tokens = usage.thoughts_token_count or 0
    return Usage(
        input_tokens=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        # Reasoning is billed as output, but counted beside it.
        output_tokens=(usage.candidates_token_count or 0) + reasoning_tokens,
        cached_tokens=usage.cached_content_token_count or 0,
        reasoning_tokens=reasoning_tokens,
    )
