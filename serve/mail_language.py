"""The language of mails to one user."""

from __future__ import annotations

import uuid

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.mail.messages import Language, preferred_language
from models.accounts.users import UserSettings


async def mail_language(db: AsyncSession, user_id: uuid.UUID, request: Request) -> Language:
    """The language of the user's settings, else the one the browser prefers (`Accept-Language`)."""
    of_user = (UserSettings.user_id == user_id, UserSettings.is_language_chosen)
    chosen = await db.scalar(select(UserSettings.language).where(*of_user))
    if chosen is None:
        return preferred_language(request.headers.get("accept-language", ""))
    return "en" if chosen == "en" else "ko"
