"""The receipt of a session: what became of every event its client sent, counted by the database alone."""

from __future__ import annotations

from fastapi import APIRouter

from models.recording.browsing_sessions import owned_session, parse_session_id
from models.schemas.ingest_report import Gap, InvalidReason, ReceiptEnvelope, ReceiptReply
from serve.state import CurrentUserId, DbSession, driver_connection

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["events"])
MAX_GAPS = 1000

_COUNTS = """
    SELECT type, count(*), min(occurred_at), max(occurred_at) FROM events
    WHERE session_id = %(session)s GROUP BY type ORDER BY count(*) DESC, type
"""
_REJECTED = """
    SELECT verdict, reason, count(*) FROM event_rejections
    WHERE session_id = %(session)s GROUP BY verdict, reason ORDER BY count(*) DESC, reason LIMIT 200
"""
# Numbers seen, stored or not; a gap is a step of more than one. What comes before the first number seen is not a
# gap when it is 0 or 1: clients begin with either.
_GAPS = """
    WITH seen AS (
        SELECT seq FROM events WHERE session_id = %(session)s AND seq IS NOT NULL
        UNION SELECT seq FROM event_rejections WHERE session_id = %(session)s AND seq IS NOT NULL
    ), steps AS (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM seen)
    SELECT before + 1, seq - 1, sum(seq - before - 1) OVER (), max(seq) OVER ()
    FROM steps WHERE seq - before > 1 ORDER BY seq LIMIT %(limit)s
"""
_LAST = """
    SELECT greatest((SELECT max(seq) FROM events WHERE session_id = %(session)s),
                    (SELECT max(seq) FROM event_rejections WHERE session_id = %(session)s)),
           coalesce((SELECT num_duplicates FROM duplicate_tallies WHERE session_id = %(session)s), 0)
"""


@router.get("/receipt", response_model_exclude_none=True)
async def receipt(session_id: str, user_id: CurrentUserId, db: DbSession) -> ReceiptEnvelope:
    """What was seen, stored, a repeat, kept out by which rule, invalid and why, and which numbers never came.

    An excluded event leaves only the name of the rule: neither its address nor its text was stored.
    """
    found = await owned_session(db, parse_session_id(session_id), user_id)
    connection = await driver_connection(db)
    given = {"session": found.id, "limit": MAX_GAPS}
    by_type = await (await connection.execute(_COUNTS, given)).fetchall()
    rejected = await (await connection.execute(_REJECTED, given)).fetchall()
    gaps = await (await connection.execute(_GAPS, given)).fetchall()
    last_seq, duplicates = await (await connection.execute(_LAST, given)).fetchone()
    excluded = [InvalidReason(reason=r, count=n) for verdict, r, n in rejected if verdict == "excluded"]
    invalid = [InvalidReason(reason=r, count=n) for verdict, r, n in rejected if verdict == "invalid"]
    stored = sum(n for _, n, _, _ in by_type)
    num_excluded, num_invalid = sum(e.count for e in excluded), sum(i.count for i in invalid)
    return ReceiptEnvelope(
        receipt=ReceiptReply(
            session_id=str(found.id),
            seen=stored + duplicates + num_excluded + num_invalid,
            stored=stored,
            duplicate=duplicates,
            excluded=num_excluded,
            invalid=num_invalid,
            by_type={kind: n for kind, n, _, _ in by_type[:100]},
            excluded_by=excluded,
            invalid_because=invalid,
            gaps=[Gap(first=first, last=last) for first, last, _, _ in gaps],
            missing=int(gaps[0][2]) if gaps else 0,
            last_seq=last_seq,
            first_event_at=min((first for _, _, first, _ in by_type), default=None),
            last_event_at=max((last for _, _, _, last in by_type), default=None),
        )
    )
