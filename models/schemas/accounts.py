"""Request and response bodies of accounts: logging in and out, passwords, Google, API keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from models.schemas.common import Body, Email, Password, Reply, Time

_EMAIL_EXAMPLE, _PASSWORD_EXAMPLE = "ann@example.com", "correct horse battery"


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    return value


Secret = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_no_nul)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), AfterValidator(_no_nul)]
#: RFC 7636: 43 to 128 unreserved characters.
CodeVerifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]
CodeChallenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Credentials(Body):
    """Sign-up: an address and a password of at least 8 characters."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"email": _EMAIL_EXAMPLE, "password": _PASSWORD_EXAMPLE}]}
    )
    email: Email
    password: Password


class LoginBody(Body):
    """Log-in: whatever was typed; what does not fit simply does not match."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"email": _EMAIL_EXAMPLE, "password": _PASSWORD_EXAMPLE}]}
    )
    email: Annotated[str, StringConstraints(max_length=1_000)]
    password: Annotated[str, StringConstraints(max_length=100_000)]


class UserReply(Reply):
    """An account as its owner sees it."""

    id: str
    email: str
    created_at: Time
    updated_at: Time
    email_verified: bool = Field(default=False, description="The address was confirmed by a link sent to it")
    has_password: bool = Field(default=True, description="False for accounts that only sign in with Google")
    google_linked: bool = False
    avatar_url: str | None = None
    role: Literal["user", "admin"] = "user"


class UserEnvelope(Reply):
    """`{"user": …}`"""

    user: UserReply


class TokenReply(Reply):
    """A renewed login: `token` goes into `Authorization: Bearer`, for `expires_in` seconds.

    `refresh_token` replaces the one that was sent, which no longer works. Browsers that said
    `X-Trailmind-Client: web` get it as an HttpOnly cookie instead.
    """

    token: str
    refresh_token: str | None = None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int


class AuthReply(TokenReply):
    """A login."""

    user: UserReply


class PasswordChange(Body):
    """The password there is (absent for an account that has none yet) and the one to come."""

    current_password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    new_password: Password


class ForgotBody(Body):
    """Whose password was forgotten."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(examples=[_EMAIL_EXAMPLE])


class ResetBody(Body):
    """The token of the mail, and the new password."""

    token: Secret
    new_password: Password


class TokenBody(Body):
    """The token of the mail."""

    token: Secret


class GoogleBody(Body):
    """An ID token as Google's button hands it to a page."""

    credential: Annotated[str, StringConstraints(max_length=10_000)]


class GoogleBegin(Body):
    """Where Google shall send the browser back to, and, where the client can, a PKCE challenge (S256)."""

    redirect_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    code_challenge: CodeChallenge | None = None


class GoogleBegun(Reply):
    """Send the browser to `authorization_url`; Google sends it back with `state` and a code."""

    authorization_url: str
    state: str
    expires_in: int


class GoogleConfig(Reply):
    """Whether "sign in with Google" is set up here."""

    enabled: bool
    client_id: str | None = None


class GoogleCode(Body):
    """An authorization code. `state` and `code_verifier` where the client began with them."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    redirect_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    state: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    code_verifier: CodeVerifier | None = None


class ExtensionChallenge(Body):
    """The extension's PKCE challenge (S256 of its secret)."""

    code_challenge: CodeChallenge
    code_challenge_method: Literal["S256"] = "S256"


class ExtensionCode(Reply):
    """A code that logs the extension in, once."""

    code: str
    expires_in: int


class ExtensionExchange(Body):
    """The code the web page handed over, and the secret only the extension knows."""

    code: Secret
    code_verifier: CodeVerifier


Scope = Literal["sessions:read", "sessions:write", "events:write", "usage:read"]


class ApiKeyCreate(Body):
    """A key for a script: what it is for, what it may do, and when it ends (never, if absent)."""

    name: Annotated[
        str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), AfterValidator(_no_nul)
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
    """`key` is shown this once."""

    api_key: ApiKeyReply
    key: str


class ApiKeyList(Reply):
    """The keys that work, newest first."""

    api_keys: list[ApiKeyReply]


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
