"""Proof that the caller is the owner of the account, and not a program that holds a stolen access token.

Acts that cannot be undone, and those that keep the owner out, need it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.logins import LoginFamily
from models.accounts.users import User
from models.errors import BadRequest
from serve.auth.authorization import Identity
from serve.identity.passwords import verify_password
from serve.state import AppState

#: An account without a password is proved by a login that began within this time.
FRESH_LOGIN = timedelta(minutes=10)


class LoginTooOld(BadRequest):
    """An account without a password needs a new login for this act."""

    code = "LOGIN_TOO_OLD"


async def require_owner(
    state: AppState, db: AsyncSession, request: Request, identity: Identity, user: User, password: str | None
) -> None:
    """Accept the password of the account or, if it has none, a login within `FRESH_LOGIN`.

    A login that another login has opened, such as the extension's, does not count. Raises BadRequest, not Unauthorized:
    the access token is valid, and clients log out on 401. Raises RateLimited after too many attempts.
    """
    await state.rate_limiter.check(request, state.rate_limiter.credentials, f"password:{user.id}")
    if user.password_hash is not None:
        if not await verify_password(password or "", user.password_hash):
            raise BadRequest("the password is wrong")
        return
    login = await db.get(LoginFamily, identity.family_id) if identity.family_id is not None else None
    proved_at = login.authenticated_at if login is not None else None
    if proved_at is None or datetime.now(UTC) - proved_at > FRESH_LOGIN:
        raise LoginTooOld("log in again and repeat this within ten minutes")
