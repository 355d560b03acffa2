"""The ingest report of a session: what happened to every event its client sent, counted by the database alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.database import Connection

#: Gaps that a report lists at most.
MAX_GAPS: Final = 1000

COUNT_EVENTS_BY_TYPE: Final = """
    SELECT type, count(*), min(occurred_at), max(occurred_at) FROM events
    WHERE session_id = %(session_id)s GROUP BY type ORDER BY count(*) DESC, type
"""
COUNT_REJECTIONS_BY_REASON: Final = """
    SELECT verdict, reason, count(*) FROM event_rejections
    WHERE session_id = %(session_id)s GROUP BY verdict, reason ORDER BY count(*) DESC, reason LIMIT 200
"""
# The payload is searched as text: an unreadable row must not make the report fail.
COUNT_ERROR_PAGES_BY_STATUS: Final = """
    SELECT substring(payload FROM '"http_status":[[:space:]]*([45][0-9][0-9])(?![0-9.eE])') AS status, count(*)
    FROM events WHERE session_id = %(session_id)s AND type = 'page_visit' AND payload LIKE '%%"http_status":%%'
    GROUP BY status ORDER BY count(*) DESC, status
"""
# A gap is a step of more than one between sequence numbers seen, stored or not. A first number of 0 or 1 is not
# preceded by a gap: clients begin with either.
FIND_SEQUENCE_GAPS: Final = """
    WITH seen AS (
        SELECT seq FROM events WHERE session_id = %(session_id)s AND seq IS NOT NULL
        UNION SELECT seq FROM event_rejections WHERE session_id = %(session_id)s AND seq IS NOT NULL
    ), steps AS (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM seen)
    SELECT before + 1, seq - 1, sum(seq - before - 1) OVER (), max(seq) OVER ()
    FROM steps WHERE seq - before > 1 ORDER BY seq LIMIT %(max_gaps)s
"""
READ_LAST_SEQ_AND_DUPLICATES: Final = """
    SELECT greatest((SELECT max(seq) FROM events WHERE session_id = %(session_id)s),
                    (SELECT max(seq) FROM event_rejections WHERE session_id = %(session_id)s)),
           coalesce((SELECT num_duplicates FROM duplicate_tallies WHERE session_id = %(session_id)s), 0)
"""


HAS_EXCLUDED_EVENTS: Final = """
    SELECT EXISTS (SELECT FROM event_rejections
                   WHERE session_id = %(session_id)s AND verdict = 'excluded' AND reason = %(rule)s)
"""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Counts of one session's events. `gaps` are inclusive ranges of sequence numbers that were never seen."""

    num_duplicates: int
    stored_by_type: dict[str, int]
    #: reason → events, the most frequent first; an excluded event leaves only the name of its rule.
    excluded_by_reason: dict[str, int]
    invalid_by_reason: dict[str, int]
    #: The HTTP status of an error page → stored visits.
    error_pages_by_status: dict[int, int]
    gaps: list[tuple[int, int]]
    #: How many sequence numbers all gaps hold, also those beyond the listed ones.
    num_missing: int
    last_seq: int | None
    first_event_at: datetime | None
    last_event_at: datetime | None


async def load_ingest_report(connection: Connection, session_id: uuid.UUID, *, max_gaps: int) -> IngestReport:
    """The report of one session, with at most `max_gaps` gaps listed."""
    parameters = {"session_id": session_id, "max_gaps": max_gaps}
    by_type = await (await connection.execute(COUNT_EVENTS_BY_TYPE, parameters)).fetchall()
    rejections = await (await connection.execute(COUNT_REJECTIONS_BY_REASON, parameters)).fetchall()
    error_pages = await (await connection.execute(COUNT_ERROR_PAGES_BY_STATUS, parameters)).fetchall()
    gaps = await (await connection.execute(FIND_SEQUENCE_GAPS, parameters)).fetchall()
    last = await (await connection.execute(READ_LAST_SEQ_AND_DUPLICATES, parameters)).fetchone()
    last_seq, num_duplicates = last if last is not None else (None, 0)
    return IngestReport(
        num_duplicates=num_duplicates,
        stored_by_type={kind: count for kind, count, _, _ in by_type},
        excluded_by_reason={reason: count for verdict, reason, count in rejections if verdict == "excluded"},
        invalid_by_reason={reason: count for verdict, reason, count in rejections if verdict == "invalid"},
        error_pages_by_status={int(status): count for status, count in error_pages if status is not None},
        gaps=[(first, last) for first, last, _, _ in gaps],
        num_missing=int(gaps[0][2]) if gaps else 0,
        last_seq=last_seq,
        first_event_at=min((first for _, _, first, _ in by_type), default=None),
        last_event_at=max((last for _, _, _, last in by_type), default=None),
    )


async def has_excluded_events(connection: Connection, session_id: uuid.UUID, rule: str) -> bool:
    """Whether an event of the session was excluded by `rule`."""
    cursor = await connection.execute(HAS_EXCLUDED_EVENTS, {"session_id": session_id, "rule": rule})
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
