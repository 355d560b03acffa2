"""Events: the truth everything else is derived from."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Instant, UuidKey


class Event(Base):
    """One event as the client sent it, append-only.

    `payload` is the client's own JSON, byte for byte, except that page text is moved to `page_contents` and secrets
    are taken out of URLs. It is `text`, not `jsonb`: nothing queries inside, and PostgreSQL would only parse it.
    """

    __tablename__ = "events"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    #: The client's event id, or a digest of the event when it sent none (see `models.recording.ingest`).
    event_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int | None]
    type: Mapped[str]
    occurred_at: Mapped[Instant]
    received_at: Mapped[CreatedAt]
    content_key: Mapped[uuid.UUID | None]
    payload: Mapped[str]


class EventRejection(Base):
    """An event that was not stored, and why. It holds neither URL nor text: that is the point of excluding."""

    __tablename__ = "event_rejections"
    __table_args__ = (CheckConstraint("verdict IN ('excluded', 'invalid')", name="verdict"),)

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    event_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int | None]
    verdict: Mapped[str]
    reason: Mapped[str]
    received_at: Mapped[CreatedAt]


class DuplicateTally(Base):
    """How many resent events a session got; one row a session, touched only when something was resent."""

    __tablename__ = "duplicate_tallies"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    num_duplicates: Mapped[int]


class PageContent(Base):
    """The text of a page, once per user and content. Never shared between users."""

    __tablename__ = "page_contents"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    #: The first 16 bytes of BLAKE2b over the text.
    content_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]


class Visit(Base):
    """One stay on one page, written when the session stops (see `models.recording.timeline`)."""

    __tablename__ = "visits"
    __table_args__ = (Index("ix_visits_session_ordinal", "session_id", "ordinal", unique=True),)

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    page_id: Mapped[str]
    url: Mapped[str]
    title: Mapped[str | None]
    started_at: Mapped[Instant]
    ended_at: Mapped[datetime | None]
    dwell_ms: Mapped[int] = mapped_column(BigInteger)
    max_scroll_depth: Mapped[float]
    is_revisit: Mapped[bool] = mapped_column(server_default=text("false"))
    content_key: Mapped[uuid.UUID | None]


class Highlight(Base):
    """A passage the user marked, attached to the visit it was made in."""

    __tablename__ = "highlights"

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("visits.id", ondelete="SET NULL"), index=True)
    page_id: Mapped[str | None]
    url: Mapped[str | None]
    text: Mapped[str]
    selector: Mapped[str | None]
    color: Mapped[str] = mapped_column(server_default="#FFFF00")
    note: Mapped[str | None]
    occurred_at: Mapped[Instant]
