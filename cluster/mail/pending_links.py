"""Verification links for an operator to pass on, where the deployment has no mail server.

A link confirms an address only in a browser that is logged in to its account, so that it gives its reader no account.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.logins import issue_one_time_token
from models.accounts.users import User

VERIFY_TTL = timedelta(days=2)
MAX_LISTED = 200


@dataclass(frozen=True, slots=True)
class PendingVerification:
    """An account whose address is not confirmed, with a fresh link. Links made before become invalid."""

    user_id: uuid.UUID
    email: str
    created_at: datetime
    link: str


async def verification_link(db: AsyncSession, user_id: uuid.UUID, origin: str) -> str:
    """A link that confirms the address of a user, valid for `VERIFY_TTL`. The caller commits."""
    token = await issue_one_time_token(db, user_id, "verify", ttl=VERIFY_TTL)
    # In the fragment: browsers send it neither to the server nor in a Referer header.
    return f"{origin}/verify-email#token={token}"


async def pending_verifications(db: AsyncSession, origin: str) -> list[PendingVerification]:
    """The newest accounts without a confirmed address, at most `MAX_LISTED`. The caller commits."""
    users = await db.scalars(
        select(User)
        .where(User.email_verified_at.is_(None), User.status == "active")
        .order_by(User.created_at.desc())
        .limit(MAX_LISTED)
    )
    return [
        PendingVerification(user.id, user.email, user.created_at, await verification_link(db, user.id, origin))
        for user in users.all()
    ]
