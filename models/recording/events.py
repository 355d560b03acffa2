"""Events: the store of record, from which visits, highlights and maps are derived."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Instant, UuidKey


class Event(Base):
    """One event as the client sent it; rows are only inserted.

    `payload` is the client's JSON, byte for byte, except that page text is moved to `page_contents` and secrets are
    removed from URLs. It is `text`, not `jsonb`, because no query reads it and parsing it would cost time.
    """

    __tablename__ = "events"
    __table_args__ = (
        # Whether a page text is still needed is asked for each text of a session that loses its events.
        Index(
            "ix_events_content_key",
            "content_key",
            "session_id",
            postgresql_where=text("content_key IS NOT NULL"),
        ),
        # The preparation of maps counts the texts of all open recordings every few seconds.
        Index(
            "ix_events_session_texts",
            "session_id",
            "content_key",
            postgresql_where=text("content_key IS NOT NULL"),
        ),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    #: The client's event id, or a digest of the event if it has none (`models.recording.ingest`).
    event_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int | None]
    type: Mapped[str]
    occurred_at: Mapped[Instant]
    received_at: Mapped[CreatedAt]
    content_key: Mapped[uuid.UUID | None]
    payload: Mapped[str]


class EventRejection(Base):
    """An event that was not stored, and why. Without URL and text, which an exclusion keeps out of the database."""

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
    """The number of duplicate events a session received; no row for a session without duplicates."""

    __tablename__ = "duplicate_tallies"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    num_duplicates: Mapped[int]


class PageContent(Base):
    """The text of a page, stored once per user and content; users never share a row."""

    __tablename__ = "page_contents"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    #: The first 16 bytes of BLAKE2b over the text.
    content_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]


class Visit(Base):
    """One visit of a page, written when the session is closed (`models.recording.timeline`)."""

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
    """A passage that the user highlighted, with the visit in which it was highlighted."""

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
