"""Request and response bodies of signing in with Google."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from models.schemas.base import Body, CodeChallenge, CodeVerifier, Reply


class GoogleBody(Body):
    """An ID token from Google's sign-in button."""

    credential: Annotated[str, StringConstraints(max_length=10_000)]


class GoogleBegin(Body):
    """The redirect URI and, if the client supports PKCE, a code challenge (S256)."""

    redirect_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    code_challenge: CodeChallenge | None = None


class GoogleBegun(Reply):
    """Open `authorization_url` in the browser; Google redirects back with `state` and a code."""

    authorization_url: str
    state: str
    expires_in: int


class GoogleConfig(Reply):
    """Whether sign-in with Google is configured on this server."""

    enabled: bool
    client_id: str | None = None


class GoogleCode(Body):
    """An authorization code with the `state` of `begin`, and `code_verifier` if the client began with a challenge."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    redirect_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    state: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code_verifier: CodeVerifier | None = None
