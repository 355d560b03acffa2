"""Request and response bodies of maps over several sessions."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from models.mindmap.joint_maps import MAX_SESSIONS
from models.schemas.base import Body, Reply, Time, Title
from models.schemas.mindmaps import EditReportReply, EditsState


class JointMapBody(Body):
    """Either `session_ids`, or a range of dates (sessions started in `since` ≤ t < `until`), not both."""

    title: Title | None = None
    session_ids: Annotated[list[uuid.UUID], Field(min_length=1, max_length=MAX_SESSIONS)] | None = None
    since: datetime | None = None
    until: datetime | None = None


class JointMapReply(Reply):
    """A map over several sessions; `data` from its first completion on, also while a new one is generated."""

    id: str
    title: str | None = Field(default=None, description="As on the map: given by the user, or generated")
    status: Literal["pending", "generating", "completed", "failed"]
    stage: str | None = None
    percent: int
    error_message: str | None = None
    error_code: str | None = Field(default=None, description="Why the last generation failed, as a stable code")
    session_ids: list[str]
    since: Time | None = None
    until: Time | None = None
    provider: str | None = None
    version: int | None = None
    edits: EditsState | None = None
    data: dict[str, Any] | None = None
    created_at: Time
    updated_at: Time


class JointMapEnvelope(Reply):
    """`{"map": …}`"""

    map: JointMapReply


class JointEditsReply(Reply):
    """The map after the edits, and one report for each of them, in order."""

    map: JointMapReply
    reports: list[EditReportReply]


class JointVersionReply(Reply):
    """One version of a map over several sessions; `data` only when one version is read."""

    number: int
    is_current: bool
    provider: str
    input_digest: str
    title: str
    num_topics: int
    num_pages: int
    edits_seq: int
    edits_not_applied: list[EditReportReply]
    restored_from: int | None = None
    created_at: Time
    data: dict[str, Any] | None = None


class JointVersionEnvelope(Reply):
    """`{"version": …}`"""

    version: JointVersionReply


class JointVersionList(Reply):
    """The versions of a map over several sessions, newest first."""

    versions: list[JointVersionReply]
    total: int


class JointMapList(Reply):
    """Maps over several sessions, newest first, without `data`."""

    maps: list[JointMapReply]
    total: int
