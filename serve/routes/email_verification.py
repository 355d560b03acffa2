"""E-mail verification: send the link again, confirm the address with its token."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import choose_password_mail
from models.accounts.logins import end_all_access, owner_of_one_time_token, redeem_one_time_token
from models.accounts.users import User, active_user, require_active_user
from models.database import Connection
from models.errors import BadRequest
from models.schemas.base import MessageReply
from models.schemas.passwords import TokenBody, VerificationReply
from serve.auth.authorization import authenticate
from serve.auth.password_mail import RESET_TTL, password_link
from serve.auth.verification_mail import enqueue_verification_mail
from serve.dependencies import CurrentUserId, DbConnection, DbSession, RateLimitedByAddress, State
from serve.mail_language import mail_language
from serve.mail_sentences import NEW_PASSWORD_LINK, VERIFICATION_LINK
from serve.state import AppState

router = APIRouter(prefix="/v1/auth", tags=["auth"])


class OtherAccount(BadRequest):
    """The caller is logged in with another account than the one of the link."""

    code = "OTHER_ACCOUNT"


@router.post("/verify-email", dependencies=[RateLimitedByAddress])
async def verify_email(
    body: TokenBody, state: State, db: DbSession, connection: DbConnection, request: Request
) -> VerificationReply:
    """Confirm an address with the token of the mail.

    Confirmation counts only with a login of the account: an attacker may have signed up with the address of
    the mail's reader. Without a login, all logins, the password and the API keys of the account end, and a
    second mail has the link with which the owner of the address chooses a new password.
    """
    is_logged_in = "authorization" in request.headers
    caller = await authenticate(state, request) if is_logged_in else None
    owner_id = await owner_of_one_time_token(db, body.token, "verify")
    if owner_id is not None and caller is not None and caller.user_id != owner_id:
        raise OtherAccount("this link belongs to another account; log out first")
    token = await redeem_one_time_token(db, body.token, "verify")
    user = await active_user(db, token.user_id) if token is not None else None
    if user is None:
        raise BadRequest("invalid or expired token")
    if caller is not None:
        user.email_verified_at = user.email_verified_at or datetime.now(UTC)
        await db.commit()
        return VerificationReply(message="The e-mail address is confirmed.", email_verified=True)
    if user.email_verified_at is None:
        await _require_new_password(state, db, connection, user, request)
    sends_mail = state.mail_queue.mailer.has_server
    return VerificationReply(message=NEW_PASSWORD_LINK.worded(sends_mail=sends_mail), email_verified=False)


async def _require_new_password(
    state: AppState, db: AsyncSession, connection: Connection, user: User, request: Request
) -> None:
    """End all access to the account and mail a link for a new password; commits."""
    user.password_hash = None
    ended_ids = await end_all_access(db, user, "verified_elsewhere")
    mail = choose_password_mail(await mail_language(db, user.id, request), await password_link(state, db, user.id))
    await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=RESET_TTL)
    await db.commit()
    await state.login_cache.revoke(ended_ids)


@router.post("/send-verification")
async def send_verification(
    user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection, request: Request
) -> MessageReply:
    """Send the mail that confirms the address once more."""
    user = await require_active_user(db, user_id)
    if user.email_verified_at is None and await state.rate_limiter.allows_mail(user.id):
        await enqueue_verification_mail(state, db, connection, user, await mail_language(db, user.id, request))
        await db.commit()
    return MessageReply(message=VERIFICATION_LINK.worded(sends_mail=state.mail_queue.mailer.has_server))
