"""Browsing sessions: the table, and which session a user may read. Status changes: `models.mindmap.state`."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.errors import Forbidden, NotFound, TrailmindError
from models.recording.events import Event


class SessionStatus(enum.StrEnum):
    """The status of a session. v1 clients know these five values only: an unknown one crashes their list page."""

    RECORDING = "recording"
    PAUSED = "paused"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


#: Sessions in these states take events.
OPEN_STATUSES = (SessionStatus.RECORDING, SessionStatus.PAUSED)


class BrowsingSession(Base):
    """One recording. The numbers are materialised when it stops; while it records they come from the events."""

    __tablename__ = "browsing_sessions"
    __table_args__ = (
        CheckConstraint("status IN ('recording', 'paused', 'processing', 'completed', 'failed')", name="status"),
        CheckConstraint("title_source IN ('user', 'generated')", name="title_source"),
        # The list: newest first, one index scan a page.
        Index("ix_browsing_sessions_user_started", "user_id", text("started_at DESC"), text("id DESC")),
        # What is older than a plan keeps.
        Index("ix_browsing_sessions_kept", "created_at", postgresql_where=text("deleted_at IS NULL")),
        # The sweep for forgotten recordings reads only the few that are open.
        Index("ix_browsing_sessions_open", "updated_at", postgresql_where=text("status IN ('recording', 'paused')")),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[str | None]
    title_source: Mapped[str | None]
    description: Mapped[str | None]
    summary: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="recording", default=SessionStatus.RECORDING)
    failure_reason: Mapped[str | None]
    started_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    #: When the plan lets it go; its user has been told.
    deletes_at: Mapped[datetime | None]
    num_pages: Mapped[int] = mapped_column(server_default="0", default=0)
    num_visits: Mapped[int] = mapped_column(server_default="0", default=0)
    num_highlights: Mapped[int] = mapped_column(server_default="0", default=0)
    num_events: Mapped[int] = mapped_column(server_default="0", default=0)
    dwell_ms: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    #: The client's own id of this recording: starting it twice after a lost answer gives the same session.
    client_session_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


Index(
    "uq_browsing_sessions_client",
    BrowsingSession.user_id,
    BrowsingSession.client_session_id,
    unique=True,
    postgresql_where=text("client_session_id IS NOT NULL"),
)


class SessionTransition(Base):
    """When a session changed state. The timeline needs the pauses; support needs the rest."""

    __tablename__ = "session_transitions"

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True)
    status: Mapped[str]
    at: Mapped[CreatedAt]


#: A recording that nothing has come from for so long does not count as one that runs.
IDLE_TIMEOUT = timedelta(minutes=30)


async def running_sessions(db: AsyncSession, user_id: uuid.UUID) -> list[uuid.UUID]:
    """The recordings of the user that run, paused or not, oldest first.

    One whose browser is gone does not count: it must not lock its user out.
    """
    since = datetime.now(UTC) - IDLE_TIMEOUT
    latest = select(func.max(Event.received_at)).where(Event.session_id == BrowsingSession.id).scalar_subquery()
    found = await db.scalars(
        select(BrowsingSession.id)
        .where(
            BrowsingSession.user_id == user_id,
            BrowsingSession.status.in_([str(s) for s in OPEN_STATUSES]),
            BrowsingSession.deleted_at.is_(None),
            func.greatest(BrowsingSession.updated_at, latest) > since,
        )
        .order_by(BrowsingSession.started_at, BrowsingSession.id)
    )
    return list(found)


async def owned_session(
    db: AsyncSession, session_id: uuid.UUID, user_id: uuid.UUID, *, forbidden_as_not_found: bool = False
) -> BrowsingSession:
    """The session if it is `user_id`'s.

    Raises NotFound when there is none or it was deleted, Forbidden when it is somebody else's (with `hide`, that is
    NotFound too, as the mindmap routes of the reference answer).
    """
    found = await db.get(BrowsingSession, session_id)
    if found is None or found.deleted_at is not None or (forbidden_as_not_found and found.user_id != user_id):
        raise NotFound("session not found")
    if found.user_id != user_id:
        raise Forbidden("access denied")
    return found


def parse_session_id(text: str, *, error_type: type[TrailmindError] = NotFound) -> uuid.UUID:
    """The id in a path. Raises NotFound for a malformed one, as the reference answers, or `otherwise`."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise error_type("invalid session id") from None
