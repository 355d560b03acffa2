"""Request and response bodies of accounts: the profile and account deletion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from models.schemas.base import Body, Reply, Time


class UserReply(Reply):
    """An account as its owner sees it."""

    id: str
    email: str
    created_at: Time
    updated_at: Time
    email_verified: bool = Field(default=False, description="The address was confirmed by a link sent to it")
    has_password: bool = Field(default=True, description="False for accounts that only sign in with Google")
    google_linked: bool = False
    avatar_url: str | None = None
    role: Literal["user", "admin"] = "user"


class UserEnvelope(Reply):
    """`{"user": …}`"""

    user: UserReply


class DeletionBody(Body):
    """`password` where the account has one. `now` erases at once instead of after the time to think again."""

    password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    now: bool = False


class DeletionReceipt(Reply):
    """How many rows of each kind the account has, all of which go at `erased_at`."""

    status: Literal["erased", "scheduled"]
    erased_at: Time
    counts: dict[str, int]
    total: int
