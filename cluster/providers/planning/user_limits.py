"""What a user's plan and settings say about models."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.accounts.users import UserSettings, active_user
from models.billing.ledger import Allowance
from models.billing.plans import current_plan
from models.errors import NotFound

#: A user's share where calls queue, by plan.
WEIGHTS = {"free": 1.0, "pro": 2.0, "enterprise": 4.0}


@dataclass(frozen=True, slots=True)
class UserTerms:
    """What holds for a user's maps. `language` is None unless the user chose one."""

    allowance: Allowance
    refuses_when_out: bool = False
    language: str | None = None
    weight: float = 1.0


async def read_terms(db: AsyncSession, user_id: uuid.UUID, default_plan: str) -> UserTerms:
    """The user's terms now. Raises NotFound for a closed account."""
    user = await active_user(db, user_id)
    if user is None:
        raise NotFound("there is no such account")
    standing = await current_plan(db, user, default=default_plan)
    chosen = await db.get(UserSettings, user_id)
    return UserTerms(
        allowance=Allowance(standing.usage_start, standing.usage_end, standing.plan.token_limit),
        refuses_when_out=chosen is not None and chosen.when_out_of_tokens == "refuse",
        language=chosen.language if chosen is not None else None,
        weight=WEIGHTS.get(standing.plan.id, 1.0),
    )


def terms_reader(engine: AsyncEngine, default_plan: str) -> Callable[[uuid.UUID], Awaitable[UserTerms]]:
    """`read_terms` with a database session of its own for each call."""

    async def terms_of(user_id: uuid.UUID) -> UserTerms:
        async with AsyncSession(engine) as db:
            return await read_terms(db, user_id, default_plan)

    return terms_of
