"""What a user may do under their plan: the one place that answers "may this user …?".

The plan of a user is what an operator has given them, else what they pay for (also for a short while after a failed
payment), else the default plan. `plan_of_user`, a function of migration 0022, and `load_policy` apply that one rule:
statements use the function, Python code the other.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from models.accounts.users import User
from models.billing.ledger import TokenAllowance
from models.billing.plans import PLANS, CurrentPlan, Plan, current_plan
from models.database import Connection
from models.errors import TrailmindError
from models.jobs import INTERACTIVE, PREFERRED

#: Export format → the feature that includes it. Outline formats belong to Markdown, tables to JSON.
EXPORT_FEATURES: Final = {
    "png": "export_png",
    "svg": "export_svg",
    "markdown": "export_md",
    "opml": "export_md",
    "freemind": "export_md",
    "json": "export_json",
    "csv": "export_json",
}
#: A user's share of a contended quota of a model provider, by plan.
_QUOTA_WEIGHTS: Final = {"free": 1.0, "pro": 2.0, "enterprise": 4.0}

# The default plan gives no precedence: without plans all users would have it.
READ_PLAN_BESIDE_DEFAULT: Final = "SELECT plan FROM plan_of_user(%(user_id)s, 'free', now())"


class FeatureNotInPlan(TrailmindError):
    """The user's plan does not include a feature; `needed` is the cheapest plan that does."""

    code, status = "PLAN_UPGRADE_REQUIRED", 402

    def __init__(self, plan: str, what: str, needed: str) -> None:
        super().__init__(plan, what, needed)
        self.plan, self.what, self.needed = plan, what, needed

    @property
    def values(self) -> dict[str, str]:
        return {"plan": self.plan, "feature": self.what, "needed": self.needed}

    def __str__(self) -> str:
        return f"the {self.plan} plan does not include {self.what}; {self.needed} does"


class TooManySessions(TrailmindError):
    """The user has as many concurrent recordings as the plan allows."""

    code, status = "CONCURRENT_SESSION_LIMIT", 409
    # Clients that retry on their own (a recording started offline) succeed once another recording has stopped.
    retry_after_s = 30.0

    def __init__(self, plan: str, allowed: int) -> None:
        super().__init__(plan, allowed)
        self.plan, self.allowed = plan, allowed

    @property
    def values(self) -> dict[str, str]:
        return {"plan": self.plan, "allowed": str(self.allowed)}

    def __str__(self) -> str:
        limit = "one recording" if self.allowed == 1 else f"{self.allowed} recordings"
        return f"the {self.plan} plan allows {limit} at a time; stop one before you start another"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one user may do at one moment."""

    current: CurrentPlan

    @property
    def plan(self) -> Plan:
        """The user's plan."""
        return self.current.plan

    @property
    def allowance(self) -> TokenAllowance:
        """The tokens of the current usage period."""
        return TokenAllowance(self.current.usage_start, self.current.usage_end, self.plan.token_limit)

    @property
    def quota_weight(self) -> float:
        """The user's share of a contended quota of a model provider."""
        return _QUOTA_WEIGHTS.get(self.plan.id, 1.0)

    @property
    def max_recordings(self) -> int | None:
        """How many recordings the user may run at the same time; None is unlimited."""
        return self.plan.max_concurrent_sessions

    def require_export(self, export_format: str) -> None:
        """Raise FeatureNotInPlan unless the user may export in this format."""
        require_feature(self.plan, EXPORT_FEATURES[export_format], f"exports as {export_format}")

    def require_api_keys(self) -> None:
        """Raise FeatureNotInPlan unless the user may create and use API keys."""
        require_api_access(self.plan.id)


def require_api_access(plan_id: str) -> None:
    """Raise FeatureNotInPlan unless users of the plan may create and use API keys."""
    require_feature(PLANS[plan_id], "api_access", "API keys")


async def load_policy(db: AsyncSession, user: User, default_plan: str, now: datetime | None = None) -> Policy:
    """What `user` may do at `now`."""
    return Policy(await current_plan(db, user, default=default_plan, now=now))


async def map_priority(connection: Connection, user_id: uuid.UUID) -> int:
    """The priority of a map that the user waits for: plans with `priority_support` precede the others."""
    row = await (await connection.execute(READ_PLAN_BESIDE_DEFAULT, {"user_id": user_id})).fetchone()
    assert row is not None
    return PREFERRED if PLANS[row[0]].includes("priority_support") else INTERACTIVE


def require_feature(plan: Plan, feature: str, what: str) -> None:
    """Raise FeatureNotInPlan unless `plan` includes `feature`."""
    if not plan.includes(feature):
        needed = next((p.name for p in PLANS.values() if p.includes(feature)), "no plan")
        raise FeatureNotInPlan(plan.name, what, needed)
