"""Request and response bodies of linking the browser extension to an account."""

from __future__ import annotations

from typing import Literal

from models.schemas.base import Body, CodeChallenge, CodeVerifier, Reply, Secret


class ExtensionChallenge(Body):
    """The extension's PKCE challenge (S256 of its verifier)."""

    code_challenge: CodeChallenge
    code_challenge_method: Literal["S256"] = "S256"


class ExtensionCode(Reply):
    """A code that logs the extension in, once."""

    code: str
    expires_in: int


class ExtensionExchange(Body):
    """The code from the web page, and the PKCE verifier of the extension."""

    code: Secret
    code_verifier: CodeVerifier
