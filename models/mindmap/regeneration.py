"""The progress of regenerations of the previous version, whose processes may still run during an update."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt


class RegenerationRun(Base):
    """A run of the previous version: `models.runs` has those of this one. Drop the table one release later."""

    __tablename__ = "regeneration_runs"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[uuid.UUID | None]
    num_ordered: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
