"""What a user's plan and settings say about models."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.accounts.users import UserSettings, active_user
from models.billing.ledger import TokenAllowance
from models.billing.plans import current_plan
from models.errors import NotFound

#: A user's share where calls queue, by plan.
PLAN_WEIGHTS = {"free": 1.0, "pro": 2.0, "enterprise": 4.0}


@dataclass(frozen=True, slots=True)
class UserLimits:
    """What holds for a user's maps. `language` is None unless the user chose one."""

    allowance: TokenAllowance
    refuses_when_out_of_tokens: bool = False
    language: str | None = None
    weight: float = 1.0


async def load_user_limits(db: AsyncSession, user_id: uuid.UUID, default_plan: str) -> UserLimits:
    """The user's terms now. Raises NotFound for a closed account."""
    user = await active_user(db, user_id)
    if user is None:
        raise NotFound("there is no such account")
    standing = await current_plan(db, user, default=default_plan)
    chosen = await db.get(UserSettings, user_id)
    return UserLimits(
        allowance=TokenAllowance(standing.usage_start, standing.usage_end, standing.plan.token_limit),
        refuses_when_out_of_tokens=chosen is not None and chosen.when_out_of_tokens == "refuse",
        language=chosen.language if chosen is not None else None,
        weight=PLAN_WEIGHTS.get(standing.plan.id, 1.0),
    )


def user_limits_loader(engine: AsyncEngine, default_plan: str) -> Callable[[uuid.UUID], Awaitable[UserLimits]]:
    """`read_terms` with a database session of its own for each call."""

    async def terms_of(user_id: uuid.UUID) -> UserLimits:
        async with AsyncSession(engine) as db:
            return await load_user_limits(db, user_id, default_plan)

    return terms_of
