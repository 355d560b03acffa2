"""Request and response bodies of accounts: the profile and account deletion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from models.accounts.data_kinds import DataKind
from models.schemas.base import Body, Reply, Time


class UserReply(Reply):
    """An account as its owner sees it."""

    id: str
    email: str
    created_at: Time
    updated_at: Time
    email_verified: bool = Field(default=False, description="The address was verified with a link sent to it")
    has_password: bool = Field(default=True, description="False for accounts that only sign in with Google")
    google_linked: bool = False
    avatar_url: str | None = None
    role: Literal["user", "admin"] = "user"


class UserEnvelope(Reply):
    """`{"user": …}`"""

    user: UserReply


class DeletionBody(Body):
    """`password` if the account has one. `now` erases the account at once instead of after the grace period."""

    password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    now: bool = False


class DeletionReceipt(Reply):
    """The number of entries of each kind of data that the account has; all are erased at `erased_at`."""

    status: Literal["erased", "scheduled"]
    erased_at: Time
    counts: dict[DataKind, int]
    total: int
