"""Login tokens: JSON Web Tokens (RFC 7519), HS256, each signed by a key named in its `kid` header.

Access and refresh tokens differ in the claim `token_type`.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey
from joserfc.jwt import JWTClaimsRegistry

from models.errors import Unauthorized

ISSUER, AUDIENCE = "trailmind", "trailmind-api"
_ALGORITHM = "HS256"
_MAX_VERIFIED = 4096
_CLAIMS = JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    iat={"essential": True},
    sub={"essential": True},
    jti={"essential": True},
)
TokenType = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid token. `expires_at` is UTC epoch seconds; `family_id` is the login it descends from."""

    user_id: uuid.UUID
    jti: uuid.UUID
    expires_at: int
    family_id: uuid.UUID


def key_id(key: str) -> str:
    """The public id of a signing key: a keyed BLAKE2b digest, which reveals nothing about the key."""
    return hashlib.blake2b(key.encode(), digest_size=6, person=b"trailmind-kid").hexdigest()


class LoginTokens:
    """Issues tokens with the first key and accepts those of all keys. Needs no database.

    To rotate keys, put the new key first and keep the old one until the last token it signed has expired: no login
    ends.
    """

    def __init__(self, keys: Sequence[str], *, access_ttl_s: int, refresh_ttl_s: int, long_lived_ttl_s: int) -> None:
        self._keys = {key_id(key): OctKey.import_key(key) for key in keys}
        self._current = key_id(keys[0])
        self.access_ttl_s, self.refresh_ttl_s, self.long_lived_ttl_s = access_ttl_s, refresh_ttl_s, long_lived_ttl_s
        # Access tokens that were verified before: checking a signature costs tens of microseconds, and a recording
        # sends the same token with every request.
        self._verified: dict[str, Claims] = {}

    def issue(self, user_id: uuid.UUID, kind: TokenType, family_id: uuid.UUID, *, jti: uuid.UUID, ttl_s: int) -> str:
        """A new token, valid for `ttl_s` seconds; two issued in the same second differ by their `jti`."""
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
        header = {"alg": _ALGORITHM, "kid": self._current}
        return jwt.encode(header, claims, self._keys[self._current], algorithms=[_ALGORITHM])

    def verify(self, token: str, kind: TokenType) -> Claims:
        """The claims of `token`. Raises Unauthorized if it is forged, expired or of another type."""
        known = self._verified.get(token)
        if known is not None and kind == "access":
            if known.expires_at > time.time():
                return known
            del self._verified[token]
        try:
            decoded = jwt.decode(token, self._key_of, algorithms=[_ALGORITHM]).claims
            _CLAIMS.validate(decoded)
            if decoded.get("token_type") != kind:
                raise Unauthorized(f"invalid or expired {kind} token")
            claims = Claims(
                uuid.UUID(decoded["sub"]), uuid.UUID(decoded["jti"]), int(decoded["exp"]), uuid.UUID(decoded["fam"])
            )
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise Unauthorized(f"invalid or expired {kind} token") from None
        if kind == "access":
            if len(self._verified) >= _MAX_VERIFIED:
                self._verified.clear()
            self._verified[token] = claims
        return claims

    def _key_of(self, token: GuestProtocol) -> OctKey:
        """The key a token names. Raises KeyError for an unknown one or none."""
        return self._keys[token.headers()["kid"]]


def bearer_token(header: str | None) -> str:
    """The token of an `Authorization` header. Raises Unauthorized if the header is missing or has another form."""
    if not header:
        raise Unauthorized("the Authorization header is missing")
    parts = header.split(" ")
    if len(parts) != 2 or parts[0] != "Bearer" or not parts[1]:
        raise Unauthorized("invalid authorization header format")
    return parts[1]
