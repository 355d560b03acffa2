"""Loads and saves the timeline of a session. Functions use the caller's transaction and do not commit."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from models.database import Connection
from models.recording.pages import CapturedPage
from models.recording.payloads import UNREADABLE, decode_payload
from models.recording.same_pages import Comparison
from models.recording.timeline import SessionSpan, Timeline, TimelineEvent, build_timeline, captured_pages
from models.recording.timeline_snapshots import load_snapshot

log = structlog.get_logger("recording")

#: A timeline of more events is computed outside the event loop, which other users' requests share.
_INLINE_EVENTS: Final = 300

# Python cannot represent the last hours of the year 9999 in every time zone; earlier versions accepted them.
_OCCURRED_AT: Final = "least(occurred_at, '9999-12-31T00:00:00Z')"
READ_EVENTS: Final = f"""
    SELECT event_key, type, {_OCCURRED_AT}, received_at, payload, seq, content_key FROM events
    WHERE session_id = %(session_id)s
"""
READ_RECENT_EVENTS: Final = f"""
    SELECT session_id, event_key, type, {_OCCURRED_AT}, received_at, payload, seq, content_key FROM events
    WHERE session_id = ANY(%(session_ids)s::uuid[]) AND received_at > now() - %(age)s::interval
"""
READ_SPAN: Final = "SELECT started_at, ended_at FROM browsing_sessions WHERE id = %(session_id)s"
READ_TRANSITIONS: Final = "SELECT status, at FROM session_transitions WHERE session_id = %(session_id)s ORDER BY at, id"
READ_CONTENTS: Final = """
    SELECT content_key, text FROM page_contents
    WHERE user_id = %(user_id)s AND content_key = ANY(%(content_keys)s::uuid[])
"""
READ_SESSION_CONTENTS: Final = """
    SELECT c.content_key, c.text FROM page_contents c JOIN browsing_sessions s ON s.user_id = c.user_id
    WHERE s.id = %(session_id)s AND c.content_key = ANY(%(content_keys)s::uuid[])
"""
# Serializes concurrent corrections of one session's visits until the end of the transaction.
LOCK_VISITS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('visits:' || %(session_id)s::text, 0))"
READ_VISIT_PAGES: Final = "SELECT page_id, title FROM visits WHERE session_id = %(session_id)s ORDER BY ordinal"
DELETE_HIGHLIGHTS: Final = "DELETE FROM highlights WHERE session_id = %(session_id)s"
DELETE_VISITS: Final = "DELETE FROM visits WHERE session_id = %(session_id)s"
COPY_VISITS: Final = """
    COPY visits (id, session_id, ordinal, page_id, url, title, started_at, ended_at, dwell_ms, max_scroll_depth,
        is_revisit, content_key) FROM STDIN
"""
COPY_HIGHLIGHTS: Final = """
    COPY highlights (id, session_id, visit_id, page_id, url, text, selector, color, note, occurred_at) FROM STDIN
"""
UPDATE_COUNTS: Final = """
    UPDATE browsing_sessions SET num_pages = %(num_pages)s, num_visits = %(num_visits)s,
        num_highlights = %(num_highlights)s, num_events = %(num_events)s, dwell_ms = %(dwell_ms)s
    WHERE id = %(session_id)s
"""


def epoch_ms(at: datetime) -> int:
    """UTC epoch milliseconds."""
    return int(at.timestamp() * 1000)


def from_epoch_ms(ms: int) -> datetime:
    """The UTC time `ms` milliseconds after the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)


async def load_events(connection: Connection, session_id: uuid.UUID) -> list[TimelineEvent]:
    """Every readable event of the session, in no particular order."""
    cursor = await connection.execute(READ_EVENTS, {"session_id": session_id})
    events, _ = readable_events(await cursor.fetchall())
    return events


async def load_recent_events(
    connection: Connection, session_ids: Sequence[uuid.UUID], age: timedelta
) -> dict[uuid.UUID, list[TimelineEvent]]:
    """The readable events of these sessions received within the last `age`, by session, in no particular order."""
    cursor = await connection.execute(READ_RECENT_EVENTS, {"session_ids": list(session_ids), "age": age})
    rows: dict[uuid.UUID, list[tuple[Any, ...]]] = {}
    for session_id, *columns in await cursor.fetchall():
        rows.setdefault(session_id, []).append(tuple(columns))
    return {session_id: readable_events(found)[0] for session_id, found in rows.items()}


def readable_events(rows: Iterable[tuple[Any, ...]]) -> tuple[list[TimelineEvent], int]:
    """The events of rows of the table `events`, and how many rows could not be decoded.

    Ingestion accepts readable events only, but one bad row must not make its session unusable.
    """
    events: list[TimelineEvent] = []
    num_unreadable = 0
    for row in rows:
        try:
            events.append(decode_event(*row))
        except UNREADABLE:
            num_unreadable += 1
    return events, num_unreadable


def decode_event(
    key: uuid.UUID,
    event_type: str,
    occurred_at: datetime,
    received_at: datetime,
    payload: str,
    seq: int | None,
    content_key: uuid.UUID | None,
) -> TimelineEvent:
    """The event of one row of the table `events`. Raises one of `UNREADABLE`."""
    return TimelineEvent(
        key=str(key),
        type=event_type,
        occurred_ms=epoch_ms(occurred_at),
        received_ms=epoch_ms(received_at),
        fields=decode_payload(payload),
        seq=seq,
        content_key=str(content_key) if content_key else None,
    )


async def load_span(connection: Connection, session_id: uuid.UUID) -> SessionSpan:
    """When the session started, ended and was paused. Raises LookupError when it does not exist."""
    cursor = await connection.execute(READ_SPAN, {"session_id": session_id})
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(session_id)
    cursor = await connection.execute(READ_TRANSITIONS, {"session_id": session_id})
    pauses: list[tuple[int, int | None]] = []
    for status, at in await cursor.fetchall():
        if status == "paused":
            pauses.append((epoch_ms(at), None))
        elif pauses and pauses[-1][1] is None:
            pauses[-1] = (pauses[-1][0], epoch_ms(at))
    return SessionSpan(epoch_ms(row[0]), epoch_ms(row[1]) if row[1] else None, tuple(pauses))


async def load_timeline(connection: Connection, session_id: uuid.UUID) -> Timeline:
    """The session's timeline, computed from its events, or as it was stored when they were deleted.

    Raises LookupError when the session does not exist. Reads the texts only of pages that may be one page at several
    addresses.
    """
    cursor = await connection.execute(READ_EVENTS, {"session_id": session_id})
    rows = await cursor.fetchall()
    if not rows and (snapshot := await load_snapshot(connection, session_id)) is not None:
        return snapshot.timeline
    span = await load_span(connection, session_id)
    is_large = len(rows) > _INLINE_EVENTS
    timeline, comparison = (
        await asyncio.to_thread(_timeline_of_rows, rows, span) if is_large else _timeline_of_rows(rows, span)
    )
    if timeline.num_unreadable:
        log.warning("events_unreadable", session_id=str(session_id), num_events=timeline.num_unreadable)
    contents: dict[str, str] = {}
    if keys := comparison.content_keys:
        cursor = await connection.execute(
            READ_SESSION_CONTENTS, {"session_id": session_id, "content_keys": [uuid.UUID(key) for key in keys]}
        )
        contents = {str(key): text for key, text in await cursor.fetchall()}
    return await asyncio.to_thread(comparison.reconcile, contents) if is_large else comparison.reconcile(contents)


def _timeline_of_rows(rows: Sequence[tuple[Any, ...]], span: SessionSpan) -> tuple[Timeline, Comparison]:
    events, num_unreadable = readable_events(rows)
    timeline = replace(build_timeline(events, span), num_unreadable=num_unreadable)
    return timeline, Comparison(timeline)


async def load_contents(connection: Connection, user_id: uuid.UUID, keys: Sequence[str]) -> dict[str, str]:
    """The user's page texts with these content keys; a key without text is absent."""
    cursor = await connection.execute(
        READ_CONTENTS, {"user_id": user_id, "content_keys": [uuid.UUID(key) for key in set(keys)]}
    )
    return {str(key): text for key, text in await cursor.fetchall()}


async def load_pages(
    connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID
) -> tuple[Timeline, list[CapturedPage]]:
    """The session's timeline and its pages with their texts. Raises LookupError when the session does not exist."""
    timeline = await load_timeline(connection, session_id)
    contents = await load_contents(connection, user_id, [v.content_key for v in timeline.visits if v.content_key])
    return timeline, captured_pages(timeline, contents)


async def refresh_timeline(connection: Connection, session_id: uuid.UUID, timeline: Timeline) -> bool:
    """Save `timeline` if the stored visits have other pages or titles: they were written by other rules.

    Returns whether it did. The caller's transaction holds a lock until it ends: two workers do not save at once.
    """
    await connection.execute(LOCK_VISITS, {"session_id": session_id})
    cursor = await connection.execute(READ_VISIT_PAGES, {"session_id": session_id})
    if await cursor.fetchall() == [(visit.page_id, visit.title) for visit in timeline.visits]:
        return False
    await save_timeline(connection, session_id, timeline)
    return True


async def save_timeline(connection: Connection, session_id: uuid.UUID, timeline: Timeline) -> None:
    """Replace the session's visits, highlights and counts. Safe to repeat."""
    await connection.execute(DELETE_HIGHLIGHTS, {"session_id": session_id})
    await connection.execute(DELETE_VISITS, {"session_id": session_id})
    ids = {v.key: uuid.uuid5(session_id, v.key) for v in timeline.visits}
    async with connection.cursor() as cursor:
        if timeline.visits:
            async with cursor.copy(COPY_VISITS) as copy:
                for v in timeline.visits:
                    await copy.write_row(
                        (
                            ids[v.key],
                            session_id,
                            v.ordinal,
                            v.page_id,
                            v.url,
                            v.title,
                            from_epoch_ms(v.started_ms),
                            from_epoch_ms(v.ended_ms),
                            v.dwell_ms,
                            v.max_scroll_depth,
                            v.is_revisit,
                            v.content_key,
                        )
                    )
        if timeline.highlights:
            async with cursor.copy(COPY_HIGHLIGHTS) as copy:
                for h in timeline.highlights:
                    await copy.write_row(
                        (
                            uuid.uuid5(session_id, h.key),
                            session_id,
                            ids.get(h.visit_key) if h.visit_key else None,
                            h.page_id,
                            h.url,
                            h.text,
                            h.selector,
                            h.color,
                            h.note,
                            from_epoch_ms(h.occurred_ms),
                        )
                    )
        await cursor.execute(
            UPDATE_COUNTS,
            {
                "session_id": session_id,
                "num_pages": len({visit.page_id for visit in timeline.visits}),
                "num_visits": len(timeline.visits),
                "num_highlights": len(timeline.highlights),
                "num_events": timeline.num_events,
                "dwell_ms": timeline.dwell_ms,
            },
        )
