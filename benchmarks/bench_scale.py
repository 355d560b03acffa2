"""`make bench-scale`: recording and reading beside many stored events and pages, compared with a nearly empty server.

Two servers run at the same time: a small one with 10,000 pages, and a large one with `--events` stored events and
`--pages` pages of 500-page users. Both are measured alternately:
- `ingest_ratio`: durable events a second, large ÷ small, and `ingest_cpu_ratio`: CPU time of all processes per event;
- for the session list, one session and search: 95th percentiles, large ÷ small, for a user with 500 pages in both.
The defaults are small; `--full` is 50 million events and a million pages. With `--data-dir` the large server keeps its
data there, and a later run adds only what is missing; `--fill-only` does no more than that, with a database that does
not wait for the disk, so that filling (an hour, on a machine that may be busy) is apart from measuring. Filling stops
when the database exceeds `--max-gb`. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from psycopg import sql

from benchmarks.bench_ingest import CONNECTIONS, measure, sign_up_all
from benchmarks.bench_search import Writer, fill, vocabulary
from benchmarks.machine import add_busy_option, cpu_seconds_by_name, process_costs, require_quiet_machine
from launch.stores import EmbeddedStores
from models.migrations.run import migrate
from models.search.index import INDEX_COLUMNS, INDEX_VERSION
from models.search.words import lexeme_prefix
from tests.support.client import ApiUser, sign_up
from tests.support.product import Product

PAGES_PER_USER = 500
SMALL_PAGES = 10_000
#: Users whose pages are made word by word; the others are copies of them.
NUM_WRITTEN = 20
EVENTS_PER_SESSION = 1_000
#: Events of one statement.
EVENTS_PER_CHUNK = 20_000
#: The first of the stored events is so old, the last is of today.
OLDEST_DAYS = 180
FULL_EVENTS, FULL_PAGES = 50_000_000, 1_000_000

_ADD_USER = "INSERT INTO users (id, email, password_hash) VALUES (%s, %s, 'no password')"
_ADD_SESSIONS = """
    INSERT INTO browsing_sessions (id, user_id, status, title, started_at, ended_at, created_at)
    SELECT id, %(user)s, 'completed', 'Filled', began, began + %(num_events)s * interval '1 second', began
    FROM unnest(%(ids)s::uuid[]) id, (SELECT now() - %(age_days)s * interval '1 day' AS began)
"""
# The key in a payload is not that of its row: nothing here reads it, and a second random id for each event takes longer
# than the rest of the row.
_MAKE_PAYLOADS = """
    CREATE TEMPORARY TABLE filled_payloads AS
    SELECT n, 'scroll'::text AS type, '{"type":"scroll","timestamp":1760000000000,'
        '"url":"https://docs.example.com/guide/chapter-' || n % 97 || '","title":"A chapter","scroll_depth":0.5,'
        '"event_id":"' || gen_random_uuid() || '"}' AS payload
    FROM generate_series(1, 1000) n
"""
_ADD_EVENTS = """
    INSERT INTO events (session_id, event_key, seq, type, occurred_at, received_at, payload)
    SELECT id, gen_random_uuid(), n, type, began + n * interval '1 second', began + n * interval '1 second', payload
    FROM unnest(%(ids)s::uuid[]) id, (SELECT now() - %(age_days)s * interval '1 day' AS began), filled_payloads
"""
# The keys of the table: checked and indexed for each row, they cost several times what the row does. They are dropped
# first and made again at the end, also after a fill that was stopped between.
_EVENTS_KEYS = {
    "pk_events": "PRIMARY KEY (session_id, event_key)",
    "fk_events_session_id_browsing_sessions": (
        "FOREIGN KEY (session_id) REFERENCES browsing_sessions (id) ON DELETE CASCADE"
    ),
}
_FIND_KEYS = "SELECT conname FROM pg_constraint WHERE conrelid = 'events'::regclass"
# A vacuum of what is filled so far would read the whole table again and again.
_STOP_VACUUM = "ALTER TABLE events SET (autovacuum_enabled = false)"
_ALLOW_VACUUM = "ALTER TABLE events RESET (autovacuum_enabled)"
# A session or page of a copy has an id made from the user and the original.
_COPY_USER = (
    """
    INSERT INTO browsing_sessions (id, user_id, status, title, started_at, ended_at)
    SELECT md5(%(copy)s::text || id)::uuid, %(copy)s, status, title, started_at, ended_at
    FROM browsing_sessions WHERE user_id = %(original)s
    """,
    f"""
    INSERT INTO search_pages ({INDEX_COLUMNS})
    SELECT md5(%(copy)s::text || id)::uuid, %(copy)s, md5(%(copy)s::text || session_id)::uuid, page_id, url, domain,
        title, topics, highlights, content_key, first_visited_at, last_visited_at, dwell_ms, attention,
        replace(head::text, '''' || %(old_prefix)s, '''' || %(prefix)s)::tsvector,
        replace(body::text, '''' || %(old_prefix)s, '''' || %(prefix)s)::tsvector, partial
    FROM search_pages WHERE user_id = %(original)s
    """,
    """
    INSERT INTO page_contents (user_id, content_key, text)
    SELECT %(copy)s, content_key, text FROM page_contents WHERE user_id = %(original)s
    """,
    """
    INSERT INTO search_state (session_id, index_version)
    SELECT id, %(index_version)s FROM browsing_sessions WHERE user_id = %(copy)s
    """,
)
_FIND_WRITTEN = """
    SELECT user_id FROM search_pages GROUP BY user_id HAVING count(*) = %s ORDER BY user_id LIMIT %s
"""
_SEARCH_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'search_pages' AND indexdef LIKE '% USING gin %'
"""
_COUNT_EVENTS = "SELECT count(*) FROM events"
_COUNT_PAGES = "SELECT count(*) FROM search_pages"
_SIZE = "SELECT pg_database_size(current_database())"


class TooLargeError(Exception):
    """The database has reached the limit of the run."""


def _number(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def add_user(connection: psycopg.Connection[Any]) -> uuid.UUID:
    """A user who cannot sign in."""
    user_id = uuid.uuid4()
    connection.execute(_ADD_USER, [user_id, f"{user_id.hex}@filled.local"])
    return user_id


class Progress:
    """Says once in 30 seconds how far a fill is."""

    def __init__(self, name: str, num_to_do: int, *, every_s: float = 30.0) -> None:
        self._name, self._num_to_do, self._every_s = name, num_to_do, every_s
        self._done = 0
        self._began = self._said_at = time.perf_counter()

    def add(self, count: int) -> None:
        """`count` more are done."""
        self._done += count
        now = time.perf_counter()
        if now - self._said_at < self._every_s:
            return
        self._said_at = now
        per_s = self._done / (now - self._began)
        state = {"filled": self._name, "done": self._done, "of": self._num_to_do, "per_s": round(per_s)}
        print(json.dumps(state | {"minutes_left": round((self._num_to_do - self._done) / per_s / 60, 1)}), flush=True)


def _drop_keys(connection: psycopg.Connection[Any]) -> None:
    for name in _EVENTS_KEYS:
        connection.execute(sql.SQL("ALTER TABLE events DROP CONSTRAINT IF EXISTS {}").format(sql.Identifier(name)))


def _make_keys(connection: psycopg.Connection[Any]) -> None:
    present = {row[0] for row in connection.execute(_FIND_KEYS).fetchall()}
    connection.execute("SET maintenance_work_mem = '1GB'")
    for name, definition in _EVENTS_KEYS.items():
        if name not in present:
            statement = sql.SQL("ALTER TABLE events ADD CONSTRAINT {} " + definition)
            connection.execute(statement.format(sql.Identifier(name)))


def fill_events(dsn: str, num_events: int, max_bytes: float) -> None:
    """Add events until there are `num_events`. Raises TooLargeError."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        missing = num_events - _number(connection, _COUNT_EVENTS)
        if missing <= 0:
            _make_keys(connection)
            return
        _drop_keys(connection)
        connection.execute(_MAKE_PAYLOADS)
        connection.execute(_STOP_VACUUM)
        progress = Progress("events", missing)
        while missing > 0:
            if _number(connection, _SIZE) > max_bytes:
                raise TooLargeError(f"the database has more than {max_bytes / 1e9:.0f} GB; {missing:,} events missing")
            parameters = {
                "user": add_user(connection),
                "ids": [uuid.uuid4() for _ in range(EVENTS_PER_CHUNK // EVENTS_PER_SESSION)],
                "num_events": EVENTS_PER_SESSION,
                "age_days": OLDEST_DAYS * missing / num_events,
            }
            connection.execute(_ADD_SESSIONS, parameters)
            connection.execute(_ADD_EVENTS, parameters)
            missing -= EVENTS_PER_CHUNK
            progress.add(EVENTS_PER_CHUNK)
        _make_keys(connection)
        connection.execute(_ALLOW_VACUUM)
        connection.execute("VACUUM ANALYZE events")


@contextmanager
def without_search_indexes(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Drop the GIN indexes of `search_pages` and build them again at the end: far less work than row by row."""
    definitions = dict(connection.execute(_SEARCH_INDEXES).fetchall())
    for name in definitions:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
    for definition in definitions.values():
        connection.execute(definition)


def fill_pages(dsn: str, num_pages: int, max_bytes: float) -> None:
    """Add users with pages until there are `num_pages`, most as copies. Raises TooLargeError, with nothing copied."""
    words = vocabulary(1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        num_users = num_pages // PAGES_PER_USER
        written = [row[0] for row in connection.execute(_FIND_WRITTEN, [PAGES_PER_USER, NUM_WRITTEN]).fetchall()]
        for n in range(len(written), min(NUM_WRITTEN, num_users)):
            written.append(add_user(connection))
            fill(dsn, str(written[-1]), PAGES_PER_USER, Writer(words, 100 + n))
        have = _number(connection, _COUNT_PAGES) // PAGES_PER_USER
        if have >= num_users:
            return
        # One transaction, so that a run that is stopped here does not leave the table without its indexes.
        progress = Progress("users with pages", num_users - have)
        with connection.transaction(), without_search_indexes(connection):
            for n in range(have, num_users):
                if _number(connection, _SIZE) > max_bytes:
                    raise TooLargeError(f"the database has more than {max_bytes / 1e9:.0f} GB at {n} users with pages")
                original = written[n % len(written)]
                copy = add_user(connection)
                names = {"copy": copy, "original": original, "index_version": INDEX_VERSION}
                names |= {"old_prefix": lexeme_prefix(original), "prefix": lexeme_prefix(copy)}
                for statement in _COPY_USER:
                    connection.execute(statement, names)
                progress.add(1)
        connection.execute("VACUUM ANALYZE search_pages")
        connection.execute("VACUUM ANALYZE page_contents")


async def read_times(person: ApiUser, session: str, words: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds of each read, by kind."""
    times: dict[str, list[float]] = {"sessions": [], "session": [], "search": []}
    for word in words:
        for kind, path, params in (
            ("sessions", "/v1/sessions", {}),
            ("session", f"/v1/sessions/{session}", {}),
            ("search", "/v1/search", {"q": word}),
        ):
            began = time.perf_counter()
            await person.ok("GET", path, params=params)
            times[kind].append((time.perf_counter() - began) * 1e3)
    return times


class Server:
    """One of the two servers, with a user of 500 pages and 64 recordings."""

    def __init__(self, running: Product) -> None:
        self.running = running
        self.rates: list[float] = []
        self.cpu_us: list[float] = []
        self.times: dict[str, list[float]] = {"sessions": [], "session": [], "search": []}
        self._users: list[tuple[str, str]] = []

    async def prepare(self) -> None:
        """Sign up the users and warm up."""
        self._users = await sign_up_all(self.running.origin, CONNECTIONS)
        await measure(self.running.port, self._users, 10, CONNECTIONS * 4)

    async def ingest(self, num_requests: int) -> None:
        """One measurement of recording."""
        before = process_costs(self.running.processes(), with_memory=False)
        load = await measure(self.running.port, self._users, 10, num_requests)
        spent = cpu_seconds_by_name(before, process_costs(self.running.processes(), with_memory=False))
        if load.failures:
            raise SystemExit(f"batches were refused: {load.failures}")
        self.rates.append(10 * len(load.latencies_ms) / load.seconds)
        self.cpu_us.append(sum(spent.values()) / (10 * len(load.latencies_ms)) * 1e6)

    async def read(self, words: Sequence[str]) -> None:
        """One measurement of reading, by a new user with 500 pages."""
        async with httpx2.AsyncClient(base_url=self.running.origin, timeout=60.0, trust_env=False) as client:
            person = await sign_up(client)
            dsn = self.running.settings.database.postgres_dsn
            await asyncio.to_thread(fill, dsn, person.id, PAGES_PER_USER, Writer(vocabulary(1), 7))
            session = (await person.ok("GET", "/v1/sessions"))["sessions"][0]["id"]
            await read_times(person, session, words[:3])
            for kind, times in (await read_times(person, session, words)).items():
                self.times[kind] += times

    def p95(self, kind: str) -> float:
        """The 95th percentile of a read, in milliseconds."""
        ordered = sorted(self.times[kind])
        return ordered[int(len(ordered) * 0.95)]


async def compare(small: Server, large: Server, rounds: int, num_requests: int) -> dict[str, Any]:
    """Measure both alternately."""
    words = vocabulary(1)[100:140]
    for server in (small, large):
        await server.prepare()
    for _ in range(rounds):
        for server in (small, large):
            await server.ingest(num_requests)
        for server in (small, large):
            await server.read(words)
    return {
        "events_per_s": [round(statistics.median(server.rates)) for server in (small, large)],
        "ingest_ratio": round(statistics.median(large.rates) / statistics.median(small.rates), 3),
        "ingest_cpu_ratio": round(statistics.median(large.cpu_us) / statistics.median(small.cpu_us), 3),
        "p95_ms": {kind: [round(small.p95(kind), 1), round(large.p95(kind), 1)] for kind in small.times},
        "p95_ratio": {kind: round(large.p95(kind) / small.p95(kind), 3) for kind in small.times},
    }


def fill_only(data_dir: Path, num_events: int, num_pages: int, max_bytes: float) -> None:
    """Fill the database of `data_dir` while no server runs, without waiting for the disk before the end."""
    with EmbeddedStores(data_dir, valkey=False, durable=False) as stores:
        dsn = stores.start().database_url
        migrate("postgresql+psycopg://" + dsn.partition("://")[2])
        fill_events(dsn, num_events, max_bytes)
        fill_pages(dsn, num_pages, max_bytes)
    # The next server trusts what is on the disk.
    os.sync()


def main() -> None:
    """Fill, measure, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL_EVENTS:,} events and {FULL_PAGES:,} pages")
    parser.add_argument("--data-dir", type=Path, help="keep the data of the large server here")
    parser.add_argument("--fill-only", action="store_true", help="fill --data-dir and measure nothing")
    parser.add_argument("--max-gb", type=float, default=40.0, help="size at which filling stops")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4_000, help="batches of 10 events in each measurement")
    add_busy_option(parser)
    arguments = parser.parse_args()
    num_events, num_pages = (FULL_EVENTS, FULL_PAGES) if arguments.full else (arguments.events, arguments.pages)
    if arguments.fill_only:
        if arguments.data_dir is None:
            parser.error("--fill-only needs --data-dir")
        fill_only(arguments.data_dir, num_events, num_pages, arguments.max_gb * 1e9)
        return
    require_quiet_machine(arguments)
    with tempfile.TemporaryDirectory(prefix="trailmind-scale-") as temporary:
        data_dir = arguments.data_dir or Path(temporary)
        with Product() as small, Product(data_dir) as large:
            began = time.perf_counter()
            dsn = large.settings.database.postgres_dsn
            fill_pages(small.settings.database.postgres_dsn, min(SMALL_PAGES, num_pages), 1e12)
            fill_pages(dsn, num_pages, arguments.max_gb * 1e9)
            fill_events(dsn, num_events, arguments.max_gb * 1e9)
            filled_s = time.perf_counter() - began
            result = asyncio.run(compare(Server(small), Server(large), arguments.rounds, arguments.requests))
    print(json.dumps({"events": num_events, "pages": num_pages, "filled_s": round(filled_s)} | result), flush=True)


if __name__ == "__main__":
    main()
