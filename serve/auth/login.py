"""Logins: begin one, refresh its tokens, end it. Shared by the auth routes.

A browser that sends `X-Trailmind-Client: web` gets its refresh token as an HttpOnly cookie for `/v1/auth`.
`SameSite=Strict` prevents cross-site requests with it. The cookie is accepted only together with that header, which a
form cannot set and CORS allows only for known origins: cross-site requests fail also in browsers without `SameSite`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.logins import ClientProgram, LoginFamily, open_family, revoke_families, secret_digest
from models.accounts.users import User
from models.errors import AccountClosed, Unauthorized
from models.schemas.accounts import UserReply
from models.schemas.logins import AuthReply, TokenReply
from serve.auth.known_devices import remember_device
from serve.identity.access_tokens import bearer_token
from serve.state import AppState

REFRESH_COOKIE = "trailmind_refresh"
REFRESH_COOKIE_PATH = "/v1/auth"
CLIENT_HEADER = "x-trailmind-client"
#: A client that lost a response repeats the refresh within this time.
RETRY_WINDOW = timedelta(minutes=5)
_INVALID = "invalid or expired refresh token"


def client_program(request: Request) -> ClientProgram:
    """The kind of program that calls, by its own header."""
    name = request.headers.get(CLIENT_HEADER, "").strip().lower()
    return ClientProgram(name) if name in {"web", "extension"} else ClientProgram.OTHER


def user_reply(user: User) -> UserReply:
    """The account as its owner sees it."""
    return UserReply(
        id=str(user.id),
        email=user.email,
        created_at=user.created_at,
        updated_at=user.updated_at,
        email_verified=user.email_verified_at is not None,
        has_password=user.password_hash is not None,
        google_linked=user.google_id is not None,
        avatar_url=user.avatar_url,
        role="admin" if user.role == "admin" else "user",
    )


def account_closed(state: AppState, user: User) -> AccountClosed:
    """The refusal of a log-in to the closed account of `user`, who has proved that it is theirs."""
    delay = timedelta(seconds=state.settings.privacy.account_deletion_delay_s)
    return AccountClosed((user.deleted_at or datetime.now(UTC)) + delay)


def _issue_tokens(
    state: AppState, request: Request, response: Response, user_id: uuid.UUID, family_id: uuid.UUID, jti: uuid.UUID
) -> TokenReply:
    client, tokens = client_program(request), state.login_tokens
    ttl_s = tokens.long_lived_ttl_s if client is ClientProgram.OTHER else tokens.access_ttl_s
    access = tokens.issue(user_id, "access", family_id, jti=uuid.uuid4(), ttl_s=ttl_s)
    refresh = tokens.issue(user_id, "refresh", family_id, jti=jti, ttl_s=tokens.refresh_ttl_s)
    response.headers["Cache-Control"] = "no-store"
    if client is ClientProgram.WEB:
        response.set_cookie(
            REFRESH_COOKIE,
            refresh,
            max_age=tokens.refresh_ttl_s,
            path=REFRESH_COOKIE_PATH,
            secure=state.settings.server.origin.startswith("https://"),
            httponly=True,
            samesite="strict",
        )
        return TokenReply(token=access, expires_in=ttl_s)
    return TokenReply(token=access, refresh_token=refresh, expires_in=ttl_s)


async def log_in(
    state: AppState, db: AsyncSession, request: Request, response: Response, user: User, *, is_proved: bool = True
) -> AuthReply:
    """Create a login of `user` and commit; the reply with its tokens.

    `is_proved` says that the user has proved who they are now, rather than by an earlier login.
    """
    jti = uuid.uuid4()
    ttl = timedelta(seconds=state.login_tokens.refresh_ttl_s)
    family = await open_family(db, user, client_program(request), jti=jti, ttl=ttl, is_proved=is_proved)
    await db.commit()
    reply = _issue_tokens(state, request, response, user.id, family.id, jti)
    remember_device(state, response, user.email)
    return AuthReply(user=user_reply(user), **reply.model_dump())


def presented_refresh_token(request: Request) -> str:
    """The refresh token of a request: from `Authorization`, or from the cookie of a web client. Raises Unauthorized."""
    header = request.headers.get("authorization")
    cookie = request.cookies.get(REFRESH_COOKIE)
    if header is None and cookie and client_program(request) is ClientProgram.WEB:
        return cookie
    return bearer_token(header)


def _is_lost_reply_retry(
    family: LoginFamily, jti: uuid.UUID, key: bytes | None, client: ClientProgram, grace_s: float
) -> bool:
    """Whether the previous refresh token was sent again after a lost response, rather than by a thief."""
    if family.previous_jti != jti or family.rotated_at is None:
        return False
    age = datetime.now(UTC) - family.rotated_at
    is_same_attempt = key is not None and key == family.rotation_key and age < RETRY_WINDOW
    is_same_browser = (
        client is ClientProgram.WEB and family.client == ClientProgram.WEB and age.total_seconds() < grace_s
    )
    return is_same_attempt or is_same_browser


async def rotate_refresh_token(state: AppState, db: AsyncSession, request: Request, response: Response) -> TokenReply:
    """Exchange the refresh token of the request for a new pair of tokens, and commit.

    Raises Unauthorized. Reuse of a token ends the whole login: one of the two parties that hold it has stolen it
    (RFC 9700, section 4.14.2).
    """
    claims = state.login_tokens.verify(presented_refresh_token(request), "refresh")
    client = client_program(request)
    sent_key = request.headers.get("idempotency-key", "")
    key = secret_digest(sent_key) if sent_key else None
    # The row lock serializes concurrent refreshes: the second sees the rotation of the first.
    row = (
        await db.execute(
            select(LoginFamily, User)
            .join(User, User.id == LoginFamily.user_id)
            .where(LoginFamily.id == claims.family_id)
            .with_for_update(of=LoginFamily)
        )
    ).first()
    if row is None:
        raise Unauthorized(_INVALID)
    family, user = row
    if user.status != "active":
        raise Unauthorized("user not found")
    has_ended = family.revoked_at is not None or family.expires_at <= datetime.now(UTC)
    if has_ended or user.token_version != family.token_version:
        raise Unauthorized(_INVALID)
    if family.current_jti == claims.jti:
        family.previous_jti, family.current_jti = claims.jti, uuid.uuid4()
        family.rotation_key, family.rotated_at = key, datetime.now(UTC)
        family.expires_at = datetime.now(UTC) + timedelta(seconds=state.login_tokens.refresh_ttl_s)
    elif not _is_lost_reply_retry(family, claims.jti, key, client, state.settings.auth.refresh_cookie_grace_s):
        await revoke_families(db, "reuse", family_id=family.id)
        await db.commit()
        await state.login_cache.revoke([family.id])
        raise Unauthorized(_INVALID)
    jti = family.current_jti
    await db.commit()
    return _issue_tokens(state, request, response, user.id, family.id, jti)


async def log_out(state: AppState, db: AsyncSession, response: Response, family_id: uuid.UUID | None) -> None:
    """End one login and commit, and delete the refresh cookie. Safe to repeat."""
    if family_id is not None:
        await revoke_families(db, "logout", family_id=family_id)
        await db.commit()
        await state.login_cache.revoke([family_id])
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_COOKIE_PATH, httponly=True, samesite="strict")
