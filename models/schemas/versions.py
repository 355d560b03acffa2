"""Response bodies of map versions and the differences between them."""

from __future__ import annotations

from typing import Any

from models.schemas.base import Reply, Time
from models.schemas.mindmaps import EditReportReply


class VersionReply(Reply):
    """One version of a map. `cost_usd` is the sum the providers charged for it."""

    number: int
    is_current: bool
    provider: str
    model: str | None = None
    cost_usd: float
    input_digest: str
    scorecard: dict[str, Any]
    coverage: dict[str, Any]
    title: str
    num_topics: int
    num_pages: int
    edits_seq: int
    edits_not_applied: list[EditReportReply]
    restored_from: int | None = None
    created_at: Time
    data: dict[str, Any] | None = None


class VersionEnvelope(Reply):
    """`{"version": …}`"""

    version: VersionReply


class VersionList(Reply):
    """The versions of a map, newest first."""

    versions: list[VersionReply]
    total: int


class ChangeReply(Reply):
    """One difference as a sentence; `why` gives the reason where it is known."""

    kind: str
    sentence: str
    why: str = ""
    node_ids: list[str]


class DiffReply(Reply):
    """The changes from version `old` to version `new`, topics first."""

    old: int
    new: int
    changes: list[ChangeReply]
