"""`make bench-retention`: what it costs to remove old events, row by row or as a partition.

Fills a PostgreSQL of its own with the recorded sample sessions, copied for many users over four months: once in the
table `events`, and with the same rows in a copy of it with a partition for each month, as it would be (session ids as
UUIDv7, ranges of `session_id`). The oldest month is then removed in three ways, one after the other:
- `job`: what the nightly job does with `--job-sessions` of its sessions: read, derive, store, delete;
- `delete`: the statement of that job that deletes, for all other sessions of the month, each in a transaction of its
  own, and the vacuum that makes the space usable again;
- `drop`: the partition of the month is dropped.
For each of them: seconds, CPU seconds of PostgreSQL and megabytes of WAL for a million events, and the latencies of a
writer that stores ten events of an open recording every 20 ms meanwhile. Prints one JSON object for each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg_pool import AsyncConnectionPool

from benchmarks.bench_ingest import make_events
from benchmarks.load import Load
from benchmarks.machine import add_busy_option, process_costs, require_quiet_machine
from launch.replay import batches, read_session_file
from launch.stores import EmbeddedStores
from models.lifecycle.raw_events import DELETE_RAW_EVENTS, delete_raw_events
from models.migrations.run import migrate
from models.recording.event_writer import EventWriter
from models.recording.ingest import parse_batch

SAMPLES = Path(__file__).parents[1] / "launch" / "samples"
MONTHS = 4
SESSIONS_PER_USER = 20
#: The writer beside.
WRITER_PERIOD_S, WRITER_EVENTS = 0.02, 10

_ADD_USER = "INSERT INTO users (id, email, password_hash) VALUES (%s, %s, 'no password')"
_ADD_SESSION = """
    INSERT INTO browsing_sessions (id, user_id, status, started_at, ended_at, created_at)
    VALUES (%(session)s, %(user)s, %(status)s, %(began)s, %(began)s::timestamptz + interval '3 hours', %(began)s)
"""
_COPY_TEXTS = """
    INSERT INTO page_contents (user_id, content_key, text)
    SELECT %(user)s, content_key, text FROM page_contents WHERE user_id = %(original)s ON CONFLICT DO NOTHING
"""
_COPY_EVENTS = """
    INSERT INTO events (session_id, event_key, seq, type, occurred_at, received_at, content_key, payload)
    SELECT %(session)s, gen_random_uuid(), seq, type, occurred_at, received_at, content_key, payload
    FROM events WHERE session_id = %(original)s
"""
_CREATE_PARTITIONED = """
    CREATE TABLE events_by_month (LIKE events INCLUDING ALL) PARTITION BY RANGE (session_id);
    ALTER TABLE events_by_month ADD FOREIGN KEY (session_id) REFERENCES browsing_sessions (id) ON DELETE CASCADE
"""
_FILL_PARTITIONS = "INSERT INTO events_by_month SELECT * FROM events WHERE session_id >= %s AND session_id < %s"
_INSERT_EVENTS = """
    INSERT INTO {table} (session_id, event_key, seq, type, occurred_at, payload)
    SELECT %s, key, n, 'scroll', now(), payload FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS e (key, n, payload)
"""


def id_of(at: datetime) -> uuid.UUID:
    """A UUIDv7 (RFC 9562) of the time `at`: ids of later times are greater."""
    milliseconds = int(at.timestamp() * 1000)
    random_bits = uuid.uuid4().int & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | (uuid.uuid4().int & 0xFFF) << 64 | 0b10 << 62 | random_bits)


def least_id(at: datetime) -> uuid.UUID:
    """The least id of the time `at`."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


class Database:
    """A filled database: its address, the PostgreSQL process, and the sessions of each month, the oldest first."""

    def __init__(self, dsn: str, pid: int, num_events: int) -> None:
        self.dsn, self._postmaster = dsn, psutil.Process(pid)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.starts = [today - timedelta(days=30 * (MONTHS - n)) for n in range(MONTHS + 1)]
        self.months: list[list[uuid.UUID]] = [[] for _ in range(MONTHS)]
        self.num_events = 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            self._fill(connection, num_events)
            connection.execute(_CREATE_PARTITIONED)
            for n, (first, end) in enumerate(zip(self.starts, self.starts[1:], strict=False)):
                bounds = f"FROM ('{least_id(first)}') TO ('{least_id(end)}')"
                connection.execute(f"CREATE TABLE events_{n} PARTITION OF events_by_month FOR VALUES {bounds}")
                connection.execute(_FILL_PARTITIONS, [least_id(first), least_id(end)])
            self.open_session = self._add_session(connection, self._add_user(connection), self.starts[-2], "recording")
            # Otherwise the maintenance of the fill falls into the measurement.
            connection.execute("VACUUM ANALYZE events, events_by_month, browsing_sessions, page_contents")

    def _fill(self, connection: psycopg.Connection[Any], num_events: int) -> None:
        original = self._add_user(connection)
        samples = [self._record(connection, original, path) for path in sorted(SAMPLES.glob("*.events.json"))]
        number = 0
        while self.num_events < num_events:
            user = self._add_user(connection)
            connection.execute(_COPY_TEXTS, {"user": user, "original": original})
            for _ in range(SESSIONS_PER_USER):
                month = number % MONTHS
                session = self._add_session(connection, user, self.starts[month] + timedelta(hours=1))
                copied = connection.execute(
                    _COPY_EVENTS, {"session": session, "original": samples[number // MONTHS % len(samples)]}
                )
                self.num_events += copied.rowcount
                self.months[month].append(session)
                number += 1

    def _record(self, connection: psycopg.Connection[Any], user: uuid.UUID, path: Path) -> uuid.UUID:
        session = self._add_session(connection, user, self.starts[-2], "recording")

        async def write() -> None:
            async with AsyncConnectionPool(self.dsn, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
                for events in batches(read_session_file(path)):
                    body = json.dumps({"events": events}).encode()
                    await EventWriter(pool).save([parse_batch(body, user_id=user, session_id=session)])

        asyncio.run(write())
        return session

    @staticmethod
    def _add_user(connection: psycopg.Connection[Any]) -> uuid.UUID:
        user = uuid.uuid4()
        connection.execute(_ADD_USER, [user, f"{user.hex}@bench.local"])
        return user

    @staticmethod
    def _add_session(
        connection: psycopg.Connection[Any], user: uuid.UUID, began: datetime, status: str = "completed"
    ) -> uuid.UUID:
        session = id_of(began)
        connection.execute(_ADD_SESSION, {"session": session, "user": user, "status": status, "began": began})
        return session

    def cpu_s(self) -> float:
        """CPU seconds of all processes of PostgreSQL, those that have ended included."""
        running = process_costs([self._postmaster, *self._postmaster.children()], with_memory=False)
        ended = self._postmaster.cpu_times()
        return sum(cost.cpu_s for cost in running.values()) + ended.children_user + ended.children_system

    def number(self, statement: str) -> float:
        """The number that `statement` returns."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return float(row[0])


@contextlib.contextmanager
def recording(database: Database, table: str) -> Iterator[Load]:
    """A writer that stores events of the open session in `table` as long as the block runs."""
    load, is_over = Load(), threading.Event()

    def write() -> None:
        due_at = time.perf_counter()
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            while not is_over.is_set():
                due_at += WRITER_PERIOD_S
                time.sleep(max(0.0, due_at - time.perf_counter()))
                events = make_events(WRITER_EVENTS, 1)
                connection.execute(
                    _INSERT_EVENTS.format(table=table),
                    [
                        database.open_session,
                        [event["event_id"] for event in events],
                        list(range(len(events))),
                        [json.dumps(event) for event in events],
                    ],
                )
                # From when it was due: a writer that has to wait is late for the next ones as well.
                load.latencies_ms.append((time.perf_counter() - due_at) * 1e3)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield load
    finally:
        is_over.set()
        writer.join()


@contextlib.contextmanager
def measured(database: Database, part: str, table: str) -> Iterator[dict[str, Any]]:
    """Print what the block costs; it says in the dictionary how many events it has removed."""
    result: dict[str, Any] = {"part": part}
    wal = "SELECT pg_current_wal_insert_lsn() - '0/0'"
    with recording(database, table) as load:
        cpu_s, wal_bytes, began = database.cpu_s(), database.number(wal), time.perf_counter()
        yield result
        seconds = time.perf_counter() - began
        cpu_s, wal_bytes = database.cpu_s() - cpu_s, database.number(wal) - wal_bytes
    millions = result.get("num_events", 0) / 1e6
    if millions:
        result |= {
            "s_per_million": round(seconds / millions, 2),
            "cpu_s_per_million": round(cpu_s / millions, 2),
            "wal_mb_per_million": round(wal_bytes / 1e6 / millions, 1),
        }
    writer = {f"{name}_ms": load.percentile(q) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}
    print(json.dumps(result | {"seconds": round(seconds, 2), "writer": writer}), flush=True)


async def run_job(dsn: str, sessions: list[uuid.UUID]) -> int:
    """What the nightly job does with these sessions; returns the number of events."""
    num_events = 0
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for session in sessions:
            async with connection.transaction():
                num_events += await delete_raw_events(connection, session, timedelta(days=1))
    return num_events


def delete_all(dsn: str, sessions: list[uuid.UUID]) -> int:
    """Delete the events of each session in a transaction of its own; returns how many."""
    num_events = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        for session in sessions:
            num_events += len(connection.execute(DELETE_RAW_EVENTS, {"session_id": session}).fetchall())
    return num_events


def bench(database: Database, num_job_sessions: int) -> None:
    """All parts."""
    print(json.dumps({"num_events": database.num_events, "num_sessions": sum(map(len, database.months))}), flush=True)
    with measured(database, "nothing", "events"):
        time.sleep(5.0)
    month = database.months[0]
    with measured(database, "job", "events") as result:
        began = time.process_time()
        result["num_events"] = asyncio.run(run_job(database.dsn, month[:num_job_sessions]))
        result["python_cpu_s_per_million"] = round((time.process_time() - began) / result["num_events"] * 1e6, 2)
    with measured(database, "delete", "events") as result:
        result["num_events"] = num_deleted = delete_all(database.dsn, month[num_job_sessions:])
    with (
        measured(database, "vacuum", "events") as result,
        psycopg.connect(database.dsn, autocommit=True) as connection,
    ):
        result["num_events"] = num_deleted
        connection.execute("VACUUM events")
    num_in_partition = int(database.number("SELECT count(*) FROM events_0"))
    with (
        measured(database, "drop", "events_by_month") as result,
        psycopg.connect(database.dsn, autocommit=True) as connection,
    ):
        result["num_events"] = num_in_partition
        connection.execute("DROP TABLE events_0")


def main() -> None:
    """Fill a temporary PostgreSQL and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--job-sessions", type=int, default=300)
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    with EmbeddedStores(Path(tempfile.mkdtemp(prefix="trailmind-bench-")), valkey=False) as embedded:
        dsn = embedded.start().database_url
        migrate("postgresql+psycopg://" + dsn.partition("://")[2])
        bench(Database(dsn, embedded.pids()["PostgreSQL"], arguments.events), arguments.job_sessions)


if __name__ == "__main__":
    main()
