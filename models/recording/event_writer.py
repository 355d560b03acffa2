"""Writes events: the batches of many callers in one transaction (group commit).

A shard and a replica whose shard is unavailable run the same statements: lock the rows of the sessions `FOR SHARE`, so
that no session can be closed before the commit; `COPY` the events; commit. `COPY` is about three times as fast as
`INSERT` and fails on the first duplicate key. Then the transaction runs again with `INSERT … ON CONFLICT DO NOTHING
RETURNING`, which skips duplicates and reports which rows are new
(https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT). Duplicates are rare, so the fallback is too.
The primary key detects duplicates, so any number of writers may run at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import OperationalError
from psycopg.errors import DeadlockDetected, UniqueViolation
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.billing.storage import RECORD_BYTES, ROW_BYTES, add_stored_bytes, text_bytes
from models.database import Connection, outage
from models.errors import NotAcceptingEvents, NotFound, TrailmindError, Unavailable
from models.recording.browsing_sessions import OPEN_STATUSES
from models.recording.exclusions import SiteLists, site_host
from models.recording.ingest import EventRow, IngestBatch

Pool = AsyncConnectionPool[Any]
#: An event to write: index of its batch, index of its row in that batch, session, event.
PlacedRow = tuple[int, int, uuid.UUID, EventRow]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = frozenset(str(s) for s in OPEN_STATUSES)
_EVENT_COLUMNS = "session_id, event_key, seq, type, occurred_at, content_key, payload"
_NUM_EVENT_COLUMNS: Final = 7
SET_IDLE_TIMEOUT: Final = "SET idle_in_transaction_session_timeout = '4s'"
SET_STATEMENT_TIMEOUT: Final = "SET statement_timeout = '15s'"
#: The binary format of `COPY`: signature, flags and length of an extension; the end; a value that is NULL.
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"
_COPY_NULL: Final = b"\xff\xff\xff\xff"
#: Each value follows its length; before the first two are the number of columns.
_COPY_KEYS = struct.Struct("!hi16si16s").pack
_COPY_INT4 = struct.Struct("!ii").pack
_COPY_TIME = struct.Struct("!iq").pack
_COPY_LENGTH = struct.Struct("!i").pack
#: 2000-01-01: PostgreSQL counts microseconds from there.
_POSTGRES_EPOCH_MS: Final = 946_684_800_000
#: So many rows are encoded before the event loop has its turn.
_ROWS_PER_WRITE: Final = 500


@dataclass(slots=True)
class BatchOutcome:
    """The result for one batch: an error for all of it, or which rows are duplicates or excluded by a rule.

    `duplicates` are indexes of `IngestBatch.rows`; `excluded` maps such an index to the name of the rule.
    `stored_bytes` is what the batch added to what its user has stored.
    """

    error: TrailmindError | None = None
    duplicates: frozenset[int] = frozenset()
    excluded: dict[int, str] = field(default_factory=dict)
    stored_bytes: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # In place of the slower pickling of slots: a shard returns one for each request.
        return BatchOutcome, (self.error, self.duplicates, self.excluded, self.stored_bytes)


@dataclass(slots=True)
class _SessionRow:
    user_id: uuid.UUID
    status: str
    is_deleted: bool


def excluded_rows(batch: IngestBatch, sites: SiteLists) -> dict[int, str]:
    """The rows of `batch` that a rule excludes, the default rules or the user's list: index of the row → rule.

    A site that the user allows is excluded by no default rule.
    """
    excluded = {
        place: f"default: {rule}"
        for place, rule in batch.default_rules.items()
        if sites.allowing(site_host(batch.rows[place].url or "")) is None
    }
    if sites.excluded:
        for place, row in enumerate(batch.rows):
            if place not in excluded and row.url and (entry := sites.excluding(site_host(row.url))):
                excluded[place] = f"yours: {entry}"
    return excluded


async def set_transaction_timeouts(connection: Connection) -> None:
    """Limit how long a connection of an event writer holds its locks.

    A suspended process keeps its transaction open and blocks others; PostgreSQL then aborts it. `COPY` counts as a
    running statement even while it waits for the client, so both limits are needed.
    """
    await connection.execute(SET_IDLE_TIMEOUT)
    await connection.execute(SET_STATEMENT_TIMEOUT)


class EventWriter:
    """Writes batches to PostgreSQL. `timeout_s` is how long `save` retries while the database is unavailable."""

    def __init__(self, pool: Pool, *, timeout_s: float = 3.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool, self._timeout_s, self._clock = pool, timeout_s, clock
        #: By user: bytes that were committed and are not in `storage_usage` yet.
        self._unrecorded_bytes: Counter[uuid.UUID] = Counter()
        #: By user: those of them that a transaction records at this moment. Until its commit no other connection sees
        #: them, so they count here.
        self._bytes_being_recorded: Counter[uuid.UUID] = Counter()

    def unrecorded_bytes(self, user_id: uuid.UUID) -> int:
        """Bytes that this writer has stored for the user and that `storage_usage` may not show yet."""
        return self._unrecorded_bytes[user_id] + self._bytes_being_recorded[user_id]

    async def record_stored_bytes(self) -> None:
        """Record what this writer has stored and not recorded yet."""
        with self._recording() as due:
            for user_id in list(self._unrecorded_bytes):
                self._take_unrecorded(user_id, due)
            if due:
                async with self._pool.connection(timeout=self._timeout_s) as connection:
                    await add_stored_bytes(connection, due)

    @contextlib.contextmanager
    def _recording(self) -> Iterator[dict[uuid.UUID, int]]:
        """What `_take_unrecorded` puts into the dictionary is recorded when the block ends, unless it raises."""
        due: dict[uuid.UUID, int] = {}
        try:
            yield due
        except BaseException:
            self._unrecorded_bytes.update(due)
            raise
        finally:
            # Counter's subtraction in place also removes the entries that reach zero.
            self._bytes_being_recorded -= Counter(due)

    def _take_unrecorded(self, user_id: uuid.UUID, due: dict[uuid.UUID, int]) -> None:
        due[user_id] = self._unrecorded_bytes.pop(user_id, 0)
        self._bytes_being_recorded[user_id] += due[user_id]

    async def save(
        self, batches: Sequence[IngestBatch], excluded: Sequence[Mapping[int, str]] | None = None
    ) -> list[BatchOutcome]:
        """Save all `batches` in one transaction; return one outcome for each, in the same order.

        When this returns, every batch without an error is committed. `excluded` are the rows not to store, for each
        batch. Raises Unavailable when PostgreSQL is unavailable for longer than the timeout: then either nothing or
        everything was committed, and a retry reports which rows are duplicates.
        """
        exclusions = [dict(rules) for rules in excluded] if excluded is not None else [{} for _ in batches]
        deadline = self._clock() + self._timeout_s
        while True:
            try:
                async with self._pool.connection(timeout=self._timeout_s) as connection:
                    try:
                        return await self._write(connection, batches, exclusions, skip_duplicates=False)
                    except (UniqueViolation, DeadlockDetected):
                        return await self._write(connection, batches, exclusions, skip_duplicates=True)
            except (OperationalError, PoolTimeout, OSError) as error:
                # PostgreSQL restarts within a second or two; a retry here saves every client a retry.
                if self._clock() >= deadline:
                    message = f"{outage(error)}; keep the events and send them again"
                    raise Unavailable(message, retry_after_s=2.0) from error
                await asyncio.sleep(0.1)

    async def _write(
        self,
        connection: Connection,
        batches: Sequence[IngestBatch],
        excluded: list[dict[int, str]],
        *,
        skip_duplicates: bool,
    ) -> list[BatchOutcome]:
        with self._recording() as due:
            return await self._write_and_count(connection, batches, excluded, due, skip_duplicates=skip_duplicates)

    async def _write_and_count(
        self,
        connection: Connection,
        batches: Sequence[IngestBatch],
        excluded: list[dict[int, str]],
        due: dict[uuid.UUID, int],
        *,
        skip_duplicates: bool,
    ) -> list[BatchOutcome]:
        """Write the batches. `due` receives what was unrecorded and is recorded together with them."""
        outcomes = [BatchOutcome(excluded=rules) for rules in excluded]
        async with connection.transaction():
            sessions = await self._lock_sessions(connection, {batch.session_id for batch in batches})
            closed: list[int] = []
            for i, batch in enumerate(batches):
                outcomes[i].error = _session_error(batch, sessions.get(batch.session_id))
                if isinstance(outcomes[i].error, NotAcceptingEvents):
                    closed.append(i)
            await self._accept_repeated_batches(connection, batches, outcomes, closed)
            accepted = [i for i, outcome in enumerate(outcomes) if outcome.error is None and i not in closed]
            rows = _rows_to_write(batches, outcomes, accepted)
            new_contents = await _save_contents(connection, batches, rows)
            if skip_duplicates:
                await self._insert(connection, rows, outcomes)
            else:
                await self._copy(connection, rows)
            new_rejections = await _save_rejections(connection, [(batches[i], outcomes[i]) for i in accepted])
            await _count_duplicates(connection, [(batches[i], outcomes[i]) for i in accepted])
            added = _count_bytes(batches, outcomes, accepted, rows, new_contents, new_rejections)
            # In place of a statement per request, one for each user whose bytes have accumulated.
            for user_id, num_bytes in added.items():
                if self._unrecorded_bytes[user_id] + num_bytes >= RECORD_BYTES:
                    self._take_unrecorded(user_id, due)
            if due:
                await add_stored_bytes(connection, {user_id: due[user_id] + added[user_id] for user_id in due})
        self._unrecorded_bytes.update({user_id: n for user_id, n in added.items() if user_id not in due})
        return outcomes

    @staticmethod
    async def _lock_sessions(connection: Connection, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, _SessionRow]:
        # In id order, so that two writers cannot deadlock.
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
        """Report a batch for a closed session as duplicate when all its events are stored.

        The client sends a batch again when it did not receive the response; the session may be closed meanwhile.
        """
        for i in closed:
            rows = batches[i].rows
            if not rows:
                continue
            cursor = await connection.execute(
                "SELECT count(*) FROM events WHERE session_id = %s AND event_key = ANY(%s)",
                [batches[i].session_id, [uuid.UUID(bytes=row.event_key) for row in rows]],
            )
            count = await cursor.fetchone()
            if count and count[0] == len({row.event_key for row in rows}):
                outcomes[i].error = None
                outcomes[i].duplicates = frozenset(range(len(rows)))

    @staticmethod
    async def _copy(connection: Connection, rows: Sequence[PlacedRow]) -> None:
        if not rows:
            return
        encoding = connection.info.encoding
        async with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY events ({_EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            for start in range(0, len(rows), _ROWS_PER_WRITE):
                data = _copy_data(rows[start : start + _ROWS_PER_WRITE], encoding)
                await copy.write(data if start else _COPY_HEADER + data)
            await copy.write(_COPY_TRAILER)

    @staticmethod
    async def _insert(connection: Connection, rows: Sequence[PlacedRow], outcomes: list[BatchOutcome]) -> None:
        if not rows:
            return
        columns = list(zip(*(_values(session_id, row) for _, _, session_id, row in rows), strict=True))
        cursor = await connection.execute(
            f"INSERT INTO events ({_EVENT_COLUMNS}) SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[],"
            " %s::timestamptz[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING RETURNING session_id, event_key",
            [list(column) for column in columns],
        )
        stored = {(session_id, event_key) for session_id, event_key in await cursor.fetchall()}
        for i, place, session_id, row in rows:
            if (session_id, uuid.UUID(bytes=row.event_key)) not in stored:
                outcomes[i].duplicates |= {place}


def _session_error(batch: IngestBatch, session: _SessionRow | None) -> TrailmindError | None:
    if session is None or session.is_deleted or session.user_id != batch.user_id:
        return NotFound("session not found")
    if session.status not in _OPEN:
        return NotAcceptingEvents()
    return None


def _copy_data(rows: Sequence[PlacedRow], encoding: str) -> bytes:
    """`rows` in the binary format of `COPY`, as `_values` would be written, in a third of the time.

    https://www.postgresql.org/docs/current/sql-copy.html describes the format; `encoding` is that of the connection.
    """
    parts: list[bytes] = []
    for _, _, session_id, row in rows:
        kind, payload = row.type.encode(encoding), row.payload.encode(encoding)
        parts.append(_COPY_KEYS(_NUM_EVENT_COLUMNS, 16, session_id.bytes, 16, row.event_key))
        parts.append(_COPY_NULL if row.seq is None else _COPY_INT4(4, row.seq))
        parts.append(_COPY_LENGTH(len(kind)))
        parts.append(kind)
        parts.append(_COPY_TIME(8, (row.occurred_ms - _POSTGRES_EPOCH_MS) * 1000))
        if row.content_key is None:
            parts.append(_COPY_NULL)
        else:
            parts.append(_COPY_LENGTH(16))
            parts.append(row.content_key)
        parts.append(_COPY_LENGTH(len(payload)))
        parts.append(payload)
    return b"".join(parts)


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
    batches: Sequence[IngestBatch], outcomes: list[BatchOutcome], accepted: Sequence[int]
) -> list[PlacedRow]:
    """The events to write, each key once. Marks duplicates within these batches in `outcomes`."""
    seen: set[tuple[uuid.UUID, bytes]] = set()
    rows: list[PlacedRow] = []
    for i in accepted:
        batch, outcome = batches[i], outcomes[i]
        for place, row in enumerate(batch.rows):
            if place in outcome.excluded:
                continue
            key = (batch.session_id, row.event_key)
            if key in seen:
                outcome.duplicates |= {place}
                continue
            seen.add(key)
            rows.append((i, place, batch.session_id, row))
    # In key order, two writers of the same keys cannot deadlock, and neighbouring index pages are written together.
    rows.sort(key=lambda placed: (placed[2], placed[3].event_key))
    return rows


async def _save_contents(
    connection: Connection, batches: Sequence[IngestBatch], rows: Sequence[PlacedRow]
) -> set[tuple[uuid.UUID, uuid.UUID]]:
    """Save the page texts of `rows`; return the keys, with their users, of those that were not stored before."""
    text_by_key = {
        (batches[i].user_id, row.content_key): batches[i].contents[row.content_key]
        for i, _, _, row in rows
        if row.content_key is not None
    }
    contents = sorted(text_by_key.items())
    if not contents:
        return set()
    cursor = await connection.execute(
        "INSERT INTO page_contents (user_id, content_key, text)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING"
        " RETURNING user_id, content_key",
        [
            [user_id for (user_id, _), _ in contents],
            [uuid.UUID(bytes=key) for (_, key), _ in contents],
            [text for _, text in contents],
        ],
    )
    return {(user_id, key) for user_id, key in await cursor.fetchall()}


def _count_bytes(
    batches: Sequence[IngestBatch],
    outcomes: Sequence[BatchOutcome],
    accepted: Sequence[int],
    rows: Sequence[PlacedRow],
    new_contents: set[tuple[uuid.UUID, uuid.UUID]],
    new_rejections: dict[uuid.UUID, int],
) -> dict[uuid.UUID, int]:
    """By user the bytes that `rows` and their new texts and rejections add; sets `stored_bytes` of each outcome.

    `new_contents` are (user, content key) pairs, `new_rejections` counts by session.
    """
    for i in accepted:
        outcomes[i].stored_bytes = ROW_BYTES * new_rejections.pop(batches[i].session_id, 0)
    counted: set[tuple[uuid.UUID, uuid.UUID]] = set()
    for i, place, _, row in rows:
        if place in outcomes[i].duplicates:
            continue
        outcomes[i].stored_bytes += text_bytes(row.payload) + ROW_BYTES
        if row.content_key is not None:
            content = (batches[i].user_id, uuid.UUID(bytes=row.content_key))
            if content in new_contents and content not in counted:
                counted.add(content)
                outcomes[i].stored_bytes += text_bytes(batches[i].contents[row.content_key]) + ROW_BYTES
    added: dict[uuid.UUID, int] = {}
    for i in accepted:
        if outcomes[i].stored_bytes:
            added[batches[i].user_id] = added.get(batches[i].user_id, 0) + outcomes[i].stored_bytes
    return added


async def _save_rejections(
    connection: Connection, saved: Sequence[tuple[IngestBatch, BatchOutcome]]
) -> dict[uuid.UUID, int]:
    """Save what was not stored, and why; return how many rows are new, by session."""
    rejected: dict[tuple[uuid.UUID, bytes], tuple[int | None, str, str]] = {}
    for batch, outcome in saved:
        for rejection in batch.rejections:
            key = (batch.session_id, rejection.event_key)
            rejected.setdefault(key, (rejection.seq, rejection.verdict, rejection.reason[:500]))
        for place, rule in outcome.excluded.items():
            row = batch.rows[place]
            rejected.setdefault((batch.session_id, row.event_key), (row.seq, "excluded", rule))
    if not rejected:
        return {}
    ordered = sorted(rejected.items())
    cursor = await connection.execute(
        "INSERT INTO event_rejections (session_id, event_key, seq, verdict, reason)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING"
        " RETURNING session_id",
        [
            [session_id for (session_id, _), _ in ordered],
            [uuid.UUID(bytes=key) for (_, key), _ in ordered],
            *[[facts[i] for _, facts in ordered] for i in range(3)],
        ],
    )
    return Counter(session_id for (session_id,) in await cursor.fetchall())


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
