"""Response bodies of the receipts of deleted data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.schemas.base import Reply, Time


class ErasureReceiptReply(Reply):
    """What was deleted. It contains no content: neither addresses nor titles."""

    id: str
    scope: Literal["page", "site", "time", "session"]
    session_ids: list[str]
    created_at: Time
    erased_at: Time | None = Field(default=None, description="Absent while a deleted session can still be restored")
    counts: dict[str, int] | None = Field(
        default=None,
        description="Rows deleted or rewritten by kind: events, page_contents, highlights, mindmap_versions, "
        "search_pages, shares, jobs and so on",
    )
    total: int = Field(description="The sum of the counts")


class ReceiptList(Reply):
    """The caller's receipts, newest first."""

    receipts: list[ErasureReceiptReply]


class ErasureReceiptEnvelope(Reply):
    """`{"receipt": …}`"""

    receipt: ErasureReceiptReply
