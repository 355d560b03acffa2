"""Mind maps: one resource a session, many versions, and the log of its user's edits."""

from __future__ import annotations

import enum
import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey


class MapStatus(enum.StrEnum):
    """What a client can be told about a map."""

    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"


class Mindmap(Base):
    """The map of a session: how far its making is, and which version is shown."""

    __tablename__ = "mindmaps"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'generating', 'completed', 'failed')", name="status"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
    )

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"), unique=True)
    status: Mapped[str] = mapped_column(server_default="pending", default=MapStatus.PENDING)
    stage: Mapped[str | None]
    percent: Mapped[int] = mapped_column(server_default="0", default=0)
    error_message: Mapped[str | None]
    #: The number of the version shown; null until the first is made.
    current_version: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class MindmapVersion(Base):
    """One finished map. What was generated never changes; the user's edits are replayed on it."""

    __tablename__ = "mindmap_versions"
    __table_args__ = (Index("uq_mindmap_versions_number", "mindmap_id", "number", unique=True),)

    id: Mapped[UuidKey]
    mindmap_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mindmaps.id", ondelete="CASCADE"))
    number: Mapped[int]
    #: `models.mindmap.validation` as JSON: nodes, edges, layout, layouts, left_out, coverage, scorecard …
    #: This is the map as it is shown, edits included.
    data: Mapped[dict[str, Any]]
    #: The map before the edits; null while `data` has none.
    generated: Mapped[dict[str, Any] | None]
    #: The last entry of the log that `data` knows of.
    edits_seq: Mapped[int] = mapped_column(server_default="0", default=0)
    #: What became of every edit on this version: `models.mindmap.edits.EditReport` as JSON.
    edit_reports: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"), default=list)
    #: The version this one brought back.
    restored_from: Mapped[int | None]
    #: Digest of everything the map was made from; equal input is not made twice.
    input_digest: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str | None]
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    scorecard: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    created_at: Mapped[CreatedAt]


class MindmapEdit(Base):
    """One entry of a map's edit log, append-only: an operation, an undo or a redo (`models.mindmap.edits`)."""

    __tablename__ = "mindmap_edits"
    __table_args__ = (Index("uq_mindmap_edits_op_id", "mindmap_id", "op_id", unique=True),)

    mindmap_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mindmaps.id", ondelete="CASCADE"), primary_key=True)
    #: 1, 2, 3 … without gaps.
    seq: Mapped[int] = mapped_column(primary_key=True)
    #: The client's id of the operation; null for undo and redo.
    op_id: Mapped[str | None]
    entry: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
