"""What asking is the same for every vendor: the turns of a conversation, and the errors of the SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from cluster.providers.transports.vendor_errors import error_from_status
from cluster.providers.types import Prompt, ProviderDown, ProviderTimedOut


def conversation_turns(prompt: Prompt) -> list[tuple[bool, str]]:
    """What is said after the instructions, as `(is the model's, text)`: the data, a failed answer and its faults."""
    said = [(False, prompt.data)]
    if prompt.previous_attempt is not None:
        said += [(True, prompt.previous_attempt[0]), (False, prompt.previous_attempt[1])]
    return said


def chat_messages(prompt: Prompt) -> list[Any]:
    """The same as OpenAI and Anthropic take it."""
    return [
        {"role": "assistant" if is_models else "user", "content": text}
        for is_models, text in conversation_turns(prompt)
    ]


@contextmanager
def translate_sdk_errors(provider: str, sdk: ModuleType) -> Iterator[None]:
    """Errors of `openai` or `anthropic`, whose SDKs are made by one generator, as ours."""
    try:
        yield
    except sdk.APITimeoutError as error:
        raise ProviderTimedOut(provider, "timeout") from error
    except sdk.APIStatusError as error:
        raise error_from_status(provider, error.status_code, error.response.headers, error.body) from error
    except sdk.APIConnectionError as error:
        raise ProviderDown(provider, "connection") from error
    except (sdk.APIError, ValueError) as error:
        # ValueError: a body that is not JSON, or not of the SDK's shape.
        raise ProviderDown(provider, "not_an_answer") from error
