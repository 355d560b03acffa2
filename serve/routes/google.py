"""Sign in with Google: with the ID token of its button, or with an authorization code."""

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
from serve.auth.login import account_closed, log_in
from serve.dependencies import DbSession, RateLimitedByAddress, State
from serve.identity.openid import GoogleProfile
from serve.state import AppState

router = APIRouter(prefix="/v1/auth/google", tags=["auth"])
STATE_TTL_S = 600


class NotLinked(Conflict):
    """An account with this address exists, and its owner has not verified the address."""

    code = "EMAIL_NOT_VERIFIED"


class _SignInRequest(msgspec.Struct):
    nonce: str
    redirect_uri: str
    uses_pkce: bool


async def account_of(state: AppState, db: AsyncSession, profile: GoogleProfile) -> User:
    """The account of this Google user: the linked one, an existing one to link, or a new one. The caller commits.

    An existing account is linked only if its address was verified or no one can log in to it yet: otherwise an attacker
    could sign up with the address of a victim and share the account once the victim signs in with Google. Raises
    AccountClosed, Conflict or NotLinked.
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
                # A concurrent sign-in of the same user has created the account.
                await db.rollback()
                return await account_of(state, db, profile)
            return user
        if user.status != "active":
            raise account_closed(state, user)
        if user.google_id is not None:
            raise Conflict("this address belongs to another Google account")
        if user.email_verified_at is None and user.can_log_in:
            raise NotLinked(
                "an account with this e-mail exists; log in with its password and confirm the address first,"
                " or reset the password"
            )
        user.google_id = profile.subject
        user.email_verified_at = user.email_verified_at or datetime.now(UTC)
    if user.status != "active":
        raise account_closed(state, user)
    if profile.avatar_url:
        user.avatar_url = profile.avatar_url
    await db.flush()
    return user


@router.get("/config", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_config(state: State) -> GoogleConfig:
    """Whether sign-in with Google is configured, and its client id."""
    return GoogleConfig(enabled=state.google.is_configured, client_id=state.google.client_id)


@router.post("", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_login(
    body: GoogleBody, state: State, db: DbSession, request: Request, response: Response
) -> AuthReply:
    """Log in with the ID token of Google's button; the first log-in creates an account."""
    if not state.google.is_configured:
        raise Unauthorized("Invalid Google credentials")
    profile = await state.google.verify(body.credential)
    return await log_in(state, db, request, response, await account_of(state, db, profile))


@router.post("/begin", dependencies=[RateLimitedByAddress])
async def google_begin(body: GoogleBegin, state: State) -> GoogleBegun:
    """Begin the authorization code flow with a one-time `state`, valid for ten minutes."""
    one_time_state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    url = await state.google.authorization_url(body.redirect_uri, one_time_state, nonce, body.code_challenge)
    sign_in = _SignInRequest(nonce, body.redirect_uri, body.code_challenge is not None)
    await state.valkey.set(f"google-state:{one_time_state}", msgspec.json.encode(sign_in), ex=STATE_TTL_S)
    return GoogleBegun(authorization_url=url, state=one_time_state, expires_in=STATE_TTL_S)


@router.post("/code", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def google_code(body: GoogleCode, state: State, db: DbSession, request: Request, response: Response) -> AuthReply:
    """Log in with an authorization code. A `state` from `begin` is valid once, for its own `redirect_uri`."""
    if not state.google.is_configured:
        raise Unauthorized("Invalid authorization code")
    raw = await state.valkey.getdel(f"google-state:{body.state}")
    sign_in = msgspec.json.decode(raw, type=_SignInRequest) if raw else None
    is_valid = sign_in is not None and sign_in.redirect_uri == body.redirect_uri
    if sign_in is None or not is_valid or (sign_in.uses_pkce and not body.code_verifier):
        raise Unauthorized("this sign-in was not begun here, or took too long; try again")
    profile = await state.google.exchange(
        body.code, body.redirect_uri, code_verifier=body.code_verifier, nonce=sign_in.nonce
    )
    return await log_in(state, db, request, response, await account_of(state, db, profile))
