"""Request and response bodies of browsing sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from models.schemas.base import Body, Description, Reply, Time, Title


class SessionStart(Body):
    """All fields are optional; v1 clients send no body."""

    title: Title | None = None
    client_session_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    local_only: bool = Field(default=False, description="Never send its text to an AI model")


class SessionUpdate(Body):
    """Fields that are absent or null stay unchanged; an empty string clears the field."""

    title: Title | None = None
    description: Description | None = None
    local_only: bool | None = Field(default=None, description="Never send its text to an AI model")
    excluded_on_device: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="How many pages the client has excluded itself so far; a smaller number than before is ignored",
    )


class SessionReply(Reply):
    """A browsing session. The counts are live while it records."""

    id: str
    title: str | None = None
    description: str | None = None
    summary: str | None = None
    session_status: Literal["recording", "paused", "processing", "completed", "failed"]
    started_at: Time
    ended_at: Time | None = None
    created_at: Time
    updated_at: Time
    page_count: int | None = None
    highlight_count: int | None = None
    event_count: int | None = None
    dwell_ms: int | None = None
    keywords: list[str] | None = None
    error_message: str | None = None
    local_only: bool
    deletes_at: Time | None = Field(
        default=None, description="When the plan's retention deletes the session; absent while it is kept"
    )


class SessionEnvelope(Reply):
    """`{"session": …}`"""

    session: SessionReply


class SessionList(Reply):
    """One page of sessions, and the number of all sessions."""

    sessions: list[SessionReply]
    total: int
