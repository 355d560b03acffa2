"""Joint maps (maps over several sessions), and the threads of a user: topics that recur in several sessions."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey
from models.mindmap.versions import MapStatus

#: The largest number of sessions on one joint map; a map of more is not readable.
MAX_SESSIONS = 50


class JointMap(Base):
    """A map over several sessions of one user. It can be generated again, and has versions and edits."""

    __tablename__ = "joint_maps"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'generating', 'completed', 'failed')", name="status"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        Index("ix_joint_maps_user_created", "user_id", text("created_at DESC"), "id"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: The title that the user gave; without one the map has a generated title.
    title: Mapped[str | None]
    #: The range of dates of the request, if it was requested by dates.
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(server_default="pending", default=MapStatus.PENDING)
    stage: Mapped[str | None]
    percent: Mapped[int] = mapped_column(server_default="0", default=0)
    error_message: Mapped[str | None]
    #: The number of the version shown. Null before the first, and where a worker of the previous version wrote `data`.
    current_version: Mapped[int | None]
    #: The document shown, with the edits, as JSON; null before the first generation and after a session was erased.
    data: Mapped[dict[str, Any] | None]
    input_digest: Mapped[str | None]
    provider: Mapped[str | None]
    #: How often the links to its picture were revoked: a link is valid for one value only.
    picture_links_revoked: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class JointMapVersion(Base):
    """One generated joint map. The generated document never changes; the user's edits are replayed on it."""

    __tablename__ = "joint_map_versions"

    map_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("joint_maps.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    #: The document shown, with the edits.
    data: Mapped[dict[str, Any]]
    #: The document without the edits.
    generated: Mapped[dict[str, Any]]
    #: The number of the last log entry that is replayed in `data`.
    edits_seq: Mapped[int] = mapped_column(server_default="0", default=0)
    #: The result of each edit on this version: `models.mindmap.edits.EditReport` as JSON.
    edit_reports: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"), default=list)
    #: The version that this one restored.
    restored_from: Mapped[int | None]
    input_digest: Mapped[str]
    provider: Mapped[str]
    created_at: Mapped[CreatedAt]


class JointMapEdit(Base):
    """An append-only entry of a joint map's edit log: an operation, an undo or a redo."""

    __tablename__ = "joint_map_edits"
    __table_args__ = (Index("uq_joint_map_edits_op_id", "map_id", "op_id", unique=True),)

    map_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("joint_maps.id", ondelete="CASCADE"), primary_key=True)
    #: 1, 2, 3 … without gaps.
    seq: Mapped[int] = mapped_column(primary_key=True)
    #: The client's id of the operation, which makes a repeated request safe; null for undo and redo.
    op_id: Mapped[str | None]
    entry: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class JointMapSession(Base):
    """A session on a joint map."""

    __tablename__ = "joint_map_sessions"

    map_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("joint_maps.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ThreadUnlink(Base):
    """A topic that the user has removed from every thread."""

    __tablename__ = "thread_unlinks"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    topic_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]


class ThreadLink(Base):
    """Two topics of different sessions that the user has linked as one subject."""

    __tablename__ = "thread_links"
    __table_args__ = (
        Index("uq_thread_links_pair", "session_id", "topic_id", "other_session_id", "other_topic_id", unique=True),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    topic_id: Mapped[str]
    other_session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True
    )
    other_topic_id: Mapped[str]
    created_at: Mapped[CreatedAt]


class ThreadFinding(Base):
    """The computed threads of a user, valid until a map or a link changes."""

    __tablename__ = "thread_findings"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    #: Digest of the maps' versions and of the user's links.
    digest: Mapped[str]
    threads: Mapped[list[Any]]
    found_at: Mapped[CreatedAt]
