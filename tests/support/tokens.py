"""JSON Web Tokens made and read by hand, so that tests do not share a library with the code they test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

_DIGESTS = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}


def signed_token(claims: dict[str, Any], key: str, *, algorithm: str = "HS256", **header: str) -> str:
    """A token with `claims`; `none` as the algorithm leaves the signature empty."""
    content = ".".join(
        _encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": algorithm, **header}, claims)
    )
    digest = _DIGESTS.get(algorithm)
    signature = hmac.new(key.encode(), content.encode(), digest).digest() if digest is not None else b""
    return f"{content}.{_encoded(signature)}"


def token_header(token: str) -> dict[str, Any]:
    """The header of a token, unverified."""
    return _decoded(token, 0)


def token_claims(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    return _decoded(token, 1)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
