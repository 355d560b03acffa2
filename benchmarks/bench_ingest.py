"""`make bench-ingest`: durable events per second through the whole product, beside the bare parts.

For each batch size, 64 connections (`--clients`; a user and a session each) post events to a running Trailmind; an
answer means committed to disk. In the same run, on the same machine and the same PostgreSQL:
- `bare_insert_events_per_s`: the same rows through psycopg `INSERT … SELECT FROM unnest(…)` alone, one connection,
  1,000 rows a commit: the upper bound of the database alone;
- `uvicorn_requests_per_s`: the same handler (token check, parsing, verdicts) on plain uvicorn, without Ray and without
  storing anything; `fastapi_requests_per_s`: the same as a route of FastAPI, as all requests were handled until small
  batches got a path of their own.
- `half_rate_p99_ms`: the 99th percentile of the answers to half as many requests a second as before, sent on time
  however long an answer takes, and `p99_to_idle`: that divided by `idle_p50_ms`, the median while one user alone sends
  a batch every 50 ms; `half_rate_late_ms` is the 99th percentile of how late the load generator itself was;
- `idle_parts_ms`, medians at the rate of `idle_p50_ms`: `health`, an answer of the replica that needs no shard, and
  `write`, the shard's transaction without Ray, from this process. The rest is the call of the shard and parsing;
- `cpu_us_per_request`: CPU time by process. It holds on a busy machine too, where the rates do not.
Prints one JSON object per batch size.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import psutil
import psycopg
import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from benchmarks.load import Load, drive, get, percentile, post
from benchmarks.machine import add_busy_option, cpu_seconds_by_name, process_costs, require_quiet_machine
from cluster.logging_setup import configure_logs
from cluster.settings import Settings
from launch.ray_environment import free_ports
from models.recording.event_writer import BatchOutcome, EventWriter
from models.recording.ingest import IngestBatch, parse_batch
from serve import events_endpoint
from serve.app import create_api, with_middleware
from tests.support.product import Product

CONNECTIONS = 64
#: Requests a second of a server that is nearly idle, and the length of the measurements at a fixed rate.
IDLE_RATE, PACED_S = 20.0, 10.0


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


def _serve_bare(settings: Settings, port: int, has_layers: bool) -> None:
    """The product's app with middleware, token check and parsing on plain uvicorn; nothing is stored.

    With `has_layers`, batches of every size pass the layers of FastAPI.
    """
    configure_logs(settings)
    api = create_api(settings, lambda _: None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with original(app):
            app.state.parts.shards = _StoresNothing()
            yield

    original, api.router.lifespan_context = api.router.lifespan_context, lifespan
    if has_layers:
        vars(events_endpoint)["INLINE_BYTES"] = -1
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


async def measure(
    port: int,
    users: list[tuple[str, str]],
    batch: int,
    num_requests: int,
    *,
    requests_per_s: float | None = None,
) -> Load:
    """Drive `num_requests` posts of `batch` events over one connection per user; see `drive`."""
    share = num_requests // len(users)
    per_connection = [
        [post(f"/v1/sessions/{session}/events", token, body) for body in make_bodies(batch, share)]
        for token, session in users
    ]
    return await drive("127.0.0.1", port, per_connection, requests_per_s=requests_per_s)


async def idle_parts(port: int, dsn: str, session_id: uuid.UUID, batch: int) -> dict[str, float]:
    """Medians in milliseconds of the parts of an answer that can be measured alone, at IDLE_RATE."""
    num_requests = int(IDLE_RATE * PACED_S)
    health = await drive("127.0.0.1", port, [[get("/health")] * num_requests], requests_per_s=IDLE_RATE)
    took_ms = []
    async with AsyncConnectionPool(dsn, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT user_id FROM browsing_sessions WHERE id = %s", [session_id])
            (user_id,) = await cursor.fetchone() or (None,)
        writer = EventWriter(pool)
        for body in make_bodies(batch, num_requests):
            await asyncio.sleep(1 / IDLE_RATE)
            parsed = parse_batch(body, user_id=user_id, session_id=session_id)
            began = time.perf_counter()
            await writer.save([parsed])
            took_ms.append((time.perf_counter() - began) * 1e3)
    return {"health": health.percentile(0.50), "write": percentile(took_ms, 0.50)}


def stored(dsn: str) -> int:
    """Events in the database."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM events").fetchone()
        return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class BareServer:
    """A server of `_serve_bare`: its port and process."""

    port: int
    process: psutil.Process


@contextlib.contextmanager
def bare_server(settings: Settings, *, has_layers: bool) -> Iterator[BareServer]:
    """A running `_serve_bare`."""
    (port,) = free_ports(1)
    process = multiprocessing.get_context("spawn").Process(
        target=_serve_bare, args=(settings, port, has_layers), daemon=True
    )
    process.start()
    try:
        yield BareServer(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.join()


async def measure_bare(
    server: BareServer, users: list[tuple[str, str]], batch: int, num_requests: int
) -> tuple[float, int]:
    """Requests per second, and CPU microseconds of each."""
    await measure(server.port, users, batch, max(len(users), num_requests // 10))
    before = process_costs([server.process], with_memory=False)
    load = await measure(server.port, users, batch, num_requests)
    after = process_costs([server.process], with_memory=False)
    num_answers = len(load.latencies_ms)
    cpu_s = sum(cpu_seconds_by_name(before, after).values())
    return num_answers / load.seconds, round(cpu_s / num_answers * 1e6)


async def bench(
    running: Product, bare: BareServer, layered: BareServer, batch: int, num_requests: int, num_clients: int
) -> dict[str, Any]:
    """One batch size: warm-up, the product, the bare parts, in one run."""
    dsn = running.settings.database.postgres_dsn
    users = await sign_up_all(running.origin, num_clients)
    await measure(running.port, users, batch, max(num_clients * 4, num_requests // 10))
    stored_before = stored(dsn)
    costs_before = process_costs(running.processes(), with_memory=False)
    load = await measure(running.port, users, batch, num_requests)
    costs = cpu_seconds_by_name(costs_before, process_costs(running.processes(), with_memory=False))
    num_answers = len(load.latencies_ms)
    num_events = num_answers * batch
    if load.failures or stored(dsn) - stored_before != num_events:
        raise SystemExit(f"not everything was stored: {load.failures}, {stored(dsn) - stored_before} of {num_events}")
    half_rate = num_answers / load.seconds / 2
    at_half = await measure(running.port, users, batch, int(half_rate * PACED_S), requests_per_s=half_rate)
    idle = await measure(running.port, users[:1], batch, int(IDLE_RATE * PACED_S), requests_per_s=IDLE_RATE)
    if at_half.failures or idle.failures:
        raise SystemExit(f"batches were refused: {at_half.failures or idle.failures}")
    parts = await idle_parts(running.port, dsn, uuid.UUID(users[0][1]), batch)
    half_rate_p99, idle_p50 = at_half.percentile(0.99), idle.percentile(0.50)
    bare_per_s, bare_us = await measure_bare(bare, users, batch, num_requests)
    layered_per_s, layered_us = await measure_bare(layered, users, batch, num_requests)
    insert = bare_insert(dsn, uuid.UUID(users[0][1]))
    events_per_s, requests_per_s = num_events / load.seconds, num_answers / load.seconds
    per_request = {name: round(cpu_s / num_answers * 1e6) for name, cpu_s in costs.items()}
    api_us = next(us for name, us in per_request.items() if name.endswith(":Api"))
    return {
        "batch": batch,
        "clients": num_clients,
        "events_per_s": round(events_per_s),
        "requests_per_s": round(requests_per_s),
        "p50_ms": load.percentile(0.50),
        "p99_ms": load.percentile(0.99),
        "idle_p50_ms": idle_p50,
        "idle_parts_ms": parts,
        "half_rate_p50_ms": at_half.percentile(0.50),
        "half_rate_p99_ms": half_rate_p99,
        "half_rate_late_ms": percentile(at_half.late_ms, 0.99),
        "p99_to_idle": round(half_rate_p99 / idle_p50, 2),
        "bare_insert_events_per_s": round(insert),
        "uvicorn_requests_per_s": round(bare_per_s),
        "fastapi_requests_per_s": round(layered_per_s),
        "ratio_to_bare_insert": round(events_per_s / insert, 3),
        "ratio_to_uvicorn": round(requests_per_s / bare_per_s, 3),
        "ratio_to_fastapi": round(requests_per_s / layered_per_s, 3),
        "cpu_us_per_request": {name: us for name, us in per_request.items() if us},
        "uvicorn_cpu_us": bare_us,
        "fastapi_cpu_us": layered_us,
        "api_cpu_ratio_to_uvicorn": round(bare_us / api_us, 3),
        "api_cpu_ratio_to_fastapi": round(layered_us / api_us, 3),
    }


def main() -> None:
    """Start a Trailmind of our own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--requests", type=int, default=12_000, help="posts at batch 1; fewer for larger batches")
    parser.add_argument("--clients", type=int, default=CONNECTIONS, help="a multiple of 8")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    with (
        Product() as running,
        bare_server(running.settings, has_layers=False) as bare,
        bare_server(running.settings, has_layers=True) as layered,
    ):
        for batch in arguments.batches:
            num_requests = max(arguments.clients * 4, arguments.requests // (1 + batch // 12))
            result = asyncio.run(bench(running, bare, layered, batch, num_requests, arguments.clients))
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
