"""Browsing sessions: the table, and which session a user may read. Status changes: `models.lifecycle.state`."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.database import Connection
from models.errors import NotFound, TrailmindError
from models.recording.events import Event

HAS_OPEN_RECORDING: Final = """
    SELECT EXISTS (
        SELECT 1 FROM browsing_sessions
        WHERE status = 'recording' AND deleted_at IS NULL AND updated_at > now() - %(age)s::interval
    )
"""


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
    """One recording. The counts are stored when it is closed; while it records they are computed from its events."""

    __tablename__ = "browsing_sessions"
    __table_args__ = (
        CheckConstraint("status IN ('recording', 'paused', 'processing', 'completed', 'failed')", name="status"),
        CheckConstraint("title_source IN ('user', 'generated')", name="title_source"),
        # The list: newest first, one index scan a page.
        Index("ix_browsing_sessions_user_started", "user_id", text("started_at DESC"), text("id DESC")),
        # Retention: sessions by age.
        Index("ix_browsing_sessions_kept", "created_at", postgresql_where=text("deleted_at IS NULL")),
        # The job that closes abandoned recordings reads only the few open ones.
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
    #: When the retention of the plan deletes it; set when the deletion notice is sent.
    deletes_at: Mapped[datetime | None]
    num_pages: Mapped[int] = mapped_column(server_default="0", default=0)
    num_visits: Mapped[int] = mapped_column(server_default="0", default=0)
    num_highlights: Mapped[int] = mapped_column(server_default="0", default=0)
    num_events: Mapped[int] = mapped_column(server_default="0", default=0)
    dwell_ms: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    #: No text of it is ever sent to an AI model, whatever the user's settings say.
    is_local_only: Mapped[bool] = mapped_column(server_default="false", default=False)
    #: Pages that the extension excluded before anything of them was sent, by its own report.
    num_excluded_on_device: Mapped[int] = mapped_column(server_default="0", default=0)
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    #: The client's id of this recording: a start that is sent twice returns the same session.
    client_session_id: Mapped[str | None]
    #: How often the links to its picture were revoked: a link is valid for one value only.
    picture_links_revoked: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    @property
    def user_title(self) -> str | None:
        """The title if the user wrote it, and not the product."""
        return self.title if self.title_source == "user" else None


Index(
    "uq_browsing_sessions_client",
    BrowsingSession.user_id,
    BrowsingSession.client_session_id,
    unique=True,
    postgresql_where=text("client_session_id IS NOT NULL"),
)


class SessionTransition(Base):
    """The history of a session's status (written by `models.lifecycle.state`). The timeline reads the pauses."""

    __tablename__ = "session_transitions"

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True)
    status: Mapped[str]
    at: Mapped[CreatedAt]


#: A recording without events for this long does not count towards the limit of concurrent recordings.
IDLE_TIMEOUT = timedelta(minutes=30)


async def running_sessions(db: AsyncSession, user_id: uuid.UUID) -> list[uuid.UUID]:
    """The ids of the user's open recordings, paused or not, oldest first.

    A recording that is idle for `IDLE_TIMEOUT` is left out: a browser that crashed must not block its user.
    """
    since = datetime.now(UTC) - IDLE_TIMEOUT
    latest = select(func.max(Event.received_at)).where(Event.session_id == BrowsingSession.id).scalar_subquery()
    session_ids = await db.scalars(
        select(BrowsingSession.id)
        .where(
            BrowsingSession.user_id == user_id,
            BrowsingSession.status.in_([str(s) for s in OPEN_STATUSES]),
            BrowsingSession.deleted_at.is_(None),
            func.greatest(BrowsingSession.updated_at, latest) > since,
        )
        .order_by(BrowsingSession.started_at, BrowsingSession.id)
    )
    return list(session_ids)


async def owned_session(db: AsyncSession, session_id: uuid.UUID, user_id: uuid.UUID) -> BrowsingSession:
    """The session if it is `user_id`'s.

    Raises NotFound when it does not exist, is deleted, or belongs to another user: the answer does not tell which.
    """
    session = await db.get(BrowsingSession, session_id)
    if session is None or session.deleted_at is not None or session.user_id != user_id:
        raise NotFound("session not found")
    return session


def parse_session_id(text: str, *, error_type: type[TrailmindError] = NotFound) -> uuid.UUID:
    """The session id in a path. Raises `error_type` for a malformed one; v1 clients expect NotFound."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise error_type("invalid session id") from None


async def has_open_recording(connection: Connection, age: timedelta) -> bool:
    """Whether a user records in a session that was started or resumed within `age`."""
    cursor = await connection.execute(HAS_OPEN_RECORDING, {"age": age})
    row = await cursor.fetchone()
    return bool(row and row[0])
