"""Login tokens: JSON Web Tokens (RFC 7519), HS256, told apart by `token_type`."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Literal

import jwt

from models.errors import Unauthorized

ISSUER, AUDIENCE = "trailmind", "trailmind-api"
_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `expires_at` is UTC epoch seconds."""

    user_id: uuid.UUID
    jti: str
    expires_at: int
    token_version: int


class Tokens:
    """Issues and checks tokens with one key. Checking needs no database."""

    def __init__(self, key: str, *, access_ttl_s: int, refresh_ttl_s: int) -> None:
        self._key = key
        self._ttl_s = {"access": access_ttl_s, "refresh": refresh_ttl_s}
        # Checking a signature costs tens of microseconds, and a recording sends the same token all afternoon.
        self._seen: dict[str, Claims] = {}

    @property
    def access_ttl_s(self) -> int:
        """Seconds an access token lives."""
        return self._ttl_s["access"]

    def issue(self, user_id: uuid.UUID, kind: Literal["access", "refresh"], *, token_version: int = 0) -> str:
        """A new token; two issued in the same second differ by their `jti`."""
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "user_id": str(user_id),
            "token_type": kind,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + self._ttl_s[kind],
            "iss": ISSUER,
            "aud": AUDIENCE,
            "ver": token_version,
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def check(self, token: str, kind: Literal["access", "refresh"]) -> Claims:
        """What `token` says. Raises Unauthorized when it is not ours, not of this kind, or over."""
        known = self._seen.get(token)
        if known is not None and kind == "access":
            if known.expires_at > time.time():
                return known
            del self._seen[token]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
            if claims.get("token_type") != kind:
                raise Unauthorized(f"invalid or expired {kind} token")
            found = Claims(uuid.UUID(claims["sub"]), claims["jti"], int(claims["exp"]), int(claims.get("ver", 0)))
        except (jwt.PyJWTError, ValueError):
            raise Unauthorized(f"invalid or expired {kind} token") from None
        if kind == "access":
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            self._seen[token] = found
        return found


def bearer(header: str | None) -> str:
    """The token in an `Authorization` header. Raises Unauthorized when there is none or it is of another shape."""
    if not header:
        raise Unauthorized("the Authorization header is missing")
    parts = header.split(" ")
    if len(parts) != 2 or parts[0] != "Bearer" or not parts[1]:
        raise Unauthorized("invalid authorization header format")
    return parts[1]
