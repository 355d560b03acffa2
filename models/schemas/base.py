"""What all request and response bodies share: base classes, field types, the error reply.

Optional fields of replies are omitted, never null; times end in `Z`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

MAX_TITLE_CHARS = 200


def _utc_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reject_nul(value: str) -> str:
    """`value` unchanged. Raises ValueError if it contains a NUL character: PostgreSQL text cannot hold one."""
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    return value


Time = Annotated[datetime, PlainSerializer(_utc_text, return_type=str, when_used="json")]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_CHARS), AfterValidator(reject_nul)]
Description = Annotated[str, StringConstraints(max_length=5_000), AfterValidator(reject_nul)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(reject_nul)]
#: PKCE (RFC 7636): code verifiers have 43 to 128 unreserved characters.
CodeVerifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]
CodeChallenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Body(BaseModel):
    """Base class of request bodies. Unknown fields are ignored: v1 clients send some."""

    model_config = ConfigDict(extra="ignore")


class Reply(BaseModel):
    """Base class of response bodies."""

    model_config = ConfigDict(from_attributes=True)


class ErrorDetail(Reply):
    """An error: `message` for people, `code` for programs."""

    message: str
    code: str
    details: list[dict[str, str]] | None = None
    values: dict[str, str] | None = Field(default=None, description="The facts of the message, to word it elsewhere")


class ErrorReply(Reply):
    """The shape of every error."""

    error: ErrorDetail


class MessageReply(Reply):
    """The outcome as a sentence for people."""

    message: str
