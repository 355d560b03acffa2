"""Mind maps: one per session, with its versions and the log of its user's edits."""

from __future__ import annotations

import enum
import uuid
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt, UuidKey


class MapStatus(enum.StrEnum):
    """The status of a map or a joint map; `models.lifecycle.state` has the transitions."""

    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"


class Mindmap(Base):
    """The map of a session: its status, the progress of its generation, and the version shown."""

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
    #: The number of the version shown; null before the first version.
    current_version: Mapped[int | None]
    #: A version without a model that the user may choose instead of the model's version shown; `error_message` says
    #: why it was made.
    offered_version: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class MindmapVersion(Base):
    """One generated map. The generated document never changes, unless a label that it reuses is forgotten; the user's
    edits are replayed on it.
    """

    __tablename__ = "mindmap_versions"
    __table_args__ = (Index("uq_mindmap_versions_number", "mindmap_id", "number", unique=True),)

    id: Mapped[UuidKey]
    mindmap_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mindmaps.id", ondelete="CASCADE"))
    number: Mapped[int]
    #: `models.mindmap.validation` as JSON: nodes, edges, layout, layouts, left_out, coverage, scorecard …
    #: The document shown, with the edits.
    data: Mapped[dict[str, Any]]
    #: The document without the edits; null while no edit is in effect.
    generated: Mapped[dict[str, Any] | None]
    #: The number of the last log entry that is replayed in `data`.
    edits_seq: Mapped[int] = mapped_column(server_default="0", default=0)
    #: The result of each edit on this version: `models.mindmap.edits.EditReport` as JSON.
    edit_reports: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"), default=list)
    #: The version that this one restored.
    restored_from: Mapped[int | None]
    #: A version that a regeneration run has made and that was never shown; its user does not see it.
    is_candidate: Mapped[bool] = mapped_column(server_default="false", default=False)
    #: The version of the pipeline that made it; null for versions from before it was recorded.
    pipeline_version: Mapped[int | None]
    #: Digest of the input of the generation; equal input is not generated twice.
    input_digest: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str | None]
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    scorecard: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    created_at: Mapped[CreatedAt]


class MindmapEdit(Base):
    """An append-only entry of a map's edit log: an operation, an undo or a redo (`models.mindmap.edits`)."""

    __tablename__ = "mindmap_edits"
    __table_args__ = (Index("uq_mindmap_edits_op_id", "mindmap_id", "op_id", unique=True),)

    mindmap_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mindmaps.id", ondelete="CASCADE"), primary_key=True)
    #: 1, 2, 3 … without gaps.
    seq: Mapped[int] = mapped_column(primary_key=True)
    #: The client's id of the operation, which makes a repeated request safe; null for undo and redo.
    op_id: Mapped[str | None]
    entry: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


#: Joins a map and the version that it shows.
IS_CURRENT: Final = (MindmapVersion.mindmap_id == Mindmap.id) & (MindmapVersion.number == Mindmap.current_version)


async def load_current_document(db: AsyncSession, session_id: uuid.UUID) -> dict[str, Any] | None:
    """The document (JSON) of the session's current map version, or None before the first."""
    return await db.scalar(
        select(MindmapVersion.data).join(Mindmap, IS_CURRENT).where(Mindmap.session_id == session_id)
    )
