"""The tables of regeneration runs: a run, and one item for each session in it."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt


class RunStatus(enum.StrEnum):
    """The status of a run; `models.lifecycle.run_state` has the transitions."""

    RUNNING = "running"
    PAUSED = "paused"
    #: A gate or the budget has stopped it; `reason` says which.
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


class ItemStatus(enum.StrEnum):
    """The status of one session in a run; `models.lifecycle.run_state` has the transitions."""

    WAITING = "waiting"
    RUNNING = "running"
    #: Its version is saved and not shown.
    DONE = "done"
    #: The new version would equal the one shown, so none was saved.
    UNCHANGED = "unchanged"
    #: The map was changed by its user meanwhile, or the session is deleted: the run leaves it alone.
    SUPERSEDED = "superseded"
    FAILED = "failed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


def _check(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


class MapRun(Base):
    """One regeneration of many maps. `parameters` is `models.runs.parameters.RunParameters` as JSON."""

    __tablename__ = "map_runs"
    __table_args__ = (
        _check("status", RunStatus),
        CheckConstraint("token_budget > 0", name="token_budget"),
        CheckConstraint("cost_budget_micros > 0", name="cost_budget"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default="running", default=RunStatus.RUNNING)
    reason: Mapped[str | None]
    parameters: Mapped[dict[str, Any]]
    #: Hard ceilings of what the provider calls of the run may take; null means none.
    token_budget: Mapped[int | None] = mapped_column(BigInteger)
    cost_budget_micros: Mapped[int | None] = mapped_column(BigInteger)
    #: Items up to this position run first; the others wait until the gates have passed them.
    num_canary: Mapped[int] = mapped_column(server_default="0", default=0)
    is_canary_passed: Mapped[bool] = mapped_column(server_default="false", default=False)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    finished_at: Mapped[datetime | None]


class MapRunItem(Base):
    """One session of a run. Claimed with a lease, so that a crash of its worker loses nothing."""

    __tablename__ = "map_run_items"
    __table_args__ = (
        _check("status", ItemStatus),
        Index("ix_map_run_items_status", "run_id", "status", "position"),
        Index("ix_map_run_items_session_id", "session_id"),
    )

    run_id: Mapped[str] = mapped_column(ForeignKey("map_runs.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    #: 1, 2, 3 … in the order of processing.
    position: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="waiting", default=ItemStatus.WAITING)
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    #: The worker that has claimed the item, and until when; another one may claim it afterwards.
    owner: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    #: Not claimed before this time.
    not_before: Mapped[datetime | None]
    error: Mapped[str | None]
    #: The version shown when the run was created; null for a session whose first map failed.
    base_version: Mapped[int | None]
    #: The version that the run has saved.
    version: Mapped[int | None]
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    scorecard_before: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    scorecard_after: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    #: The user's edits in effect, and how many of them neither version before nor after could keep.
    num_edits: Mapped[int] = mapped_column(server_default="0", default=0)
    num_edits_lost_before: Mapped[int] = mapped_column(server_default="0", default=0)
    num_edits_lost: Mapped[int] = mapped_column(server_default="0", default=0)
    #: The edits that the new version cannot keep, and the numbers of changes by kind.
    conflicts: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"), default=list)
    changes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    #: What a promotion replaces, for its rollback.
    before_promotion: Mapped[dict[str, Any] | None]
    num_pages: Mapped[int] = mapped_column(server_default="0", default=0)
    took_ms: Mapped[int | None]
    node: Mapped[str | None]
    finished_at: Mapped[datetime | None]
