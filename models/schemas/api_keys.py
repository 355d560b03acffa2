"""Request and response bodies of API keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from models.schemas.base import Body, Reply, Time, reject_nul

Scope = Literal["sessions:read", "sessions:write", "events:write", "usage:read"]


class ApiKeyCreate(Body):
    """A key for a script: its name, its scopes, and when it expires (never, if absent)."""

    name: Annotated[
        str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), AfterValidator(reject_nul)
    ]
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class ApiKeyReply(Reply):
    """A key without its secret."""

    id: str
    name: str
    hint: str = Field(description="The last four characters")
    scopes: list[Scope]
    created_at: Time
    expires_at: Time | None = None
    last_used_at: Time | None = None


class ApiKeyCreated(Reply):
    """A new key. `key` is shown only in this response."""

    api_key: ApiKeyReply
    key: str


class ApiKeyList(Reply):
    """The active keys, newest first."""

    api_keys: list[ApiKeyReply]
