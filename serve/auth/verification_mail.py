"""The mail that verifies an e-mail address."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import Language, verification_mail
from cluster.mail.pending_links import VERIFY_TTL, verification_link
from models.accounts.users import User
from models.database import Connection
from serve.state import AppState


async def enqueue_verification_mail(
    state: AppState, db: AsyncSession, connection: Connection, user: User, language: Language
) -> None:
    """Enqueue the mail with the link that verifies the address of `user`. The caller commits."""
    mail = verification_mail(language, await verification_link(db, user.id, state.settings.server.origin))
    await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=VERIFY_TTL)
