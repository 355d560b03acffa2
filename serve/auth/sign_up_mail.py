"""The mail that answers a sign-up, so that the response does not tell which addresses have an account."""

from __future__ import annotations

import uuid

from fastapi import Request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import account_exists_mail, sign_up_mail
from cluster.mail.pending_links import VERIFY_TTL
from models.accounts.users import User, user_by_email
from models.database import Connection
from serve.auth.password_mail import RESET_TTL, password_link
from serve.mail_language import mail_language
from serve.state import AppState


async def enqueue_sign_up_mail(
    state: AppState, db: AsyncSession, connection: Connection, address: str, request: Request
) -> None:
    """Create an account without a password if `address` has none, enqueue the mail for its owner, and commit.

    Both cases do the same work but for the new row. A new account opens only with the link of the mail: a user who
    types the address of another person gets nothing. A closed account gets no mail.
    """
    user = await user_by_email(db, address)
    if user is None:
        user = User(id=uuid.uuid4(), email=address)
        db.add(user)
        try:
            await db.flush()
        except IntegrityError:
            # A concurrent sign-up with the same address sends the mail.
            await db.rollback()
            return
    if user.status == "active" and await state.rate_limiter.allows_mail(user.id):
        is_new = not user.can_log_in
        ttl = VERIFY_TTL if is_new else RESET_TTL
        language, link = await mail_language(db, user.id, request), await password_link(state, db, user.id, ttl=ttl)
        mail = sign_up_mail(language, link) if is_new else account_exists_mail(language, link)
        await state.mail_queue.enqueue(connection, user.id, user.email, mail, ttl=ttl)
    await db.commit()
