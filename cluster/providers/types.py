"""What every provider takes and gives: one protocol with two operations, and the plain call beneath it."""

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
    """What may be told of one page: redacted already, cut to size. `digest` names its content."""

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
    """What a provider says of one page. `quote` is its claim of a verbatim sentence, not yet believed."""

    page_id: str
    label: str
    description: str
    keywords: tuple[str, ...]
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question: our `instructions` (the vendor's system role) and the untrusted `data` (the user role).

    The answer must be JSON by `schema`. `earlier` is an answer that failed and what was wrong with it.
    """

    instructions: str
    data: str
    schema_name: str
    schema: Mapping[str, Any]
    max_output_tokens: int
    previous_attempt: tuple[str, str] | None = None
    num_redactions: int = 0

    def sent_text(self) -> str:
        """Everything of the user's that leaves with this prompt."""
        return self.data if self.previous_attempt is None else "\n\n".join((self.data, *self.previous_attempt))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them. Cached ones are part of the input, reasoning ones of the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """What is paid for."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class RateLimitHints:
    """What a provider's headers say about our quota; None where it says nothing. Times are seconds from now."""

    requests_per_minute: float | None = None
    requests_left: float | None = None
    tokens_per_minute: float | None = None
    tokens_left: float | None = None


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """What came back: the raw text, what it cost, and whether it was cut off."""

    text: str
    usage: Usage
    request_id: str | None = None
    is_truncated: bool = False
    hints: RateLimitHints = field(default_factory=RateLimitHints)


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """One link of a chain: which model, and how it is asked. None means the catalog's number."""

    provider: str
    model: str
    temperature: float | None = None
    max_output_tokens: int | None = None
    timeout_s: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrent: int | None = None
    context_tokens: int | None = None
    #: Somebody's own server that speaks OpenAI's language: the vendor's quotas say nothing about it.
    is_self_hosted: bool = False

    @property
    def key(self) -> str:
        """`provider/model`: what limiters and checkpoints go by."""
        return f"{self.provider}/{self.model}"


class Transport(Protocol):
    """One vendor's SDK: asks once, never retries by itself. Belongs to one event loop."""

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        """The answer. Raises ProviderError and nothing else of its own."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


# --- what can go wrong ------------------------------------------------------------------------------------------


class ProviderError(TrailmindError):
    """A provider could not be used. `reason` is a short code of ours, safe to log and to store."""

    code, status = "PROVIDER_FAILED", 502

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(provider, reason)
        self.provider, self.reason = provider, reason

    def __str__(self) -> str:
        return f"{self.provider} could not be used ({self.reason})"


class ProviderThrottled(ProviderError):
    """The provider, or our own limiter in front of it, refuses calls for now."""

    code, status = "PROVIDER_THROTTLED", 429

    def __init__(self, provider: str, reason: str, retry_after_s: float, hints: RateLimitHints | None = None) -> None:
        super().__init__(provider, reason)
        self.args = (provider, reason, retry_after_s, hints)
        self.retry_after_s, self.hints = retry_after_s, hints or RateLimitHints()

    def __str__(self) -> str:
        return f"{self.provider} takes no more calls for now; again in {self.retry_after_s:.0f} s"


class ProviderDown(ProviderError):
    """The provider answered with a server error, or not at all."""

    code = "PROVIDER_DOWN"


class ProviderTimedOut(ProviderDown):
    """No answer within the call's time. What it cost is unknown."""

    code = "PROVIDER_TIMEOUT"


class ProviderRefused(ProviderError):
    """The provider will not take this call however often it is made: key, model, size, policy."""

    code = "PROVIDER_REFUSED"


class ResponseFormatRefused(ProviderRefused):
    """The server does not take the form of answer we asked for; asked again, it is asked for a plainer one."""

    code = "PROVIDER_FORMAT"


class UnusableResponse(ProviderError):
    """The answer is cut off, not JSON, or breaks the rules; `problems` says how, without repeating it."""

    code = "ANSWER_UNUSABLE"

    def __init__(self, provider: str, reason: str, problems: Sequence[str] = ()) -> None:
        super().__init__(provider, reason)
        self.args = (provider, reason, tuple(problems))
        self.problems = tuple(problems)


class SessionGone(ProviderError):
    """The session was deleted while its map was being made: nothing more is sent."""

    code = "SESSION_GONE"
