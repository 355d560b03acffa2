"""The link in mails with which a user sets a new password."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.logins import issue_one_time_token
from serve.state import AppState

RESET_TTL = timedelta(hours=1)


async def password_link(state: AppState, db: AsyncSession, user_id: uuid.UUID, *, ttl: timedelta = RESET_TTL) -> str:
    """A link that sets a new password, once, within `ttl`. Earlier links become invalid. The caller commits."""
    token = await issue_one_time_token(db, user_id, "reset", ttl=ttl)
    # In the fragment: browsers send it neither to the server nor in a Referer header.
    return f"{state.settings.server.origin}/reset-password#token={token}"
