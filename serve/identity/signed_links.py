"""Signed links: URLs that give access to one resource for a limited time, without a login and without a row."""

from __future__ import annotations

import time
from collections.abc import Sequence

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jwt import JWTClaimsRegistry

from models.errors import NotFound

_ALGORITHM = "HS256"


def sign_link(key: str, kind: str, subject: str, *, ttl_s: int) -> str:
    """A token that identifies `subject` in links of this `kind` for `ttl_s` seconds."""
    claims = {"sub": subject, "exp": int(time.time()) + ttl_s, "aud": _audience(kind)}
    return jwt.encode({"alg": _ALGORITHM}, claims, OctKey.import_key(key), algorithms=[_ALGORITHM])


def verify_link(keys: Sequence[str], kind: str, token: str) -> str:
    """The subject of `token`, which one of `keys` has signed.

    Raises NotFound if it is forged, expired or of another kind.
    """
    for key in keys:
        try:
            claims = jwt.decode(token, OctKey.import_key(key), algorithms=[_ALGORITHM]).claims
            JWTClaimsRegistry(
                aud={"essential": True, "value": _audience(kind)}, exp={"essential": True}, sub={"essential": True}
            ).validate(claims)
        except (JoseError, ValueError, TypeError):
            continue
        return str(claims["sub"])
    raise NotFound("there is no such picture")


def _audience(kind: str) -> str:
    return f"trailmind-link-{kind}"
