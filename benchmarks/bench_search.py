"""Search at 100,000 pages of one user, beside 20,000 of others: rare, common, Korean and partial words, over HTTP.

    python -m benchmarks.bench_search [--pages 100000] [--json out.json]

Starts a PostgreSQL and a Valkey of its own, writes index rows with the code the product indexes with, and queries the
real application in this process. Prints the 50th and 95th percentile of each kind of query; exits with 1 when a
95th percentile exceeds 100 ms. The plain SQL statement is measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.logging_setup import configure_logs
from launch.stores import EmbeddedStores
from models.migrations.run import migrate
from models.search.index import INDEX_COLUMNS, INDEX_VERSION, IndexedPage, index_rows
from models.search.words import lexeme_prefix, tsquery_text
from tests.support.client import ApiUser, sign_up
from tests.support.server import make_settings, running_api

LIMIT_MS = 100.0
PAGES_PER_SESSION = 50
_SYLLABLES = "가나다라마바사아자차기니디리미비시이지치고노도로모보소오조학습정책경"


def vocabulary(seed: int) -> list[str]:
    """20,000 words, a third of them Korean; drawn by rank, the way words are."""
    chance = random.Random(seed)
    latin = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 10))) for _ in range(14_000)]
    korean = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(6_000)]
    words = latin + korean
    chance.shuffle(words)
    return words


class Writer:
    """Makes pages and puts them into the index."""

    def __init__(self, words: list[str], seed: int) -> None:
        self.words, self.chance = words, random.Random(seed)
        # Zipf: the n-th word is drawn in proportion to 1 / n.
        self.weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(words))))
        self.began = datetime(2025, 1, 1, tzinfo=UTC)

    def text(self, count: int) -> str:
        return " ".join(self.chance.choices(self.words, cum_weights=self.weights, k=count))

    def pages(self, session: int) -> list[IndexedPage]:
        pages = []
        for i in range(PAGES_PER_SESSION):
            at = self.began + timedelta(minutes=session * 90 + i)
            host = f"site{self.chance.randint(1, 500)}.example"
            fields = {
                "page_id": uuid.uuid4().hex,
                "url": f"https://{host}/{self.chance.choice(self.words)}/{self.chance.randint(1, 10**6)}",
                "title": self.text(8),
                "highlights": [self.text(12)] if self.chance.random() < 0.1 else [],
                "content_key": uuid.uuid4(),
                "first_visited_at": at,
                "last_visited_at": at,
                "dwell_ms": self.chance.randint(1_000, 600_000),
                "num_visits": self.chance.randint(1, 4),
            }
            pages.append(IndexedPage(fields, self.text(200)))
        return pages


def fill(dsn: str, user_id: str, num_pages: int, writer: Writer) -> None:
    """Write `num_pages` index rows of `user_id`, in sessions of 50."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for session in range(num_pages // PAGES_PER_SESSION):
            session_id = uuid.uuid4()
            pages = writer.pages(session)
            topics = {page.fields["page_id"]: [writer.text(2)] for page in pages}
            with connection.transaction():
                connection.execute(
                    "INSERT INTO browsing_sessions (id, user_id, status, title, started_at, ended_at)"
                    " VALUES (%s, %s, 'completed', %s, %s, %s)",
                    [session_id, user_id, writer.text(4), writer.began, writer.began],
                )
                with connection.cursor() as cursor:
                    with cursor.copy(f"COPY search_pages ({INDEX_COLUMNS}) FROM STDIN") as copy:
                        for row in index_rows(uuid.UUID(user_id), session_id, pages, topics):
                            copy.write_row(row)
                    with cursor.copy("COPY page_contents (user_id, content_key, text) FROM STDIN") as copy:
                        for page in pages:
                            copy.write_row((user_id, page.fields["content_key"], page.text))
                connection.execute(
                    "INSERT INTO search_state (session_id, index_version) VALUES (%s, %s)", [session_id, INDEX_VERSION]
                )
        connection.execute("VACUUM ANALYZE search_pages")


def query_sets(words: list[str], chance: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Queries by kind."""
    korean = [w for w in words if "가" <= w[0] <= "힣"]
    latin = [w for w in words if w[0] <= "z"]

    def some(of: list[str], start: int, stop: int, count: int = 40) -> list[str]:
        return chance.sample(of[start:stop], count)

    return {
        "the most common words": [{"q": w} for w in words[:40]],
        "common words": [{"q": w} for w in some(words, 40, 400)],
        "rare words": [{"q": w} for w in some(words, 5_000, 20_000)],
        "two words": [{"q": f"{a} {b}"} for a, b in zip(some(words, 0, 200), some(words, 200, 2_000), strict=True)],
        "Korean words": [{"q": w} for w in some(korean, 10, 4_000)],
        "parts of Korean words": [{"q": w[-2:]} for w in some(korean, 10, 4_000)],
        "beginnings of words": [{"q": w[:4]} for w in some([w for w in latin if len(w) > 6], 100, 5_000)],
        "middles of words": [{"q": w[1:-1]} for w in some([w for w in latin if len(w) > 6], 100, 5_000)],
        "common words, one domain": [{"q": w, "domain": f"site{i + 1}.example"} for i, w in enumerate(words[:40])],
        "common words, marked only": [{"q": w, "has_highlight": True} for w in words[:40]],
        "common words, two weeks": [
            {"q": w, "since": "2025-01-05T00:00:00Z", "until": "2025-01-20T00:00:00Z"} for w in words[:40]
        ],
        "unknown words": [{"q": w + "zqx"} for w in some(latin, 100, 5_000)],
    }


async def measure(settings: Any, num_pages: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of query."""
    words = vocabulary(1)
    configure_logs(settings)
    async with running_api(settings) as (_, client):
        person, other = await sign_up(client), await sign_up(client)
        began = time.perf_counter()
        await asyncio.to_thread(fill, settings.database.postgres_dsn, other.id, num_pages // 5, Writer(words, 3))
        await asyncio.to_thread(fill, settings.database.postgres_dsn, person.id, num_pages, Writer(words, 2))
        print(f"{num_pages:,} pages written in {time.perf_counter() - began:.0f} s")
        results = {}
        for kind, queries in query_sets(words, random.Random(4)).items():
            numbers = results[kind] = await _run_queries(person, queries)
            if all(params.keys() == {"q"} for params in queries):
                numbers["plain_ms"] = await asyncio.to_thread(
                    _plain, settings.database.postgres_dsn, person.id, queries[5:8]
                )
                numbers["ratio_p50"] = round(numbers["p50_ms"] / numbers["plain_ms"], 2)
        return results


# The simplest statement: every match, ranked.
_PLAIN = """
    SELECT id FROM search_pages
    WHERE user_id = %(user)s AND (head @@ %(query)s::tsquery OR body @@ %(query)s::tsquery OR partial LIKE %(part)s)
    ORDER BY ts_rank(head, %(query)s::tsquery) + attention DESC LIMIT 21
"""


def _plain(dsn: str, user_id: str, queries: list[dict[str, Any]]) -> float:
    """Median milliseconds of the plain statement alone: no HTTP, no snippets, no filters."""
    times = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for params in queries:
            parameters = {
                "user": user_id,
                "query": tsquery_text(params["q"], [lexeme_prefix(uuid.UUID(user_id))]),
                "part": f"%{params['q']}%",
            }
            began = time.perf_counter()
            connection.execute(_PLAIN, parameters, prepare=False).fetchall()
            times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 1)


async def _run_queries(person: ApiUser, queries: list[dict[str, Any]]) -> dict[str, float]:
    times, num_results = [], 0
    for params in queries[:3] + queries:
        began = time.perf_counter()
        reply = await person.ok("GET", "/v1/search", params=params)
        times.append((time.perf_counter() - began) * 1000)
        num_results += len(reply["results"])
    times = sorted(times[3:])  # the first three fill the caches
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "results": round(num_results / (len(queries) + 3), 1),
    }


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    add_busy_option(parser)
    options = parser.parse_args()
    require_quiet_machine(options)
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-bench-"))
    stores = EmbeddedStores(data_dir, durable=False)
    try:
        urls = stores.start()
        migrate("postgresql+psycopg://" + urls.database_url.partition("://")[2])
        results = asyncio.run(
            measure(
                make_settings(urls.database_url, urls.redis_url, data_dir=data_dir, log_level="ERROR"), options.pages
            )
        )
    finally:
        stores.stop()
        shutil.rmtree(data_dir, ignore_errors=True)
    for kind, numbers in results.items():
        print(
            f"{kind:28} p50 {numbers['p50_ms']:7.1f} ms   p95 {numbers['p95_ms']:7.1f} ms   hits {numbers['results']}"
            + (f"   plain SQL {numbers['plain_ms']:7.1f} ms" if "plain_ms" in numbers else "")
        )
    if options.json:
        options.json.write_text(
            json.dumps({"pages": options.pages, "kinds": results}, ensure_ascii=False, indent=2) + "\n"
        )
    return int(any(numbers["p95_ms"] > LIMIT_MS for numbers in results.values()))


if __name__ == "__main__":
    sys.exit(main())
