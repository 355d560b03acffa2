"""What the vendors' transports share: the turns of a conversation and the translation of SDK errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from cluster.providers.model_catalog import effective_spec
from cluster.providers.transports.vendor_errors import error_from_status
from cluster.providers.types import ModelTarget, Prompt, ProviderDown, ProviderTimedOut


def conversation_turns(prompt: Prompt) -> list[tuple[bool, str]]:
    """The turns after the instructions as `(is_model, text)`: the data, and a rejected response with its problems."""
    turns = [(False, prompt.data)]
    if prompt.previous_attempt is not None:
        response, problems = prompt.previous_attempt
        turns += [(True, response), (False, problems)]
    return turns


def chat_messages(prompt: Prompt) -> list[Any]:
    """The turns in the format of OpenAI and Anthropic."""
    return [
        {"role": "assistant" if is_model else "user", "content": text} for is_model, text in conversation_turns(prompt)
    ]


def temperature_option(target: ModelTarget, maximum: float) -> dict[str, Any]:
    """The `temperature` argument of a call; empty when it is not configured or the model rejects it."""
    if target.temperature is None or not effective_spec(target).supports_temperature:
        return {}
    return {"temperature": min(maximum, target.temperature)}


@contextmanager
def translate_sdk_errors(provider: str, sdk: ModuleType) -> Iterator[None]:
    """Translate errors of `openai` or `anthropic`, whose SDKs share a code generator.

    Raises:
        ProviderTimedOut: no response within the time-out.
        ProviderDown: a server error, no connection, or a body that is not of the SDK's shape.
        ProviderThrottled, ProviderRefused: see vendor_errors.error_from_status.
    """
    try:
        yield
    except sdk.APITimeoutError as error:
        raise ProviderTimedOut(provider, "timeout") from error
    except sdk.APIStatusError as error:
        raise error_from_status(provider, error.status_code, error.response.headers, error.body) from error
    except sdk.APIConnectionError as error:
        raise ProviderDown(provider, "connection") from error
    except (sdk.APIError, ValueError) as error:
        # ValueError: the body is not JSON, or does not have the SDK's shape.
        raise ProviderDown(provider, "not_an_answer") from error
