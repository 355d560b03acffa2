"""Passwords: change one, request a reset link, set a new one with the link."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import password_changed_mail, password_reset_mail
from cluster.mail.queue import NOTICE_TTL
from models.accounts.logins import end_all_access, redeem_one_time_token
from models.accounts.users import User, active_user, require_active_user, user_by_email
from models.database import Connection
from models.errors import BadRequest
from models.schemas.base import MessageReply
from models.schemas.logins import AuthReply
from models.schemas.passwords import ForgotBody, PasswordChange, ResetBody
from serve.auth.known_devices import remember_device
from serve.auth.login import log_in
from serve.auth.owner_proof import require_owner
from serve.auth.password_mail import RESET_TTL, password_link
from serve.dependencies import CurrentIdentity, DbConnection, DbSession, RateLimitedByAddress, State
from serve.identity.passwords import hash_password
from serve.mail_language import mail_language
from serve.mail_sentences import RESET_LINK
from serve.state import AppState

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/password", response_model_exclude_none=True)
async def change_password(
    body: PasswordChange,
    identity: CurrentIdentity,
    state: State,
    db: DbSession,
    connection: DbConnection,
    request: Request,
    response: Response,
) -> AuthReply:
    """Change the password. Every other login ends; the answer is a new one for this program.

    Needs the current password, or a login of the last ten minutes if the account has none. API keys are revoked unless
    `keep_api_keys` is true.
    """
    user = await require_active_user(db, identity.user_id)
    await require_owner(state, db, request, identity, user, body.current_password)
    user.password_hash = await hash_password(body.new_password)
    revoked_ids = await end_all_access(db, user, "password", keep_api_keys=body.keep_api_keys)
    await _mail_password_changed(state, db, connection, user, request)
    reply = await log_in(state, db, request, response, user)
    await state.login_cache.revoke(revoked_ids)
    return reply


async def _mail_password_changed(
    state: AppState, db: AsyncSession, connection: Connection, user: User, request: Request
) -> None:
    mail = password_changed_mail(await mail_language(db, user.id, request))
    await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=NOTICE_TTL)


@router.post("/forgot-password", dependencies=[RateLimitedByAddress])
async def forgot_password(
    body: ForgotBody, state: State, db: DbSession, connection: DbConnection, request: Request
) -> MessageReply:
    """Send a link for a new password. The answer is the same whether or not there is such an account."""
    email = body.email.strip()
    user = await user_by_email(db, email) if "\x00" not in email else None
    if user is not None and user.status == "active" and await state.rate_limiter.allows_mail(user.id):
        link = await password_link(state, db, user.id)
        mail = password_reset_mail(await mail_language(db, user.id, request), link)
        await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=RESET_TTL)
        await db.commit()
    return MessageReply(message=RESET_LINK.worded(sends_mail=state.mail_queue.mailer.has_server))


@router.post("/reset-password", dependencies=[RateLimitedByAddress])
async def reset_password(
    body: ResetBody, state: State, db: DbSession, connection: DbConnection, request: Request, response: Response
) -> MessageReply:
    """Set a new password with the token of the mail. Ends every login of the account.

    API keys are revoked unless `keep_api_keys` is true; those of an account whose address was not confirmed always are,
    because an attacker may have made them. The browser may log in afterwards even while attempts from elsewhere lock
    the account.
    """
    # Hashed before the token is redeemed: the row lock is not held for the time of an argon2 hash.
    password_hash = await hash_password(body.new_password)
    token = await redeem_one_time_token(db, body.token, "reset")
    if token is None:
        raise BadRequest("invalid or expired token")
    user = await active_user(db, token.user_id)
    if user is None:
        raise BadRequest("user account is inactive")
    is_first_password, was_verified = not user.can_log_in, user.email_verified_at is not None
    user.password_hash = password_hash
    # Opening the mail proves ownership of the address.
    user.email_verified_at = user.email_verified_at or datetime.now(UTC)
    revoked_ids = await end_all_access(db, user, "reset", keep_api_keys=body.keep_api_keys and was_verified)
    if not is_first_password:
        await _mail_password_changed(state, db, connection, user, request)
    await db.commit()
    await state.login_cache.revoke(revoked_ids)
    remember_device(state, response, user.email)
    return MessageReply(message="Password has been reset successfully.")
