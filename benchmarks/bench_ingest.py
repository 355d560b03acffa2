"""`make bench-ingest`: durable events per second through the whole product, beside the bare parts.

For each batch size, 64 connections (a user and a session each) post events to a running Trailmind; an answer means
committed to disk. In the same run, on the same machine and the same PostgreSQL:
- `bare_insert_events_per_s`: the same rows through psycopg `INSERT … SELECT FROM unnest(…)` alone, one connection,
  1,000 rows a commit: the upper bound of the database alone;
- `uvicorn_requests_per_s`: the same handler (token check, parsing, verdicts) on plain uvicorn, without Ray and without
  storing anything.
Prints one JSON object per batch size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import uvicorn
from fastapi import FastAPI

from benchmarks.load import Load, drive, post
from cluster.logging_setup import configure_logs
from cluster.settings import Settings
from launch.ray_environment import free_ports
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import IngestBatch
from serve.app import create_api, with_middleware
from tests.support.product import Product

CONNECTIONS = 64


def make_events(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` small events as the extension sends them while a page is read."""
    now = int(time.time() * 1000)
    return [
        {
            "event_id": str(uuid.uuid4()),
            "seq": i,
            "type": "scroll" if i % 4 else "page_visit",
            "timestamp": now + i,
            "url": f"https://docs.example.com/guide/chapter-{seed % 97}/section-{i % 31}",
            "title": f"Section {i % 31} of chapter {seed % 97}",
            "scroll_depth": round((i % 10) / 10, 1),
        }
        for i in range(count)
    ]


def make_bodies(batch: int, num_requests: int) -> list[bytes]:
    """Bodies of `batch` events each, every event different."""
    return [json.dumps({"events": make_events(batch, i)}).encode() for i in range(num_requests)]


def bare_insert(dsn: str, session_id: uuid.UUID, rows_per_commit: int = 1_000, seconds: float = 4.0) -> float:
    """Rows per second of `unnest` inserts alone, into the same table with the same indexes."""
    now = datetime.now(UTC)
    written, began = 0, time.perf_counter()
    spent_preparing = 0.0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while (elapsed := time.perf_counter() - began - spent_preparing) < seconds:
            prepared_at = time.perf_counter()
            events = make_events(rows_per_commit, written)
            columns = [
                [session_id] * rows_per_commit,
                [uuid.UUID(e["event_id"]) for e in events],
                [e["seq"] for e in events],
                [e["type"] for e in events],
                [now] * rows_per_commit,
                [json.dumps(e) for e in events],
            ]
            spent_preparing += time.perf_counter() - prepared_at
            connection.execute(
                "INSERT INTO events (session_id, event_key, seq, type, occurred_at, payload) SELECT * FROM"
                " unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::text[])"
                " ON CONFLICT DO NOTHING",
                columns,
            )
            written += rows_per_commit
    return written / elapsed


class _StoresNothing:
    """Replaces the shard router: accepts everything immediately."""

    async def save(self, batch: IngestBatch) -> BatchOutcome:
        return BatchOutcome()

    async def close(self) -> None:
        pass


def _serve_bare(settings: Settings, port: int) -> None:
    """The product's app with middleware, token check and parsing on plain uvicorn; nothing is stored."""
    configure_logs(settings)
    api = create_api(settings, lambda _: None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with original(app):
            app.state.parts.shards = _StoresNothing()
            yield

    original, api.router.lifespan_context = api.router.lifespan_context, lifespan
    uvicorn.run(with_middleware(api, settings), host="127.0.0.1", port=port, log_level="error", access_log=False)


async def sign_up_all(origin: str, count: int) -> list[tuple[str, str]]:
    """`count` users with a recording each: (token, session id)."""
    async with httpx2.AsyncClient(base_url=origin, timeout=60.0, trust_env=False) as client:

        async def one() -> tuple[str, str]:
            body = {"email": f"{uuid.uuid4().hex}@bench.local", "password": uuid.uuid4().hex}
            token = (await client.post("/v1/auth/signup", json=body)).raise_for_status().json()["token"]
            started = await client.post("/v1/sessions/start", headers={"Authorization": f"Bearer {token}"})
            return token, started.raise_for_status().json()["session"]["id"]

        users = []
        for _ in range(count // 8):
            users += await asyncio.gather(*(one() for _ in range(8)))
        return users


async def measure(port: int, users: list[tuple[str, str]], batch: int, num_requests: int) -> Load:
    """Drive `num_requests` posts of `batch` events over one connection per user."""
    share = num_requests // len(users)
    per_connection = [
        [post(f"/v1/sessions/{session}/events", token, body) for body in make_bodies(batch, share)]
        for token, session in users
    ]
    return await drive("127.0.0.1", port, per_connection)


def stored(dsn: str) -> int:
    """Events in the database."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM events").fetchone()
        return int(row[0]) if row else 0


async def bench(running: Product, bare_port: int, batch: int, num_requests: int) -> dict[str, Any]:
    """One batch size: warm-up, the product, the bare parts, in one run."""
    dsn = running.settings.database.postgres_dsn
    users = await sign_up_all(running.origin, CONNECTIONS)
    await measure(running.port, users, batch, max(CONNECTIONS * 4, num_requests // 10))
    before = stored(dsn)
    load = await measure(running.port, users, batch, num_requests)
    num_events = len(load.latencies_ms) * batch
    if load.failures or stored(dsn) - before != num_events:
        raise SystemExit(f"not everything was stored: {load.failures}, {stored(dsn) - before} of {num_events}")
    await measure(bare_port, users, batch, max(CONNECTIONS, num_requests // 10))
    bare = await measure(bare_port, users, batch, num_requests)
    insert = bare_insert(dsn, uuid.UUID(users[0][1]))
    events_per_s = num_events / load.seconds
    requests_per_s = len(load.latencies_ms) / load.seconds
    uvicorn_per_s = len(bare.latencies_ms) / bare.seconds
    return {
        "batch": batch,
        "events_per_s": round(events_per_s),
        "requests_per_s": round(requests_per_s),
        "p50_ms": load.percentile(0.50),
        "p99_ms": load.percentile(0.99),
        "bare_insert_events_per_s": round(insert),
        "uvicorn_requests_per_s": round(uvicorn_per_s),
        "ratio_to_bare_insert": round(events_per_s / insert, 3),
        "ratio_to_uvicorn": round(requests_per_s / uvicorn_per_s, 3),
    }


def main() -> None:
    """Start a Trailmind of our own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--requests", type=int, default=12_000, help="posts at batch 1; fewer for larger batches")
    arguments = parser.parse_args()
    (bare_port,) = free_ports(1)
    with Product() as running:
        process = multiprocessing.get_context("spawn").Process(
            target=_serve_bare, args=(running.settings, bare_port), daemon=True
        )
        process.start()
        try:
            for batch in arguments.batches:
                num_requests = max(CONNECTIONS * 4, arguments.requests // (1 + batch // 12))
                print(json.dumps(asyncio.run(bench(running, bare_port, batch, num_requests))), flush=True)
        finally:
            process.terminate()
            process.join()


if __name__ == "__main__":
    main()
