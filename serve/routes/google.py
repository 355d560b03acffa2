"""Sign in with Google: the button's ID token, and the authorization code of pages and extensions."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.users import User, user_by_email
from models.errors import Conflict, Unauthorized
from models.schemas.google import GoogleBegin, GoogleBegun, GoogleBody, GoogleCode, GoogleConfig
from models.schemas.logins import AuthReply
from serve.auth.login import log_in
from serve.auth.openid import GoogleProfile
from serve.dependencies import DbSession, RateLimitedByAddress, State

router = APIRouter(prefix="/v1/auth/google", tags=["auth"])
STATE_TTL_S = 600


class NotLinked(Conflict):
    """An account with this address exists, but nobody has proved yet that it is the same person's."""

    code = "EMAIL_NOT_VERIFIED"


class _Begun(msgspec.Struct):
    nonce: str
    redirect_uri: str
    uses_pkce: bool


async def account_of(db: AsyncSession, profile: GoogleProfile) -> User:
    """The account of this Google user: found, linked, or made. The caller commits.

    An account is linked only when its own address was verified: else somebody could sign up with a stranger's address
    and wait for the stranger to sign in with Google. Raises Unauthorized for a closed account, NotLinked.
    """
    user = await db.scalar(select(User).where(User.google_id == profile.subject))
    if user is None:
        user = await user_by_email(db, profile.email)
        if user is None:
            user = User(
                id=uuid.uuid4(),
                email=profile.email,
                google_id=profile.subject,
                auth_provider="google",
                avatar_url=profile.avatar_url,
                email_verified_at=datetime.now(UTC),
            )
            db.add(user)
            try:
                await db.flush()
            except IntegrityError:
                # The same person in another tab was faster.
                await db.rollback()
                return await account_of(db, profile)
            return user
        if user.status != "active":
            raise Unauthorized("Invalid Google credentials")
        if user.google_id is not None:
            raise Conflict("this address belongs to another Google account")
        if user.email_verified_at is None:
            raise NotLinked(
                "an account with this e-mail exists; log in with its password and confirm the address first,"
                " or reset the password"
            )
        user.google_id = profile.subject
    if user.status != "active":
        raise Unauthorized("Invalid Google credentials")
    if profile.avatar_url:
        user.avatar_url = profile.avatar_url
    await db.flush()
    return user


@router.get("/config", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_config(state: State) -> GoogleConfig:
    """Whether to show the button."""
    return GoogleConfig(enabled=state.google.is_configured, client_id=state.google.client_id)


@router.post("", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_login(
    body: GoogleBody, state: State, db: DbSession, request: Request, response: Response
) -> AuthReply:
    """Log in with the ID token of Google's button; the first time, this makes an account."""
    if not state.google.is_configured:
        raise Unauthorized("Invalid Google credentials")
    profile = await state.google.verify(body.credential)
    return await log_in(state, db, request, response, await account_of(db, profile))


@router.post("/begin", dependencies=[RateLimitedByAddress])
async def google_begin(body: GoogleBegin, state: State) -> GoogleBegun:
    """Begin the code flow: one-time `state` and nonce, kept for ten minutes."""
    one_time, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    url = await state.google.authorization_url(body.redirect_uri, one_time, nonce, body.code_challenge)
    begun = _Begun(nonce, body.redirect_uri, body.code_challenge is not None)
    await state.valkey.set(f"google-state:{one_time}", msgspec.json.encode(begun), ex=STATE_TTL_S)
    return GoogleBegun(authorization_url=url, state=one_time, expires_in=STATE_TTL_S)


@router.post("/code", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_code(body: GoogleCode, state: State, db: DbSession, request: Request, response: Response) -> AuthReply:
    """Log in with an authorization code. A `state` from `begin` counts once, for its own `redirect_uri`."""
    if not state.google.is_configured:
        raise Unauthorized("Invalid authorization code")
    nonce = None
    if body.state is not None:
        raw = await state.valkey.getdel(f"google-state:{body.state}")
        begun = msgspec.json.decode(raw, type=_Begun) if raw else None
        is_right = begun is not None and begun.redirect_uri == body.redirect_uri
        if begun is None or not is_right or (begun.uses_pkce and not body.code_verifier):
            raise Unauthorized("this sign-in was not begun here, or took too long; try again")
        nonce = begun.nonce
    profile = await state.google.exchange(body.code, body.redirect_uri, code_verifier=body.code_verifier, nonce=nonce)
    return await log_in(state, db, request, response, await account_of(db, profile))
