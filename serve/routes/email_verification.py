"""E-mail verification: send the link again, confirm the address with its token."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from models.accounts.logins import redeem_one_time_token
from models.accounts.users import active_user, require_active_user
from models.errors import BadRequest
from models.schemas.base import MessageReply
from models.schemas.passwords import TokenBody
from serve.auth.verification_mail import enqueue_verification_mail
from serve.dependencies import CurrentUserId, DbConnection, DbSession, RateLimitedByAddress, State
from serve.mail_language import mail_language

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/verify-email", dependencies=[RateLimitedByAddress])
async def verify_email(body: TokenBody, state: State, db: DbSession) -> MessageReply:
    """Confirm an address with the token of the mail."""
    token = await redeem_one_time_token(db, body.token, "verify")
    user = await active_user(db, token.user_id) if token is not None else None
    if user is None:
        raise BadRequest("invalid or expired token")
    user.email_verified_at = user.email_verified_at or datetime.now(UTC)
    if user.email.lower() in {email.lower() for email in state.settings.auth.admin_emails}:
        user.role = "admin"
    await db.commit()
    return MessageReply(message="The e-mail address is confirmed.")


@router.post("/send-verification")
async def send_verification(
    user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection, request: Request
) -> MessageReply:
    """Send the mail that confirms the address once more."""
    user = await require_active_user(db, user_id)
    if user.email_verified_at is None and await state.rate_limiter.allows_mail(user.id):
        await enqueue_verification_mail(state, db, connection, user, await mail_language(db, user.id, request))
        await db.commit()
    return MessageReply(message="If the address is not confirmed yet, a mail is on its way.")
