"""What to forget, and the receipts of deleted data."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from models.accounts.data_kinds import DataKind
from models.recording.exclusions import normalize_domain
from models.schemas.base import Body, Reply, Time


class ErasureReceiptReply(Reply):
    """What was deleted. It contains no content: neither addresses nor titles."""

    id: str
    scope: Literal["page", "site", "time", "session"]
    session_ids: list[str]
    created_at: Time
    erased_at: Time | None = Field(default=None, description="Absent while a deleted session can still be restored")
    counts: dict[DataKind, int] | None = Field(default=None, description="Entries deleted or rewritten, by kind")
    total: int = Field(description="The sum of the counts")


class ReceiptList(Reply):
    """The caller's receipts, newest first."""

    receipts: list[ErasureReceiptReply]


class ErasureReceiptEnvelope(Reply):
    """`{"receipt": …}`"""

    receipt: ErasureReceiptReply


class ForgetBody(Body):
    """What to forget: a page, a site, or a time of at most a day; in one session, or in all without `session_id`."""

    page_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    domain: (
        Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(normalize_domain)] | None
    ) = Field(default=None, description="Covers its subdomains", examples=["example.com"])
    since: datetime | None = Field(default=None, description="Start of a time; needs `until`")
    until: datetime | None = Field(default=None, description="End of the time, not included")
    session_id: uuid.UUID | None = Field(default=None, description="Only in this session")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.since is None) != (self.until is None):
            raise ValueError("since and until belong together")
        if sum(each is not None for each in (self.page_id, self.domain, self.since)) != 1:
            raise ValueError("name exactly one: page_id, domain, or since and until")
        if self.since is not None and self.until is not None:
            for moment in (self.since, self.until):
                if moment.tzinfo is None:
                    raise ValueError("since and until need a time zone")
            if not timedelta(0) < self.until - self.since <= timedelta(days=1):
                raise ValueError("until must be later than since, by a day at most")
        return self


class ForgetReply(Reply):
    """The receipt. Maps of the sessions in it are generated again without what was forgotten."""

    receipt: ErasureReceiptReply
    open_recordings: int = Field(description="Recordings of the caller that are open and were not looked at")
