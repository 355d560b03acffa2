"""Linking the browser extension to an account: a one-time code with PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from models.accounts.logins import issue_one_time_token, redeem_one_time_token
from models.accounts.users import active_user, require_active_user
from models.errors import Unauthorized
from models.schemas.extension_link import ExtensionChallenge, ExtensionCode, ExtensionExchange
from models.schemas.logins import AuthReply
from serve.auth.login import log_in
from serve.dependencies import CurrentUserId, DbSession, RateLimitedByAddress, State

router = APIRouter(prefix="/v1/auth/extension", tags=["auth"])
CODE_TTL = timedelta(minutes=2)


@router.post("/code")
async def extension_code(body: ExtensionChallenge, user_id: CurrentUserId, db: DbSession) -> ExtensionCode:
    """A code with which the extension that made the challenge can log in as the caller: once, for two minutes."""
    await require_active_user(db, user_id)
    code = await issue_one_time_token(db, user_id, "extension", ttl=CODE_TTL, code_challenge=body.code_challenge)
    await db.commit()
    return ExtensionCode(code=code, expires_in=int(CODE_TTL.total_seconds()))


@router.post("/exchange", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def extension_exchange(
    body: ExtensionExchange, state: State, db: DbSession, request: Request, response: Response
) -> AuthReply:
    """Log the extension in. A wrong verifier uses up the code, because an attacker may have it."""
    token = await redeem_one_time_token(db, body.code, "extension")
    matches = token is not None and hmac.compare_digest(token.code_challenge or "", _s256(body.code_verifier))
    user = await active_user(db, token.user_id) if token is not None and matches else None
    if user is None:
        # The code is used up also when the verifier is wrong.
        await db.commit()
        raise Unauthorized("this code is wrong, was used, or is too old; link the extension again")
    return await log_in(state, db, request, response, user, is_proved=False)


def _s256(code_verifier: str) -> str:
    """The PKCE challenge of a verifier, method S256 (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
