"""What the mail about a finished map reads from the database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from models.database import Connection

READ_REPORT_SOURCE: Final = """
    SELECT s.user_id, s.title, s.summary, s.keywords, s.started_at, s.ended_at, s.dwell_ms, s.num_pages, v.data
    FROM browsing_sessions s JOIN mindmaps m ON m.session_id = s.id
    JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE s.id = %(session_id)s AND s.deleted_at IS NULL
"""
READ_OWNER: Final = "SELECT user_id FROM browsing_sessions WHERE id = %(session_id)s"


@dataclass(frozen=True, slots=True)
class ReportSource:
    """A session with its current map as JSON."""

    user_id: uuid.UUID
    title: str | None
    summary: str | None
    keywords: list[str]
    started_at: datetime
    ended_at: datetime | None
    dwell_ms: int
    num_pages: int
    document: dict[str, Any]


async def read_report_source(connection: Connection, session_id: uuid.UUID) -> ReportSource | None:
    """The session and its map; None if it is deleted or has no map."""
    row = await (await connection.execute(READ_REPORT_SOURCE, {"session_id": session_id})).fetchone()
    return None if row is None else ReportSource(*row)


async def session_owner(connection: Connection, session_id: uuid.UUID) -> uuid.UUID | None:
    """The user of a session, None if it is erased."""
    row = await (await connection.execute(READ_OWNER, {"session_id": session_id})).fetchone()
    return None if row is None else row[0]
