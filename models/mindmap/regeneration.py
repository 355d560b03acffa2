"""Batch runs that regenerate the maps of many sessions, resumable by their id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UpdatedAt
from models.database import Connection
from models.errors import NotFound


class RegenerationRun(Base):
    """The progress of a run.

    The cursor moves in the transaction that enqueues the jobs: a run that was interrupted and starts again enqueues no
    session twice and leaves none out.
    """

    __tablename__ = "regeneration_runs"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    #: The last session that was enqueued; sessions are taken in the order of their ids.
    cursor: Mapped[uuid.UUID | None]
    num_ordered: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


@dataclass(frozen=True, slots=True)
class Selection:
    """The finished sessions of a run: all of them, or those that meet every criterion that is set.

    `email` ignores case. A session counts from `since` (inclusive) to `until` (exclusive) by its start.
    """

    email: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    session_ids: tuple[uuid.UUID, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """By the names that the statements of this module use."""
        return {
            "email": self.email,
            "since": self.since,
            "until": self.until,
            "session_ids": list(self.session_ids),
        }


_SELECTED: Final = """
    FROM browsing_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.status IN ('completed', 'failed') AND s.deleted_at IS NULL
        AND (%(email)s::text IS NULL OR lower(u.email) = lower(%(email)s::text))
        AND (%(since)s::timestamptz IS NULL OR s.started_at >= %(since)s::timestamptz)
        AND (%(until)s::timestamptz IS NULL OR s.started_at < %(until)s::timestamptz)
        AND (cardinality(%(session_ids)s::uuid[]) = 0 OR s.id = ANY(%(session_ids)s::uuid[]))
"""

COUNT_SELECTED: Final = f"SELECT count(*) {_SELECTED}"

NEXT_SELECTED: Final = f"""
    SELECT s.id {_SELECTED} AND (%(cursor)s::uuid IS NULL OR s.id > %(cursor)s::uuid) ORDER BY s.id LIMIT %(limit)s
"""

ACCOUNT_EXISTS: Final = "SELECT EXISTS (SELECT 1 FROM users WHERE lower(email) = lower(%(email)s::text))"

MISSING_SESSIONS: Final = """
    SELECT named.id FROM unnest(%(session_ids)s::uuid[]) AS named (id)
    WHERE NOT EXISTS (SELECT 1 FROM browsing_sessions s WHERE s.id = named.id AND s.deleted_at IS NULL)
"""

CREATE_RUN: Final = "INSERT INTO regeneration_runs (run_id) VALUES (%(run_id)s) ON CONFLICT DO NOTHING"

# The row lock makes two processes with the same run id take turns instead of enqueueing the same sessions.
LOCK_RUN: Final = "SELECT cursor, num_ordered FROM regeneration_runs WHERE run_id = %(run_id)s FOR UPDATE"

ADVANCE_RUN: Final = """
    UPDATE regeneration_runs SET cursor = %(cursor)s, num_ordered = num_ordered + %(count)s, updated_at = now()
    WHERE run_id = %(run_id)s
"""


async def require_selected(connection: Connection, selection: Selection) -> None:
    """Raise NotFound when `selection` names an account or a session that does not exist."""
    if selection.email is not None:
        cursor = await connection.execute(ACCOUNT_EXISTS, {"email": selection.email})
        row = await cursor.fetchone()
        if row is None or not row[0]:
            raise NotFound(f"there is no account with the address {selection.email}")
    cursor = await connection.execute(MISSING_SESSIONS, {"session_ids": list(selection.session_ids)})
    if (row := await cursor.fetchone()) is not None:
        raise NotFound(f"there is no session {row[0]}")


async def count_selected_sessions(connection: Connection, selection: Selection) -> int:
    """How many sessions a run over `selection` would take."""
    cursor = await connection.execute(COUNT_SELECTED, selection.parameters())
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def create_run(connection: Connection, run_id: str) -> None:
    """Create the run. Does nothing when it exists."""
    await connection.execute(CREATE_RUN, {"run_id": run_id})


async def lock_run(connection: Connection, run_id: str) -> tuple[uuid.UUID | None, int]:
    """Lock the run until the transaction ends; return its last session and how many it has enqueued."""
    cursor = await connection.execute(LOCK_RUN, {"run_id": run_id})
    row = await cursor.fetchone()
    assert row is not None
    return row[0], int(row[1])


async def next_selected_sessions(
    connection: Connection, selection: Selection, last: uuid.UUID | None, limit: int
) -> list[uuid.UUID]:
    """Up to `limit` selected sessions after `last`, by id."""
    cursor = await connection.execute(NEXT_SELECTED, {**selection.parameters(), "cursor": last, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def advance_run(connection: Connection, run_id: str, last: uuid.UUID, count: int) -> None:
    """Move the run's cursor to `last`, and add `count` to what it has enqueued."""
    await connection.execute(ADVANCE_RUN, {"run_id": run_id, "cursor": last, "count": count})
