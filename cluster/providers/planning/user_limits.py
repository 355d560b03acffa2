"""The limits and preferences of a user for model calls, from plan and settings."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.accounts.users import UserSettings, active_user
from models.billing.ledger import TokenAllowance
from models.billing.policy import load_policy
from models.errors import NotFound


@dataclass(frozen=True, slots=True)
class UserLimits:
    """A user's token allowance and preferences. `language` is None unless the user has chosen one."""

    allowance: TokenAllowance
    refuses_when_out_of_tokens: bool = False
    language: str | None = None
    weight: float = 1.0


async def load_user_limits(db: AsyncSession, user_id: uuid.UUID, default_plan: str) -> UserLimits:
    """The user's current limits.

    Raises:
        NotFound: the account is closed or does not exist.
    """
    user = await active_user(db, user_id)
    if user is None:
        raise NotFound("there is no such account")
    policy = await load_policy(db, user, default_plan)
    settings = await db.get(UserSettings, user_id)
    return UserLimits(
        allowance=policy.allowance,
        refuses_when_out_of_tokens=settings is not None and settings.when_out_of_tokens == "refuse",
        language=settings.chosen_language if settings is not None else None,
        weight=policy.quota_weight,
    )


def user_limits_loader(engine: AsyncEngine, default_plan: str) -> Callable[[uuid.UUID], Awaitable[UserLimits]]:
    """`load_user_limits` with a database session of its own for each call."""

    async def load_limits(user_id: uuid.UUID) -> UserLimits:
        async with AsyncSession(engine) as db:
            return await load_user_limits(db, user_id, default_plan)

    return load_limits
