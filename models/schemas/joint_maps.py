"""Request and response bodies of maps over several sessions."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from models.mindmap.joint_maps import MAX_SESSIONS
from models.schemas.base import Body, Reply, Time, Title


class JointMapBody(Body):
    """Either `session_ids`, or a range of dates (sessions started in `since` ≤ t < `until`), not both."""

    title: Title | None = None
    session_ids: Annotated[list[uuid.UUID], Field(min_length=1, max_length=MAX_SESSIONS)] | None = None
    since: datetime | None = None
    until: datetime | None = None


class JointMapReply(Reply):
    """A map over several sessions; `data` from its first completion on, also while a new one is generated."""

    id: str
    title: str | None = None
    status: Literal["pending", "generating", "completed", "failed"]
    stage: str | None = None
    percent: int
    error_message: str | None = None
    error_code: str | None = Field(default=None, description="Why the last generation failed, as a stable code")
    session_ids: list[str]
    since: Time | None = None
    until: Time | None = None
    provider: str | None = None
    data: dict[str, Any] | None = None
    created_at: Time
    updated_at: Time


class JointMapEnvelope(Reply):
    """`{"map": …}`"""

    map: JointMapReply


class JointMapList(Reply):
    """Maps over several sessions, newest first, without `data`."""

    maps: list[JointMapReply]
    total: int
