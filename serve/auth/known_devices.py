"""Limits of login attempts, and the browsers that they do not lock out.

An account takes a limited number of attempts a minute from all addresses together, which slows guessing from many
addresses, but alone would let anyone who knows an e-mail address lock its owner out. A browser in which the account was
logged in before, or in which its password was reset with the link of a mail, therefore carries a signed cookie, and its
attempts are counted for this browser alone (OWASP, "Device cookies"). The cookie is no login, and a thief
gets no more attempts with it than from an address.
"""

from __future__ import annotations

import hashlib
import uuid

from fastapi import Request, Response

from models.errors import LoginLocked, NotFound
from serve.auth.authorization import check_anonymous_rate
from serve.http.rate_limits import RateLimitPolicy
from serve.identity.signed_links import sign_link, verify_link
from serve.state import AppState

DEVICE_COOKIE = "trailmind_device"
DEVICE_COOKIE_PATH = "/v1/auth"
#: Browsers keep no cookie longer than 400 days.
_TTL_S = 400 * 86_400
_KIND = "known-device"
#: Attempts per account from all browsers and programs that are not known.
_ACCOUNT = RateLimitPolicy("account", 30)


def _digest(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()


def remember_device(state: AppState, response: Response, email: str) -> None:
    """Make the browser that receives `response` a known device of the account with this address."""
    subject = f"{_digest(email)}:{uuid.uuid4()}"
    response.set_cookie(
        DEVICE_COOKIE,
        sign_link(state.settings.auth.signing_key, _KIND, subject, ttl_s=_TTL_S),
        max_age=_TTL_S,
        path=DEVICE_COOKIE_PATH,
        secure=state.settings.server.origin.startswith("https://"),
        httponly=True,
        samesite="strict",
    )


async def check_login_attempt(state: AppState, request: Request, email: str) -> None:
    """Count one login attempt for the account with this address.

    Raises:
        RateLimited: too many attempts from this address or known device.
        LoginLocked: too many attempts for this account from devices that are not known.
    """
    limiter = state.rate_limiter
    device = _known_device(state, request, email)
    if device is not None:
        await limiter.check(request, limiter.credentials, f"device:{device}")
        return
    await check_anonymous_rate(state, request)
    if limiter.is_enabled:
        attempts = await limiter.count(_ACCOUNT, _digest(email))
        if not attempts.is_allowed:
            raise LoginLocked(float(attempts.reset_s))


def _known_device(state: AppState, request: Request, email: str) -> str | None:
    """The id of the known device that sends `request`, if it is one of the account with this address."""
    cookie = request.cookies.get(DEVICE_COOKIE)
    if not cookie:
        return None
    try:
        digest, _, device = verify_link(state.settings.auth.signing_keys, _KIND, cookie).partition(":")
    except NotFound:
        return None
    return device if digest == _digest(email) else None
