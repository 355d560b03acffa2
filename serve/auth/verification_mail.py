"""The mail that verifies an e-mail address."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import Language, verification_mail
from models.accounts.logins import issue_one_time_token
from models.accounts.users import User
from models.database import Connection
from serve.state import AppState

VERIFY_TTL = timedelta(days=2)


async def enqueue_verification_mail(
    state: AppState, db: AsyncSession, connection: Connection, user: User, language: Language
) -> None:
    """Enqueue the mail with the link that verifies the address of `user`. The caller commits."""
    token = await issue_one_time_token(db, user.id, "verify", ttl=VERIFY_TTL)
    # In the fragment: browsers send it neither to the server nor in a Referer header.
    mail = verification_mail(language, f"{state.settings.server.origin}/verify-email#token={token}")
    await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=VERIFY_TTL)
