"""Login tokens: JSON Web Tokens (RFC 7519), HS256, told apart by `token_type`, each signed by a key with an id."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from models.errors import Unauthorized

ISSUER, AUDIENCE = "trailmind", "trailmind-api"
_CACHE_SIZE = 4096
TokenType = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `expires_at` is UTC epoch seconds; `family_id` is the login it descends from."""

    user_id: uuid.UUID
    jti: uuid.UUID
    expires_at: int
    family_id: uuid.UUID


def key_id(key: str) -> str:
    """The public name of a signing key; says nothing about the key."""
    return hashlib.blake2b(key.encode(), digest_size=6, person=b"trailmind-kid").hexdigest()


class LoginTokens:
    """Issues tokens with the first key and accepts those of all of them. Needs no database.

    To rotate: put the new key first and keep the old one until the last token it signed is over; nobody is logged out.
    """

    def __init__(self, keys: Sequence[str], *, access_ttl_s: int, refresh_ttl_s: int, plain_ttl_s: int) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._current = key_id(keys[0])
        self.access_ttl_s, self.refresh_ttl_s, self.plain_ttl_s = access_ttl_s, refresh_ttl_s, plain_ttl_s
        # Checking a signature costs tens of microseconds, and a recording sends the same token all afternoon.
        self._verified: dict[str, Claims] = {}

    def issue(self, user_id: uuid.UUID, kind: TokenType, family_id: uuid.UUID, *, jti: uuid.UUID, ttl_s: int) -> str:
        """A new token; two issued in the same second differ by their `jti`."""
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "user_id": str(user_id),
            "token_type": kind,
            "jti": str(jti),
            "fam": str(family_id),
            "iat": now,
            "exp": now + ttl_s,
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        return jwt.encode(claims, self._keys[self._current], algorithm="HS256", headers={"kid": self._current})

    def verify(self, token: str, kind: TokenType) -> Claims:
        """What `token` says. Raises Unauthorized when it is not ours, not of this kind, or over."""
        known = self._verified.get(token)
        if known is not None and kind == "access":
            if known.expires_at > time.time():
                return known
            del self._verified[token]
        try:
            claims = self._decode(token)
            if claims.get("token_type") != kind:
                raise Unauthorized(f"invalid or expired {kind} token")
            found = Claims(
                uuid.UUID(claims["sub"]), uuid.UUID(claims["jti"]), int(claims["exp"]), uuid.UUID(claims["fam"])
            )
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
            raise Unauthorized(f"invalid or expired {kind} token") from None
        if kind == "access":
            if len(self._verified) >= _CACHE_SIZE:
                self._verified.clear()
            self._verified[token] = found
        return found

    def _decode(self, token: str) -> dict[str, Any]:
        named = jwt.get_unverified_header(token).get("kid")
        return jwt.decode(
            token,
            self._keys[str(named)],
            algorithms=["HS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iat", "sub", "jti", "iss", "aud"]},
        )


def bearer_token(header: str | None) -> str:
    """The token in an `Authorization` header. Raises Unauthorized when there is none or it is of another shape."""
    if not header:
        raise Unauthorized("the Authorization header is missing")
    parts = header.split(" ")
    if len(parts) != 2 or parts[0] != "Bearer" or not parts[1]:
        raise Unauthorized("invalid authorization header format")
    return parts[1]
