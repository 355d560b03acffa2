"""Deletes the raw events of sessions that ended long ago, and keeps what was derived from them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from models.billing.storage import ROW_BYTES, add_stored_bytes
from models.database import Connection
from models.lifecycle.forget import delete_unused_contents
from models.recording.ingest_report import MAX_GAPS, load_ingest_report
from models.recording.timeline_snapshots import Snapshot, page_details, save_snapshot
from models.recording.timeline_store import load_events, load_timeline, save_timeline

_MAY_LOSE_EVENTS: Final = """
    s.status NOT IN ('recording', 'paused', 'processing') AND s.deleted_at IS NULL
    AND coalesce(s.ended_at, s.created_at) < now() - %(age)s::interval
    AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = s.user_id)
"""
FIND_SESSIONS_WITH_OLD_EVENTS: Final = f"""
    SELECT s.id FROM browsing_sessions s WHERE {_MAY_LOSE_EVENTS}
        AND EXISTS (SELECT FROM events e WHERE e.session_id = s.id)
    ORDER BY s.ended_at LIMIT %(limit)s
"""
# Writers of events, a restart of the recording and the deletion of the session wait for this lock.
LOCK_FINISHED_SESSION: Final = f"""
    SELECT s.user_id FROM browsing_sessions s WHERE s.id = %(session_id)s AND {_MAY_LOSE_EVENTS} FOR UPDATE
"""
DELETE_RAW_EVENTS: Final = """
    DELETE FROM events WHERE session_id = %(session_id)s RETURNING octet_length(payload), content_key
"""


async def sessions_with_old_events(connection: Connection, age: timedelta, limit: int) -> list[uuid.UUID]:
    """Up to `limit` finished sessions that ended longer ago than `age` and still have their events, oldest first."""
    cursor = await connection.execute(FIND_SESSIONS_WITH_OLD_EVENTS, {"age": age, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def delete_raw_events(connection: Connection, session_id: uuid.UUID, age: timedelta) -> int:
    """Store what was derived from a session's events, then delete them; returns how many. Safe to repeat.

    Deletes nothing when the session is open, deleted, held or younger by now. Page texts that only a superseded
    version of a page had go with the events. The caller commits.
    """
    row = await (await connection.execute(LOCK_FINISHED_SESSION, {"session_id": session_id, "age": age})).fetchone()
    if row is None:
        return 0
    user_id = row[0]
    events = await load_events(connection, session_id)
    timeline = await load_timeline(connection, session_id)
    report = await load_ingest_report(connection, session_id, max_gaps=MAX_GAPS)
    details = page_details(events, {visit.key for visit in timeline.visits})
    await save_snapshot(connection, session_id, Snapshot(timeline, report, details))
    await save_timeline(connection, session_id, timeline)
    deleted = await (await connection.execute(DELETE_RAW_EVENTS, {"session_id": session_id})).fetchall()
    texts = await delete_unused_contents(connection, user_id, {key for _, key in deleted if key is not None})
    num_bytes = sum(size + ROW_BYTES for size, _ in deleted) + sum(size + ROW_BYTES for size in texts)
    await add_stored_bytes(connection, {user_id: -num_bytes})
    return len(deleted)
