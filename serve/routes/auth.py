"""Sign up, log in, refresh a login, log out, list logins."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from cluster.mail.messages import preferred_language
from models.accounts.logins import LoginFamily, end_all_access, revoke_families
from models.accounts.users import User, require_active_user, user_by_email
from models.errors import Conflict, NotFound, Unauthorized, ValidationFailed
from models.schemas.accounts import UserEnvelope
from models.schemas.base import MessageReply
from models.schemas.logins import AuthReply, Credentials, LoginBody, LoginList, LoginReply, TokenReply
from models.schemas.passwords import LogoutAllBody
from serve.auth.known_devices import check_login_attempt
from serve.auth.login import account_closed, log_in, log_out, rotate_refresh_token, user_reply
from serve.auth.sign_up_mail import enqueue_sign_up_mail
from serve.auth.verification_mail import enqueue_verification_mail
from serve.dependencies import CurrentIdentity, CurrentUserId, DbConnection, DbSession, RateLimitedByAddress, State
from serve.identity.passwords import hash_password, verify_password
from serve.mail_sentences import SIGN_UP_SENT

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post(
    "/signup",
    status_code=201,
    response_model=AuthReply,
    response_model_exclude_none=True,
    responses={202: {"model": MessageReply, "description": "The server sends mail: the next step is in the mail"}},
    dependencies=[RateLimitedByAddress],
)
async def signup(
    body: Credentials, state: State, db: DbSession, connection: DbConnection, request: Request, response: Response
) -> AuthReply | Response:
    """Create an account.

    On a server that sends mail, the answer is 202, the same for each address: the mail has the link with which the
    owner of a new account chooses a password, or says that there is an account already. On a server without mail, the
    account works at once with the password sent: the answer is 201 with a login, or 409 if the address has an account.
    """
    if state.settings.mail.server_url is not None:
        await enqueue_sign_up_mail(state, db, connection, body.email, request)
        reply = MessageReply(message=SIGN_UP_SENT)
        return JSONResponse(reply.model_dump(), status_code=202)
    if body.password is None:
        raise ValidationFailed("password: field required", [("password", "field required")])
    if await user_by_email(db, body.email) is not None:
        raise Conflict("email already exists")
    user = User(id=uuid.uuid4(), email=body.email, password_hash=await hash_password(body.password))
    db.add(user)
    try:
        await db.flush()
    except IntegrityError:
        raise Conflict("email already exists") from None
    await enqueue_verification_mail(
        state, db, connection, user, preferred_language(request.headers.get("accept-language", ""))
    )
    return await log_in(state, db, request, response, user)


@router.post("/login", response_model_exclude_none=True)
async def login(body: LoginBody, state: State, db: DbSession, request: Request, response: Response) -> AuthReply:
    """Log in."""
    email = body.email.strip()
    await check_login_attempt(state, request, email)
    user = await user_by_email(db, email) if "\x00" not in email else None
    matches = await verify_password(body.password, user.password_hash if user is not None else None)
    if user is None or not matches:
        raise Unauthorized("invalid email or password")
    if user.status != "active":
        # Only who knows the password learns that there is such an account.
        raise account_closed(state, user)
    return await log_in(state, db, request, response, user)


@router.post("/refresh", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def refresh(state: State, db: DbSession, request: Request, response: Response) -> TokenReply:
    """Refresh a login with its refresh token, in `Authorization: Bearer` or in the cookie of a web client.

    Every refresh token works once; reuse ends the login. A retry after a lost response is safe if it sends the same
    `Idempotency-Key`.
    """
    return await rotate_refresh_token(state, db, request, response)


@router.post("/logout")
async def logout(identity: CurrentIdentity, state: State, db: DbSession, response: Response) -> MessageReply:
    """End this login: its tokens stop working within seconds."""
    await log_out(state, db, response, identity.family_id)
    return MessageReply(message="successfully logged out")


@router.post("/logout-all")
async def logout_all(
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    response: Response,
    body: Annotated[LogoutAllBody | None, Body()] = None,
) -> MessageReply:
    """End every login of the account, and revoke its API keys unless `keep_api_keys` is true."""
    keep_api_keys = body is not None and body.keep_api_keys
    user = await require_active_user(db, user_id)
    revoked_ids = await end_all_access(db, user, "logout_all", keep_api_keys=keep_api_keys)
    await db.commit()
    await state.login_cache.revoke(revoked_ids)
    await log_out(state, db, response, None)
    return MessageReply(message="successfully logged out everywhere")


@router.get("/logins", response_model_exclude_none=True)
async def list_logins(identity: CurrentIdentity, db: DbSession) -> LoginList:
    """The account's active logins, newest first, at most 100."""
    families = await db.scalars(
        select(LoginFamily)
        .where(
            LoginFamily.user_id == identity.user_id,
            LoginFamily.revoked_at.is_(None),
            LoginFamily.expires_at > func.now(),
        )
        .order_by(LoginFamily.created_at.desc(), LoginFamily.id)
        .limit(100)
    )
    return LoginList(
        logins=[
            LoginReply(
                id=str(family.id),
                client=family.client,
                is_current=family.id == identity.family_id,
                created_at=family.created_at,
                last_used_at=family.rotated_at or family.created_at,
                expires_at=family.expires_at,
            )
            for family in families
        ]
    )


@router.delete("/logins/{login_id}", status_code=204)
async def end_login(login_id: uuid.UUID, user_id: CurrentUserId, state: State, db: DbSession) -> Response:
    """End one login of the account."""
    family = await db.get(LoginFamily, login_id)
    if family is None or family.user_id != user_id:
        raise NotFound("there is no such login")
    await revoke_families(db, "logout", family_id=login_id)
    await db.commit()
    await state.login_cache.revoke([login_id])
    return Response(status_code=204)


@router.get("/me", response_model_exclude_none=True)
async def me(user_id: CurrentUserId, db: DbSession) -> UserEnvelope:
    """The caller's account."""
    return UserEnvelope(user=user_reply(await require_active_user(db, user_id)))
