"""Signed links: an address that opens one thing for a while, without a login and without a row."""

from __future__ import annotations

import time

import jwt

from models.errors import NotFound


def sign_link(key: str, kind: str, subject: str, *, ttl_s: int) -> str:
    """A token that stands for `subject` in links of this `kind` for `ttl_s` seconds."""
    return jwt.encode(
        {"sub": subject, "exp": int(time.time()) + ttl_s, "aud": f"trailmind-link-{kind}"}, key, algorithm="HS256"
    )


def verify_link(key: str, kind: str, token: str) -> str:
    """What `token` stands for. Raises NotFound for one that is not ours, of another kind, or over."""
    try:
        claims = jwt.decode(
            token, key, algorithms=["HS256"], audience=f"trailmind-link-{kind}", options={"require": ["exp", "sub"]}
        )
    except jwt.PyJWTError:
        raise NotFound("there is no such picture") from None
    return str(claims["sub"])
