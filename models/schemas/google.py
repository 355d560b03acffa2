"""Request and response bodies of signing in with Google."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from models.schemas.base import Body, CodeChallenge, CodeVerifier, Reply


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
