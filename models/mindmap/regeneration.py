"""Batch runs that order many maps anew, resumable by their id."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt


class RegenerationRun(Base):
    """How far a run has come. The cursor moves in the transaction that gives the orders, so a run that was cut off
    and starts again orders nothing twice and leaves nothing out."""

    __tablename__ = "regeneration_runs"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    #: The last session ordered; sessions are taken in the order of their ids.
    cursor: Mapped[uuid.UUID | None]
    num_ordered: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
