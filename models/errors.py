"""The errors that clients receive.

Every error carries a stable `code` and the HTTP `status` of its response. Errors cross processes by pickle, which
repeats `__init__` with `args`: pass the raw values to `super().__init__` positionally and build the sentence in
`__str__`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar


class TrailmindError(Exception):
    """Base class of all our errors. `str()` is the sentence for the user: `args[0]` unless a subclass overrides it."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    status: ClassVar[int] = 500
    #: Seconds after which a retry makes sense; becomes the `Retry-After` header.
    retry_after_s: float | None = None

    @property
    def values(self) -> dict[str, str]:
        """The facts of the sentence, so that a client can word `code` in its own language."""
        return {}


class MessageError(TrailmindError):
    """Base class of errors whose first argument is the sentence and whose further arguments are facts."""

    def __init__(self, message: str, *facts: object) -> None:
        super().__init__(message, *facts)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigurationError(TrailmindError):
    """A setting is missing or invalid, so the process does not start; the sentence names the variable."""

    code = "CONFIGURATION_ERROR"


class BadRequest(TrailmindError):
    """The request cannot be understood or breaks a rule."""

    code, status = "BAD_REQUEST", 400


class ValidationFailed(MessageError, BadRequest):
    """Fields of the request are invalid; `fields` lists each as (path, sentence)."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, tuple(fields))
        self.fields = tuple(fields)


class Unauthorized(TrailmindError):
    """The credentials are missing or invalid."""

    code, status = "UNAUTHORIZED", 401


class AccountClosed(Unauthorized):
    """The account is closed; its data is erased at `erased_at`. Only for callers who have proved that it is theirs."""

    code = "ACCOUNT_CLOSED"

    def __init__(self, erased_at: datetime) -> None:
        super().__init__(erased_at)
        self.erased_at = erased_at

    @property
    def values(self) -> dict[str, str]:
        return {"erased_at": self.erased_at.astimezone(UTC).isoformat().replace("+00:00", "Z")}

    def __str__(self) -> str:
        return (
            f"this account is closed and its data is deleted on {self.erased_at:%Y-%m-%d};"
            " until then the operator of the server can open it again"
        )


class Forbidden(TrailmindError):
    """The caller is authenticated and lacks permission."""

    code, status = "FORBIDDEN", 403


class NotFound(TrailmindError):
    """The resource does not exist, or the caller may not know that it does."""

    code, status = "NOT_FOUND", 404


class Conflict(TrailmindError):
    """The resource exists already, or a concurrent change was first."""

    code, status = "CONFLICT", 409


class PayloadTooLarge(TrailmindError):
    """More bytes or items than one request may carry."""

    code, status = "PAYLOAD_TOO_LARGE", 413


class UnsupportedMediaType(TrailmindError):
    """The body is not JSON."""

    code, status = "UNSUPPORTED_MEDIA_TYPE", 415


class RateLimited(MessageError):
    """Too many requests from one caller."""

    code, status = "RATE_LIMIT_EXCEEDED", 429

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s


class LoginLocked(RateLimited):
    """Too many attempts to log in to one account; its owner gets in from a known device or with a new password."""

    code = "LOGIN_LOCKED"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "too many attempts to log in to this account; wait a minute, use a browser in which it was logged in "
            "before, or set a new password",
            retry_after_s,
        )
        self.args = (retry_after_s,)


class BufferFull(RateLimited):
    """One user sends events faster than they can be stored; other users are not affected."""

    code = "USER_BUFFER_FULL"


class Unavailable(MessageError):
    """A dependency is down or full; the client keeps its queue and retries after `retry_after_s`."""

    code, status = "SERVICE_UNAVAILABLE", 503

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(TrailmindError):
    """The response did not begin in time; uncommitted work of the request is rolled back."""

    code, status = "DEADLINE_EXCEEDED", 503
    retry_after_s = 5.0

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s

    def __str__(self) -> str:
        return f"this took longer than {self.after_s:g} s and was aborted; try again in a moment"


class RequestTimeout(TrailmindError):
    """The body of the request did not arrive in time; nothing of it was used."""

    code, status = "REQUEST_TIMEOUT", 408

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s

    def __str__(self) -> str:
        return f"the body of the request did not arrive within {self.after_s:g} s; send it again"


class HeadersTooLarge(TrailmindError):
    """The request has too many or too large headers."""

    code, status = "HEADERS_TOO_LARGE", 431


class UnknownHost(TrailmindError):
    """The request names a host that is not ours: a page may have rebound its name to the address of this server."""

    code, status = "UNKNOWN_HOST", 421


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
        "keep": "kept",
        "settle": "settled",
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


class NotReadyForMap(BadRequest):
    """The browsing session still records: its map is generated when it stops."""

    code = "SESSION_STILL_RECORDING"

    def __str__(self) -> str:
        return "session is not ready for mindmap generation: stop the recording first"


_CODED = re.compile(r"^([A-Z][A-Z_]+): (.*)$", re.DOTALL)


def coded_reason(error: TrailmindError) -> str:
    """Code and sentence of an error as one text, for a column that keeps why something failed."""
    return f"{error.code}: {error}"


def split_reason(stored: str | None) -> tuple[str | None, str | None]:
    """Code and sentence of a stored reason. Rows of earlier versions have a sentence only."""
    if stored is None:
        return None, None
    match = _CODED.match(stored)
    return (match[1], match[2]) if match else (JobFailed.code, stored)


class JobFailed(TrailmindError):
    """A map could not be generated; the sentence is for the user."""

    code = "MAP_FAILED"


class WeakerMap(JobFailed):
    """A map was generated without a model while a model's map is shown; it is a version that the user can choose."""

    code = "WEAKER_MAP"

    def __str__(self) -> str:
        return f"{self.args[0]} The map a model made stays; the other one is among the versions."


class MapInterrupted(JobFailed):
    """The workers that generated the map stopped again and again."""

    code = "MAP_INTERRUPTED"

    def __str__(self) -> str:
        return "the generation of the map was interrupted too often"


class SourceDeleted(JobFailed):
    """A session of a map over several was deleted."""

    code = "SOURCE_DELETED"

    def __str__(self) -> str:
        return "a session of this map was deleted; make the map again"


class TooManyPages(JobFailed):
    """The sessions of a map have more pages than a map takes."""

    code = "TOO_MANY_PAGES"

    def __init__(self, num_pages: int, max_pages: int) -> None:
        super().__init__(num_pages, max_pages)
        self.num_pages, self.max_pages = num_pages, max_pages

    def __str__(self) -> str:
        return f"these sessions have {self.num_pages} pages; a map takes {self.max_pages}: choose fewer sessions"
