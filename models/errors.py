"""What can go wrong, in the words a client gets to read.

Every error carries a stable `code` and the HTTP `status` it becomes at the edge. Errors cross processes by pickle,
so `__init__` hands its raw values to `super().__init__` positionally and the sentence is built in `__str__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class TrailmindError(Exception):
    """The base of every error we raise on purpose. `args[0]` is the sentence unless `__str__` is overridden."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    status: ClassVar[int] = 500
    #: Seconds after which a retry makes sense; becomes the `Retry-After` header.
    retry_after_s: float | None = None


class ConfigurationError(TrailmindError):
    """A setting stops the start; the sentence names the variable."""

    code = "CONFIGURATION_ERROR"


class BadRequest(TrailmindError):
    """The request cannot be understood or breaks a rule."""

    code, status = "BAD_REQUEST", 400


class ValidationFailed(BadRequest):
    """The request's fields are not of the declared form; `fields` lists each as (path, sentence)."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, tuple(fields))
        self.message, self.fields = message, tuple(fields)

    def __str__(self) -> str:
        return self.message


class Unauthorized(TrailmindError):
    """Nobody, or nobody we know, is asking."""

    code, status = "UNAUTHORIZED", 401


class Forbidden(TrailmindError):
    """The caller is known and may not do this."""

    code, status = "FORBIDDEN", 403


class NotFound(TrailmindError):
    """There is no such thing, or none the caller may know of."""

    code, status = "NOT_FOUND", 404


class Conflict(TrailmindError):
    """It exists already, or somebody else was faster."""

    code, status = "CONFLICT", 409


class PayloadTooLarge(TrailmindError):
    """More bytes or items than one request may carry."""

    code, status = "PAYLOAD_TOO_LARGE", 413


class UnsupportedMediaType(TrailmindError):
    """The body is not JSON."""

    code, status = "UNSUPPORTED_MEDIA_TYPE", 415


class RateLimited(TrailmindError):
    """Too many requests from one caller."""

    code, status = "RATE_LIMIT_EXCEEDED", 429

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s)
        self.message, self.retry_after_s = message, retry_after_s

    def __str__(self) -> str:
        return self.message


class BufferFull(RateLimited):
    """One user sends faster than we can store; the others are not touched."""

    code = "USER_BUFFER_FULL"


class Unavailable(TrailmindError):
    """A part we need is down or full; the client keeps its queue and comes back after `retry_after_s`."""

    code, status = "SERVICE_UNAVAILABLE", 503

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)
        self.message, self.retry_after_s = message, retry_after_s

    def __str__(self) -> str:
        return self.message


class DeadlineExceeded(TrailmindError):
    """The answer was not begun in time; what the request did so far is rolled back."""

    code, status = "DEADLINE_EXCEEDED", 503
    retry_after_s = 5.0

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s

    def __str__(self) -> str:
        return f"this took longer than {self.after_s:g} s and was given up; try again in a moment"


class HeadersTooLarge(TrailmindError):
    """More headers than anybody needs."""

    code, status = "HEADERS_TOO_LARGE", 431


class IllegalTransition(BadRequest):
    """The status of a browsing session or of a map does not allow `action`."""

    code = "ILLEGAL_TRANSITION"
    _PARTICIPLES: ClassVar[dict[str, str]] = {
        "pause": "paused",
        "resume": "resumed",
        "stop": "stopped",
        "expire": "expired",
        "discard_empty": "discarded",
        "advance": "advanced",
        "complete": "completed",
        "fail": "failed",
        "retry": "retried",
    }

    def __init__(self, action: str, current: str, subject: str = "session") -> None:
        super().__init__(action, current, subject)
        self.action, self.current, self.subject = action, current, subject

    def __str__(self) -> str:
        return f"{self.subject} cannot be {self._PARTICIPLES.get(self.action, self.action)} from current state"


class NotAcceptingEvents(BadRequest):
    """The browsing session has ended."""

    code = "SESSION_CLOSED"

    def __str__(self) -> str:
        return "session is not accepting events"


class JobFailed(TrailmindError):
    """A map could not be made; the sentence is for the user."""

    code = "MAP_FAILED"
