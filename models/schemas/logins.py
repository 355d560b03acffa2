"""Request and response bodies of signing up, logging in and refreshing a login."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import regex
from pydantic import AfterValidator, ConfigDict, StringConstraints

from models.schemas.accounts import UserReply
from models.schemas.base import Body, Reply, Time, reject_nul

# One @, no spaces, a dot in the domain. `.local` is valid; only a mail can verify that the mailbox exists.
_EMAIL = re.compile(r"^[^@\s\x00-\x1f\"<>(),;:\\\[\]]+@[^@\s\x00-\x1f\"<>(),;:\\\[\]]+\.[^@\s.\x00-\x1f]+$")


# Characters that are not seen make two addresses look like one: an account could pass for another in a list.
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Other}\p{Separator}\u2800]")


def _email(value: str) -> str:
    value = value.strip()
    if len(value) > 254 or not _EMAIL.match(value) or ".." in value or _INVISIBLE.search(value):
        raise ValueError("is not an e-mail address")
    return value


Email = Annotated[str, AfterValidator(_email)]
#: argon2 accepts any length; the limit prevents hashing a megabyte.
MAX_PASSWORD_CHARS = 1024
Password = Annotated[str, StringConstraints(min_length=8, max_length=MAX_PASSWORD_CHARS), AfterValidator(reject_nul)]
EMAIL_EXAMPLE, PASSWORD_EXAMPLE = "ann@example.com", "correct horse battery"


class Credentials(Body):
    """Sign-up: an address and a password of at least 8 characters.

    A server that sends mail ignores the password: the owner of the address chooses one with the link of the mail.
    """

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"email": EMAIL_EXAMPLE, "password": PASSWORD_EXAMPLE}]}
    )
    email: Email
    password: Password | None = None


class LoginBody(Body):
    """Log-in: the address and password as typed; invalid ones do not match any account."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"email": EMAIL_EXAMPLE, "password": PASSWORD_EXAMPLE}]}
    )
    email: Annotated[str, StringConstraints(max_length=1_000)]
    password: Annotated[str, StringConstraints(max_length=100_000)]


class TokenReply(Reply):
    """Tokens of a login. Send `token` in `Authorization: Bearer`; it is valid for `expires_in` seconds.

    `refresh_token` replaces the one that was sent, which is no longer valid. Web clients
    (`X-Trailmind-Client: web`) get it as an HttpOnly cookie instead.
    """

    token: str
    refresh_token: str | None = None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int


class AuthReply(TokenReply):
    """Tokens of a new login, and its user."""

    user: UserReply


class LoginReply(Reply):
    """One device or program that is logged in."""

    id: str
    client: Literal["web", "extension", "other"]
    is_current: bool
    created_at: Time
    last_used_at: Time
    expires_at: Time


class LoginList(Reply):
    """Where the account is logged in, newest first."""

    logins: list[LoginReply]
