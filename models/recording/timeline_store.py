"""A session's timeline out of, and into, the database. Works on an open psycopg connection; the caller commits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.database import Connection
from models.recording.pages import CapturedPage
from models.recording.timeline import SessionSpan, Timeline, TimelineEvent, build_timeline, captured_pages

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def epoch_ms(at: datetime) -> int:
    """UTC epoch milliseconds."""
    return int(at.timestamp() * 1000)


def from_epoch_ms(ms: int) -> datetime:
    """The moment `ms` milliseconds after the epoch, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


async def load_events(connection: Connection, session_id: uuid.UUID) -> list[TimelineEvent]:
    """Every stored event of the session, in no particular order."""
    cursor = await connection.execute(
        "SELECT event_key, type, occurred_at, received_at, payload, seq, content_key FROM events WHERE session_id = %s",
        [session_id],
    )
    return [decode_event(*row) for row in await cursor.fetchall()]


def decode_event(
    key: uuid.UUID,
    kind: str,
    occurred_at: datetime,
    received_at: datetime,
    payload: str,
    seq: int | None,
    content_key: uuid.UUID | None,
) -> TimelineEvent:
    """An event as the timeline reads it, from its row."""
    return TimelineEvent(
        key=str(key),
        type=kind,
        occurred_ms=epoch_ms(occurred_at),
        received_ms=epoch_ms(received_at),
        fields=_decode(payload),
        seq=seq,
        content_key=str(content_key) if content_key else None,
    )


async def load_span(connection: Connection, session_id: uuid.UUID) -> SessionSpan:
    """When the session ran, with its pauses."""
    cursor = await connection.execute("SELECT started_at, ended_at FROM browsing_sessions WHERE id = %s", [session_id])
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(session_id)
    cursor = await connection.execute(
        "SELECT status, at FROM session_transitions WHERE session_id = %s ORDER BY at, id", [session_id]
    )
    pauses: list[tuple[int, int | None]] = []
    for status, at in await cursor.fetchall():
        if status == "paused":
            pauses.append((epoch_ms(at), None))
        elif pauses and pauses[-1][1] is None:
            pauses[-1] = (pauses[-1][0], epoch_ms(at))
    return SessionSpan(epoch_ms(row[0]), epoch_ms(row[1]) if row[1] else None, tuple(pauses))


async def load_timeline(connection: Connection, session_id: uuid.UUID) -> Timeline:
    """The session's timeline, computed from its events."""
    return build_timeline(await load_events(connection, session_id), await load_span(connection, session_id))


async def load_contents(connection: Connection, user_id: uuid.UUID, keys: Sequence[str]) -> dict[str, str]:
    """The page texts with these keys, by key."""
    cursor = await connection.execute(
        "SELECT content_key, text FROM page_contents WHERE user_id = %s AND content_key = ANY(%s)",
        [user_id, [uuid.UUID(k) for k in set(keys)]],
    )
    return {str(key): text for key, text in await cursor.fetchall()}


async def load_pages(
    connection: Connection, session_id: uuid.UUID, user_id: uuid.UUID
) -> tuple[Timeline, list[CapturedPage]]:
    """The session's timeline and its pages with their texts."""
    line = await load_timeline(connection, session_id)
    contents = await load_contents(connection, user_id, [v.content_key for v in line.visits if v.content_key])
    return line, captured_pages(line, contents)


async def save_timeline(connection: Connection, session_id: uuid.UUID, timeline: Timeline) -> None:
    """Write visits, highlights and the session's numbers, in place of what was there. Safe to repeat."""
    await connection.execute("DELETE FROM highlights WHERE session_id = %s", [session_id])
    await connection.execute("DELETE FROM visits WHERE session_id = %s", [session_id])
    ids = {v.key: uuid.uuid5(session_id, v.key) for v in timeline.visits}
    async with connection.cursor() as cursor:
        if timeline.visits:
            async with cursor.copy(
                "COPY visits (id, session_id, ordinal, page_id, url, title, started_at, ended_at, dwell_ms,"
                " max_scroll_depth, is_revisit, content_key) FROM STDIN"
            ) as copy:
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
            async with cursor.copy(
                "COPY highlights (id, session_id, visit_id, page_id, url, text, selector, color, note, occurred_at)"
                " FROM STDIN"
            ) as copy:
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
            "UPDATE browsing_sessions SET num_pages = %s, num_visits = %s, num_highlights = %s, num_events = %s,"
            " dwell_ms = %s WHERE id = %s",
            [
                len({v.page_id for v in timeline.visits}),
                len(timeline.visits),
                len(timeline.highlights),
                timeline.num_events,
                timeline.dwell_ms,
                session_id,
            ],
        )
