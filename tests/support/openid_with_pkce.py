"""The local OpenID provider with a check that the mock lacks: a code that was asked for with a PKCE challenge is
exchanged only with its verifier (RFC 7636), as Google does. Run as a program: `python -m … PORT`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: A WSGI application (PEP 3333).
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class RequirePkce:
    """A WSGI application in front of the provider."""

    def __init__(self, provider: WsgiApp) -> None:
        self._provider = provider
        #: Authorization code → the challenge it was asked for with, None without one.
        self._challenges: dict[str, str | None] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/token"):
            return self._token(environ, start_response)
        if environ["PATH_INFO"].endswith("/authorize"):
            return self._authorize(environ, start_response)
        return self._provider(environ, start_response)

    def _authorize(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""))

        def note_code(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            location = next((value for name, value in headers if name.lower() == "location"), "")
            for code in parse_qs(urlsplit(location).query).get("code", []):
                is_s256 = query.get("code_challenge_method") == ["S256"]
                challenge = query.get("code_challenge", [None])[0]
                self._challenges[code] = challenge if challenge is None or is_s256 else "plain is not accepted"
            return start_response(status, headers, *rest)

        return self._provider(environ, note_code)

    def _token(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        form = parse_qs(body.decode())
        challenge = self._challenges.get(form.get("code", [""])[0])
        verifier = form.get("code_verifier", [None])[0]
        if challenge != (s256(verifier) if verifier is not None else None):
            headers = [("Content-Type", "application/json")]
            start_response("400 Bad Request", headers)
            return [json.dumps({"error": "invalid_grant", "error_description": "PKCE verification failed"}).encode()]
        return self._provider(environ, start_response)


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def main() -> None:
    """Serve the provider on the port given as argument."""
    import oidc_provider_mock  # type: ignore[import-untyped]
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", int(sys.argv[1]), RequirePkce(oidc_provider_mock.app()), threaded=True)


if __name__ == "__main__":
    main()
