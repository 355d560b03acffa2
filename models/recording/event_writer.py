"""Group commit: many callers' events in one transaction.

The plan is the same wherever it runs (a shard, or a replica whose shard is out of reach): lock the sessions'
rows shared, so that no Stop can slip in between; COPY the events; commit. COPY is about three times as fast as an
`INSERT` and fails on the first repeat; then the transaction is run again the patient way, with
`ON CONFLICT DO NOTHING`, which also says what was there already. Repeats are rare, so the fast way nearly always
holds. The database is the arbiter: two writers at once can do no harm.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import OperationalError
from psycopg.errors import DeadlockDetected, UniqueViolation
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.database import Connection
from models.errors import Forbidden, NotAcceptingEvents, NotFound, TrailmindError, Unavailable
from models.recording.browsing_sessions import OPEN_STATUSES
from models.recording.exclusions import matching_domain
from models.recording.ingest import EventRow, IngestBatch
from models.urls import host_of

Pool = AsyncConnectionPool[Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = frozenset(str(s) for s in OPEN_STATUSES)
_EVENT_COLUMNS = "session_id, event_key, seq, type, occurred_at, content_key, payload"
_EVENT_TYPES = ["uuid", "uuid", "int4", "text", "timestamptz", "uuid", "text"]


@dataclass(slots=True)
class BatchOutcome:
    """What became of one batch: an error for all of it, or which rows were repeats or kept out by the user's rules."""

    error: TrailmindError | None = None
    duplicates: frozenset[int] = frozenset()
    excluded: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _SessionRow:
    user_id: uuid.UUID
    status: str
    is_deleted: bool


def excluded_rows(batch: IngestBatch, domains: frozenset[str]) -> dict[int, str]:
    """Rows of `batch` on one of the user's own excluded `domains`, with the rule's name."""
    if not domains:
        return {}
    return {
        i: f"yours: {rule}"
        for i, row in enumerate(batch.rows)
        if row.url and (rule := matching_domain(host_of(row.url), domains))
    }


class EventWriter:
    """Writes batches to PostgreSQL."""

    def __init__(self, pool: Pool, *, timeout_s: float = 3.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool, self._timeout_s, self._clock = pool, timeout_s, clock

    async def save(
        self, batches: Sequence[IngestBatch], excluded: Sequence[Mapping[int, str]] | None = None
    ) -> list[BatchOutcome]:
        """Save all `batches` in one transaction; the outcomes run in parallel to them.

        When this returns, what is not an error is on disk. Raises Unavailable when PostgreSQL cannot be reached:
        then nothing was saved, or everything was and the caller will learn so by repeating.
        """
        kept_out = [dict(e) for e in excluded] if excluded is not None else [{} for _ in batches]
        give_up_at = self._clock() + self._timeout_s
        while True:
            try:
                async with self._pool.connection(timeout=self._timeout_s) as connection:
                    try:
                        return await self._write(connection, batches, kept_out, patient=False)
                    except (UniqueViolation, DeadlockDetected):
                        return await self._write(connection, batches, kept_out, patient=True)
            except (OperationalError, PoolTimeout, OSError) as error:
                # A restarting PostgreSQL is back within a second or two: waiting here spares every client a retry.
                if self._clock() >= give_up_at:
                    sentence = "the database cannot be reached; keep the events and send them again"
                    raise Unavailable(sentence, retry_after_s=2.0) from error
                await asyncio.sleep(0.1)

    async def _write(
        self, connection: Connection, batches: Sequence[IngestBatch], excluded: list[dict[int, str]], *, patient: bool
    ) -> list[BatchOutcome]:
        outcomes = [BatchOutcome(excluded=e) for e in excluded]
        async with connection.transaction():
            sessions = await self._lock_sessions(connection, {b.session_id for b in batches})
            closed: list[int] = []
            for i, batch in enumerate(batches):
                outcomes[i].error = _session_error(batch, sessions.get(batch.session_id))
                if isinstance(outcomes[i].error, NotAcceptingEvents):
                    closed.append(i)
            await self._accept_repeated_batches(connection, batches, outcomes, closed)
            open_ones = [i for i, o in enumerate(outcomes) if o.error is None and i not in closed]
            fresh = _rows_to_write(batches, outcomes, open_ones)
            await _save_contents(connection, batches, fresh)
            if patient:
                await self._insert(connection, fresh, outcomes)
            else:
                await self._copy(connection, fresh)
            await _save_rejections(connection, [(batches[i], outcomes[i]) for i in open_ones])
            await _count_duplicates(connection, [(batches[i], outcomes[i]) for i in open_ones])
        return outcomes

    @staticmethod
    async def _lock_sessions(connection: Connection, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, _SessionRow]:
        # In id order, so that two writers cannot wait for each other.
        cursor = await connection.execute(
            "SELECT id, user_id, status, deleted_at IS NOT NULL FROM browsing_sessions"
            " WHERE id = ANY(%s) ORDER BY id FOR SHARE",
            [list(ids)],
        )
        return {row[0]: _SessionRow(row[1], row[2], row[3]) for row in await cursor.fetchall()}

    @staticmethod
    async def _accept_repeated_batches(
        connection: Connection, batches: Sequence[IngestBatch], outcomes: list[BatchOutcome], closed: Sequence[int]
    ) -> None:
        """A batch whose answer was lost and that comes again after Stop is a repeat, not a mistake."""
        for i in closed:
            rows = batches[i].rows
            if not rows:
                continue
            cursor = await connection.execute(
                "SELECT count(*) FROM events WHERE session_id = %s AND event_key = ANY(%s)",
                [batches[i].session_id, [uuid.UUID(bytes=r.event_key) for r in rows]],
            )
            found = await cursor.fetchone()
            if found and found[0] == len({r.event_key for r in rows}):
                outcomes[i].error = None
                outcomes[i].duplicates = frozenset(range(len(rows)))

    @staticmethod
    async def _copy(connection: Connection, fresh: Sequence[tuple[int, int, uuid.UUID, EventRow]]) -> None:
        if not fresh:
            return
        async with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY events ({_EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(_EVENT_TYPES)
            for _, _, session_id, row in fresh:
                await copy.write_row(_values(session_id, row))

    @staticmethod
    async def _insert(
        connection: Connection,
        fresh: Sequence[tuple[int, int, uuid.UUID, EventRow]],
        outcomes: list[BatchOutcome],
    ) -> None:
        if not fresh:
            return
        columns = list(zip(*(_values(session_id, row) for _, _, session_id, row in fresh), strict=True))
        cursor = await connection.execute(
            f"INSERT INTO events ({_EVENT_COLUMNS}) SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[],"
            " %s::timestamptz[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING RETURNING session_id, event_key",
            [list(c) for c in columns],
        )
        stored = {(r[0], r[1]) for r in await cursor.fetchall()}
        for i, place, session_id, row in fresh:
            if (session_id, uuid.UUID(bytes=row.event_key)) not in stored:
                outcomes[i].duplicates |= {place}


def _session_error(batch: IngestBatch, session: _SessionRow | None) -> TrailmindError | None:
    if session is None or session.is_deleted:
        return NotFound("session not found")
    if session.user_id != batch.user_id:
        return Forbidden("access denied")
    if session.status not in _OPEN:
        return NotAcceptingEvents()
    return None


def _values(session_id: uuid.UUID, row: EventRow) -> tuple[Any, ...]:
    return (
        session_id,
        uuid.UUID(bytes=row.event_key),
        row.seq,
        row.type,
        _EPOCH + timedelta(milliseconds=row.occurred_ms),
        uuid.UUID(bytes=row.content_key) if row.content_key else None,
        row.payload,
    )


def _rows_to_write(
    batches: Sequence[IngestBatch], outcomes: list[BatchOutcome], chosen: Sequence[int]
) -> list[tuple[int, int, uuid.UUID, EventRow]]:
    """(batch, row, session, event) for each event to write, each key once; repeats within the flush are noted."""
    seen: set[tuple[uuid.UUID, bytes]] = set()
    fresh = []
    for i in chosen:
        batch, outcome = batches[i], outcomes[i]
        for place, row in enumerate(batch.rows):
            if place in outcome.excluded:
                continue
            key = (batch.session_id, row.event_key)
            if key in seen:
                outcome.duplicates |= {place}
                continue
            seen.add(key)
            fresh.append((i, place, batch.session_id, row))
    # In key order two writers of the same keys wait in line instead of for each other, and the index grows in runs.
    fresh.sort(key=lambda f: (f[2], f[3].event_key))
    return fresh


async def _save_contents(
    connection: Connection, batches: Sequence[IngestBatch], fresh: Sequence[tuple[int, int, uuid.UUID, EventRow]]
) -> None:
    wanted = {
        (batches[i].user_id, row.content_key): batches[i].contents[row.content_key]
        for i, _, _, row in fresh
        if row.content_key is not None
    }
    contents = sorted(wanted.items())
    if not contents:
        return
    await connection.execute(
        "INSERT INTO page_contents (user_id, content_key, text)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING",
        [
            [user_id for (user_id, _), _ in contents],
            [uuid.UUID(bytes=key) for (_, key), _ in contents],
            [text for _, text in contents],
        ],
    )


async def _save_rejections(connection: Connection, saved: Sequence[tuple[IngestBatch, BatchOutcome]]) -> None:
    rejected: dict[tuple[uuid.UUID, bytes], tuple[int | None, str, str]] = {}
    for batch, outcome in saved:
        for rejection in batch.rejections:
            key = (batch.session_id, rejection.event_key)
            rejected.setdefault(key, (rejection.seq, rejection.verdict, rejection.reason[:500]))
        for place, rule in outcome.excluded.items():
            row = batch.rows[place]
            rejected.setdefault((batch.session_id, row.event_key), (row.seq, "excluded", rule))
    if not rejected:
        return
    ordered = sorted(rejected.items())
    await connection.execute(
        "INSERT INTO event_rejections (session_id, event_key, seq, verdict, reason)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        [
            [session_id for (session_id, _), _ in ordered],
            [uuid.UUID(bytes=key) for (_, key), _ in ordered],
            *[[facts[i] for _, facts in ordered] for i in range(3)],
        ],
    )


async def _count_duplicates(connection: Connection, saved: Sequence[tuple[IngestBatch, BatchOutcome]]) -> None:
    tally: dict[uuid.UUID, int] = {}
    for batch, outcome in saved:
        if outcome.duplicates:
            tally[batch.session_id] = tally.get(batch.session_id, 0) + len(outcome.duplicates)
    if not tally:
        return
    ordered = sorted(tally.items())
    await connection.execute(
        "INSERT INTO duplicate_tallies (session_id, num_duplicates) SELECT * FROM unnest(%s::uuid[], %s::int[])"
        " ON CONFLICT (session_id) DO UPDATE SET"
        " num_duplicates = duplicate_tallies.num_duplicates + excluded.num_duplicates",
        [[s for s, _ in ordered], [n for _, n in ordered]],
    )
