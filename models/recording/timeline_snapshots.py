"""What is known of a session whose raw events were deleted: its timeline, and the counts of its ingest report.

A timeline is derived from events. Before they are deleted, it is stored whole, so that maps, exports, the list of
pages and the reading view stay as they are. What is gone then are the events themselves: every click, scroll and
change of tab with its time.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt
from models.database import Connection
from models.recording.ingest_report import IngestReport
from models.recording.timeline import Timeline, TimelineEvent


class TimelineSnapshot(Base):
    """The stored timeline of one session, as JSON; the session has no events."""

    __tablename__ = "timeline_snapshots"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    document: Mapped[str]
    created_at: Mapped[CreatedAt]


SAVE_SNAPSHOT: Final = """
    INSERT INTO timeline_snapshots (session_id, document, created_at) VALUES (%(session_id)s, %(document)s, now())
    ON CONFLICT (session_id) DO UPDATE SET document = excluded.document
"""
LOAD_SNAPSHOT: Final = "SELECT document FROM timeline_snapshots WHERE session_id = %(session_id)s"


@dataclass(frozen=True, slots=True)
class PageDetails:
    """What the reading view shows of a visit beside its timeline."""

    language: str | None
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything derived from the deleted events; `details` by the key of the visit."""

    timeline: Timeline
    report: IngestReport
    details: dict[str, PageDetails]

    def with_timeline(self, timeline: Timeline) -> Snapshot:
        """The same with another timeline, and the details of its visits only."""
        keys = {visit.key for visit in timeline.visits}
        return Snapshot(timeline, self.report, {key: value for key, value in self.details.items() if key in keys})


def page_details(events: Sequence[TimelineEvent], keys: set[str]) -> dict[str, PageDetails]:
    """The details of the visits with these keys."""
    return {
        event.key: PageDetails(
            language=value[:35] if isinstance(value := event.get("language"), str) else None,
            is_truncated=event.get("text_truncated") is True,
        )
        for event in events
        if event.key in keys
    }


async def save_snapshot(connection: Connection, session_id: uuid.UUID, snapshot: Snapshot) -> None:
    """Store the snapshot of a session, or replace it."""
    document = msgspec.json.encode(snapshot).decode()
    await connection.execute(SAVE_SNAPSHOT, {"session_id": session_id, "document": document})


async def load_snapshot(connection: Connection, session_id: uuid.UUID) -> Snapshot | None:
    """The snapshot of a session; None while the session has its events."""
    row = await (await connection.execute(LOAD_SNAPSHOT, {"session_id": session_id})).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Snapshot)
