"""Passwords, addresses, the extension's login, API keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, func, select, update

from cluster.mail.queue import NOTICE_TTL
from cluster.mail.templates import Language, password_changed_mail, password_reset_mail, preferred_language
from models.accounts.logins import ApiKey, issue_one_time_token, new_api_key, redeem_one_time_token, revoke_all_logins
from models.accounts.users import User, UserSettings, active_user, user_by_email
from models.errors import BadRequest, Conflict, NotFound, Unauthorized
from models.schemas.api_keys import ApiKeyCreate, ApiKeyCreated, ApiKeyList, ApiKeyReply
from models.schemas.base import MessageReply
from models.schemas.extension_link import ExtensionChallenge, ExtensionCode, ExtensionExchange
from models.schemas.logins import AuthReply
from models.schemas.passwords import ForgotBody, PasswordChange, ResetBody, TokenBody
from serve.auth.login import log_in
from serve.auth.passwords import hash_password, verify_password
from serve.http.rate_limits import RateLimitPolicy
from serve.routes.auth import mail_verification
from serve.state import CurrentUserId, DbSession, RateLimitedByAddress, State, driver_connection

router = APIRouter(prefix="/v1/auth", tags=["auth"])
RESET_TTL, EXTENSION_TTL = timedelta(hours=1), timedelta(minutes=2)
MAX_API_KEYS = 50
_MAILS = RateLimitPolicy("mails", 3)


async def language_of(db: DbSession, user_id: uuid.UUID, request: Request) -> Language:
    """The language to write to somebody in: what the settings say, else what the browser asks for."""
    chosen = await db.scalar(select(UserSettings.language).where(UserSettings.user_id == user_id))
    if chosen is None:
        return preferred_language(request.headers.get("accept-language", ""))
    return "en" if chosen == "en" else "ko"


async def _require_user(db: DbSession, user_id: uuid.UUID) -> User:
    user = await active_user(db, user_id)
    if user is None:
        raise Unauthorized("user not found")
    return user


@router.post("/password", response_model_exclude_none=True)
async def change_password(
    body: PasswordChange, user_id: CurrentUserId, state: State, db: DbSession, request: Request, response: Response
) -> AuthReply:
    """Change the password. Every other login ends; the answer is a new one for this program."""
    await state.rate_limiter.check(request, state.rate_limiter.credentials, f"password:{user_id}")
    user = await _require_user(db, user_id)
    if user.password_hash is not None and not await verify_password(body.current_password or "", user.password_hash):
        # Not 401: the login is fine, and the clients log out on 401.
        raise BadRequest("the current password is wrong")
    user.password_hash = await hash_password(body.new_password)
    ended = await revoke_all_logins(db, user, "password")
    await _mail_password_changed(state, db, user, request)
    reply = await log_in(state, db, request, response, user)
    await state.login_cache.revoke(ended)
    return reply


async def _mail_password_changed(state: State, db: DbSession, user: User, request: Request) -> None:
    mail = password_changed_mail(await language_of(db, user.id, request))
    await state.mail_queue.enqueue(await driver_connection(db), user.id, user.email, mail, ttl=NOTICE_TTL)


@router.post("/forgot-password", dependencies=[RateLimitedByAddress])
async def forgot_password(body: ForgotBody, state: State, db: DbSession, request: Request) -> MessageReply:
    """Send a link for a new password. The answer is the same whether or not there is such an account."""
    email = body.email.strip()
    user = await user_by_email(db, email) if "\x00" not in email else None
    if user is not None and user.status == "active" and await _is_mail_allowed(state, user):
        token = await issue_one_time_token(db, user.id, "reset", ttl=RESET_TTL)
        link = f"{state.settings.origin}/reset-password#token={token}"
        mail = password_reset_mail(await language_of(db, user.id, request), link)
        await state.mail_queue.enqueue(await driver_connection(db), user.id, user.email, mail, ttl=RESET_TTL)
        await db.commit()
    return MessageReply(message="If the email exists, a password reset link has been sent.")


async def _is_mail_allowed(state: State, user: User) -> bool:
    """Whether this address may get one more mail now; nobody's mailbox is flooded through us."""
    if not state.rate_limiter.is_enabled:
        return True
    return (await state.rate_limiter.count(_MAILS, str(user.id))).is_allowed


@router.post("/reset-password", dependencies=[RateLimitedByAddress])
async def reset_password(body: ResetBody, state: State, db: DbSession, request: Request) -> MessageReply:
    """Set a new password with the token of the mail. Ends every login of the account."""
    hashed = await hash_password(body.new_password)
    token = await redeem_one_time_token(db, body.token, "reset")
    if token is None:
        raise BadRequest("invalid or expired token")
    user = await active_user(db, token.user_id)
    if user is None:
        raise BadRequest("user account is inactive")
    user.password_hash = hashed
    # Who could open the mail owns the address.
    user.email_verified_at = user.email_verified_at or datetime.now(UTC)
    ended = await revoke_all_logins(db, user, "reset")
    await _mail_password_changed(state, db, user, request)
    await db.commit()
    await state.login_cache.revoke(ended)
    return MessageReply(message="Password has been reset successfully.")


@router.post("/verify-email", dependencies=[RateLimitedByAddress])
async def verify_email(body: TokenBody, state: State, db: DbSession) -> MessageReply:
    """Confirm an address with the token of the mail."""
    token = await redeem_one_time_token(db, body.token, "verify")
    user = await active_user(db, token.user_id) if token is not None else None
    if user is None:
        raise BadRequest("invalid or expired token")
    user.email_verified_at = user.email_verified_at or datetime.now(UTC)
    if user.email.lower() in {email.lower() for email in state.settings.admin_emails}:
        user.role = "admin"
    await db.commit()
    return MessageReply(message="The e-mail address is confirmed.")


@router.post("/send-verification")
async def send_verification(user_id: CurrentUserId, state: State, db: DbSession, request: Request) -> MessageReply:
    """Send the mail that confirms the address once more."""
    user = await _require_user(db, user_id)
    if user.email_verified_at is None and await _is_mail_allowed(state, user):
        await mail_verification(state, db, user, await language_of(db, user.id, request))
        await db.commit()
    return MessageReply(message="If the address is not confirmed yet, a mail is on its way.")


@router.post("/extension/code")
async def extension_code(
    body: ExtensionChallenge, user_id: CurrentUserId, state: State, db: DbSession
) -> ExtensionCode:
    """A code with which the extension that made the challenge can log in as the caller: once, for two minutes."""
    await _require_user(db, user_id)
    code = await issue_one_time_token(db, user_id, "extension", ttl=EXTENSION_TTL, code_challenge=body.code_challenge)
    await db.commit()
    return ExtensionCode(code=code, expires_in=int(EXTENSION_TTL.total_seconds()))


@router.post("/extension/exchange", response_model_exclude_none=True, dependencies=[RateLimitedByAddress])
async def extension_exchange(
    body: ExtensionExchange, state: State, db: DbSession, request: Request, response: Response
) -> AuthReply:
    """Log the extension in. A wrong verifier uses the code up: it was seen by somebody it was not meant for."""
    token = await redeem_one_time_token(db, body.code, "extension")
    shown = base64.urlsafe_b64encode(hashlib.sha256(body.code_verifier.encode()).digest()).rstrip(b"=").decode()
    matches = token is not None and hmac.compare_digest(token.code_challenge or "", shown)
    user = await active_user(db, token.user_id) if token is not None and matches else None
    if user is None:
        await db.commit()
        raise Unauthorized("this code is wrong, was used, or is too old; link the extension again")
    return await log_in(state, db, request, response, user)


def _key_reply(key: ApiKey) -> ApiKeyReply:
    return ApiKeyReply.model_validate({**{f: getattr(key, f) for f in ApiKeyReply.model_fields}, "id": str(key.id)})


def _usable(user_id: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    return (ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))


@router.post("/api-keys", status_code=201, response_model_exclude_none=True)
async def create_api_key(
    body: ApiKeyCreate, user_id: CurrentUserId, db: DbSession, response: Response
) -> ApiKeyCreated:
    """Make a key for a script. It is shown once."""
    await db.execute(select(User.id).where(User.id == user_id).with_for_update())
    if (await db.scalar(select(func.count()).select_from(ApiKey).where(*_usable(user_id))) or 0) >= MAX_API_KEYS:
        raise Conflict(f"there are {MAX_API_KEYS} keys already; revoke one first")
    ends = datetime.now(UTC) + timedelta(days=body.expires_in_days) if body.expires_in_days else None
    key, shown = new_api_key(user_id, body.name, body.scopes, ends)
    db.add(key)
    await db.commit()
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyCreated(api_key=_key_reply(key), key=shown)


@router.get("/api-keys", response_model_exclude_none=True)
async def list_api_keys(user_id: CurrentUserId, db: DbSession) -> ApiKeyList:
    """The caller's keys, newest first."""
    found = await db.scalars(
        select(ApiKey).where(*_usable(user_id)).order_by(ApiKey.created_at.desc(), ApiKey.id).limit(MAX_API_KEYS)
    )
    return ApiKeyList(api_keys=[_key_reply(k) for k in found])


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(key_id: uuid.UUID, user_id: CurrentUserId, state: State, db: DbSession) -> Response:
    """Revoke a key; it stops working within seconds."""
    revoked = await db.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    if revoked is None:
        raise NotFound("there is no such API key")
    await db.commit()
    await state.login_cache.revoke([key_id])
    return Response(status_code=204)
