"""The values of a model call, the transport protocol, and the errors of providers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.errors import TrailmindError

#: The name of maps and chain links without a model.
LOCAL_PROVIDER = "local"


@dataclass(frozen=True, slots=True)
class PagePayload:
    """The content of one page that may be sent: redacted, then truncated. `digest` identifies the content."""

    page_id: str
    title: str
    host: str
    text: str
    highlights: tuple[str, ...]
    language: str
    digest: str
    num_redactions: int = 0


@dataclass(frozen=True, slots=True)
class PageDescription:
    """A provider's description of one page. `quote` is an unverified claim of a verbatim sentence."""

    page_id: str
    label: str
    description: str
    keywords: tuple[str, ...]
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: our `instructions` (the vendor's system role) and the untrusted `data` (the user role).

    The response must be JSON that conforms to `schema`. `previous_attempt` is an invalid response and the problems
    found in it.
    """

    instructions: str
    data: str
    schema_name: str
    schema: Mapping[str, Any]
    max_output_tokens: int
    previous_attempt: tuple[str, str] | None = None
    num_redactions: int = 0

    def sent_text(self) -> str:
        """All user content that is sent with this prompt."""
        return self.data if self.previous_attempt is None else "\n\n".join((self.data, *self.previous_attempt))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them. Cached tokens are part of the input, reasoning tokens of the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The tokens that are charged."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class RateLimitHints:
    """Our quota according to the provider's response headers; None where a header is missing."""

    requests_per_minute: float | None = None
    requests_left: float | None = None
    tokens_per_minute: float | None = None
    tokens_left: float | None = None


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A provider's response: the raw text, the usage, and whether the text was cut off by the output limit."""

    text: str
    usage: Usage
    request_id: str | None = None
    is_truncated: bool = False
    hints: RateLimitHints = field(default_factory=RateLimitHints)


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """One link of a chain: a model and its call parameters. None means the catalog's value."""

    provider: str
    model: str
    temperature: float | None = None
    max_output_tokens: int | None = None
    timeout_s: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrent: int | None = None
    context_tokens: int | None = None
    #: An OpenAI-compatible server of the operator: the vendor's quotas do not apply.
    is_self_hosted: bool = False

    @property
    def key(self) -> str:
        """`provider/model`: the key of limiters and cached responses."""
        return f"{self.provider}/{self.model}"


class Transport(Protocol):
    """One vendor's SDK. It sends each request once, without retries, and belongs to one event loop."""

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """Send `prompt` once. `call_id` is the idempotency key. Raises ProviderError and no other error."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


# --- errors -----------------------------------------------------------------------------------------------------------


class ProviderError(TrailmindError):
    """A provider could not be used. `reason` is our own short code, safe to log and to store."""

    code, status = "PROVIDER_FAILED", 502

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(provider, reason)
        self.provider, self.reason = provider, reason

    def __str__(self) -> str:
        return f"{self.provider} could not be used ({self.reason})"


class ProviderThrottled(ProviderError):
    """The provider, or our own limiter in front of it, refuses calls for `retry_after_s` seconds."""

    code, status = "PROVIDER_THROTTLED", 429

    def __init__(self, provider: str, reason: str, retry_after_s: float, hints: RateLimitHints | None = None) -> None:
        super().__init__(provider, reason)
        self.args = (provider, reason, retry_after_s, hints)
        self.retry_after_s, self.hints = retry_after_s, hints or RateLimitHints()

    def __str__(self) -> str:
        return f"{self.provider} is throttled; retry in {self.retry_after_s:.0f} s"


class ProviderDown(ProviderError):
    """The provider returned a server error or is unreachable."""

    code = "PROVIDER_DOWN"


class ProviderTimedOut(ProviderDown):
    """The provider did not respond within the time-out. The usage of the call is unknown."""

    code = "PROVIDER_TIMEOUT"


class ProviderRefused(ProviderError):
    """The provider rejects the call permanently: key, model, size or policy. A retry fails again."""

    code = "PROVIDER_REFUSED"


class ResponseFormatRefused(ProviderRefused):
    """The server does not support the requested response format. The next call requests a simpler format."""

    code = "PROVIDER_FORMAT"


class UnusableResponse(ProviderError):
    """The response is truncated, not JSON, or fails validation. `problems` describe it without quoting it."""

    code = "ANSWER_UNUSABLE"

    def __init__(self, provider: str, reason: str, problems: Sequence[str] = ()) -> None:
        super().__init__(provider, reason)
        self.args = (provider, reason, tuple(problems))
        self.problems = tuple(problems)


class SessionGone(ProviderError):
    """The session or its account was deleted while the map was being made: no further call is sent."""

    code = "SESSION_GONE"
