"""OpenAI's Chat Completions API, also of vLLM, Ollama and other compatible servers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from cluster.providers.model_catalog import effective_spec
from cluster.providers.transports.vendor_calls import chat_messages, temperature_option, translate_sdk_errors
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
_MAX_TEMPERATURE = 2.0
#: The response formats from the strictest to the simplest.
_FORMATS = ("json_schema", "json_object", "text")
#: Reasons of a refusal that an unsupported response format may cause.
_FORMAT_REASONS = {"bad_request", "status_422", "status_415"}
#: The index of the strictest format that a compatible server supports, by URL and model, for the life of the process.
_supported_formats: dict[tuple[str, str], int] = {}
#: Parameters that a model has refused by name, by URL and model, for the life of the process. `max_tokens` and
#: `max_completion_tokens` replace each other; others are left out.
_refused_parameters: dict[tuple[str, str], frozenset[str]] = {}
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class OpenAITransport:
    """Sends prompts through the official SDK, with its retries disabled. See types.Transport."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        # Passed explicitly, because the SDK would otherwise read them from the environment.
        self._client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url or OFFICIAL_URL, max_retries=0)
        self._base_url = base_url

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """See Transport. Raises ResponseFormatRefused when the next call will request a simpler format."""
        options = temperature_option(target, _MAX_TEMPERATURE)
        format_index = 0
        if self._base_url is None:
            options |= _official_options(prompt, target)
            instructions = prompt.instructions
        else:
            format_index = _supported_formats.get((self._base_url, target.model), 0)
            # Compatible servers know only the older name of the limit.
            options["max_tokens"] = prompt.max_output_tokens
            # Some servers reject a schema, others accept and ignore it.
            instructions = f"{prompt.instructions}\nThe JSON schema of the answer:\n{json.dumps(prompt.schema)}\n"
        options |= _format_option(_FORMATS[format_index], prompt)
        refused = _refused_parameters.get((self._base_url or OFFICIAL_URL, target.model), frozenset())
        options = _without(options, refused)
        # Untyped, because the SDK's overloads require literals.
        messages: list[Any] = [{"role": "system", "content": instructions}, *chat_messages(prompt)]
        try:
            with translate_sdk_errors("openai", openai):
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=target.model,
                    messages=messages,
                    timeout=target.timeout_s,
                    extra_headers={"Idempotency-Key": str(call_id)},
                    **options,
                )
                completion: ChatCompletion = raw.parse()
        except ProviderRefused as error:
            self._raise_if_parameter_refused(error, target.model, options)
            self._raise_if_format_refused(error, target.model, format_index)
            raise
        return _response(completion, raw.headers)

    def _raise_if_parameter_refused(self, error: ProviderRefused, model: str, sent: dict[str, Any]) -> None:
        name = error.reason.removeprefix("no_")
        if name == error.reason or name not in {*_LIMITS, "temperature", "reasoning_effort"}:
            return
        key = (self._base_url or OFFICIAL_URL, model)
        refused = _refused_parameters.get(key, frozenset())
        if (name in refused and name in sent) or _LIMITS.get(name) in refused:
            # It was left out or replaced already: the server refuses both names.
            return
        _refused_parameters[key] = refused | {name}
        raise ResponseFormatRefused("openai", error.reason) from error

    def _raise_if_format_refused(self, error: ProviderRefused, model: str, format_index: int) -> None:
        if self._base_url is None or error.reason not in _FORMAT_REASONS:
            return
        if format_index + 1 == len(_FORMATS):
            # Even the simplest format was refused: the format is not the cause.
            _supported_formats.pop((self._base_url, model), None)
            return
        # Concurrent calls meet the same refusal: one step to a simpler format for all of them.
        _supported_formats[self._base_url, model] = format_index + 1
        raise ResponseFormatRefused("openai", f"no_{_FORMATS[format_index]}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _without(options: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """`options` without the refused parameters; the output limit goes by its other name."""
    kept = {name: value for name, value in options.items() if name not in refused}
    for name in refused & options.keys() & _LIMITS.keys():
        kept[_LIMITS[name]] = options[name]
    return kept


def _official_options(prompt: Prompt, target: ModelTarget) -> dict[str, Any]:
    options: dict[str, Any] = {"max_completion_tokens": prompt.max_output_tokens}
    if effective_spec(target).reasoning_overhead_tokens:
        options["reasoning_effort"] = "low"
    return options


def _format_option(name: str, prompt: Prompt) -> dict[str, Any]:
    if name == "json_schema":
        schema = {"name": prompt.schema_name, "strict": True, "schema": dict(prompt.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if name == "json_object" else {}


def _response(completion: ChatCompletion, headers: Any) -> ModelResponse:
    if not completion.choices:
        raise ProviderDown("openai", "empty_answer")
    first = completion.choices[0]
    if first.finish_reason == "content_filter" or first.message.refusal:
        raise ProviderRefused("openai", "content_filter")
    return ModelResponse(
        text=_text(first.message),
        usage=_usage(completion.usage),
        request_id=headers.get("x-request-id") or completion.id,
        is_truncated=first.finish_reason == "length",
        hints=rate_limit_hints(headers),
    )


def _text(message: Any) -> str:
    """The answer: `content` as text or as parts; some servers put all of it into the field of the reasoning."""
    content = message.content
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    if isinstance(content, str) and content.strip():
        return content
    extra = message.model_extra or {}
    fields = (extra.get("reasoning_content"), extra.get("reasoning"))
    return next((text for text in fields if isinstance(text, str) and text.strip()), "")


def _usage(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    input_details, output_details = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=(input_details.cached_tokens or 0) if input_details else 0,
        reasoning_tokens=(output_details.reasoning_tokens or 0) if output_details else 0,
    )
