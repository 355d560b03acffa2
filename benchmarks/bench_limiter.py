"""`python -m benchmarks.bench_limiter`: what limiter and ledger add to a call, and how well pages are parallelized.

- `added_ms`: a provider called through the limiter's actor, ledger, log and disclosure on the embedded PostgreSQL with
  its durable settings: one call at a time at a provider that responds immediately, and 32 at a time at one that takes
  one second. The time of a call beyond the provider's is the added time; `charged_ms` is the time from then until the
  charge is stored, which a caller does not wait for before its next call. `round_trip_ms` is one durable row of the
  same run, row after row, and `ratio_to_round_trip` the 95th percentile of the added time by its median.
  `paced_round_trip_ms` are as many rows a second as 32 calls at a time are: CPUs that were idle take longer to wake.
- `makespan`: 500 pages described by Ray tasks at a provider that takes one second a call, 32 calls at a time, beside
  the ideal of full rounds of 32. The workers have their SDK loaded, as they have in a running product.
Prints one JSON object per part. `--without-ray` keeps the limiter in this process, and leaves the makespan out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from actors.limiter_actor import RemoteLimiter, get_or_start_limiter
from actors.provider_limiter import QuotaLimiter
from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.providers.calling.call_context import (
    CallContextConfig,
    CallRequest,
    ProviderConnections,
    open_call_context,
)
from cluster.providers.calling.metered_client import CallScope
from cluster.providers.configuration import ProviderEndpoint
from cluster.providers.planning.cost_estimate import page_batches
from cluster.providers.prompting.prompts import describe_prompt, estimate_prompt_tokens
from cluster.providers.types import ModelResponse, ModelTarget, PagePayload, Prompt, Usage
from launch.stores import EmbeddedStores
from models.billing.ledger import TokenAllowance
from models.migrations.run import migrate
from tests.support.model_server import model_server

AT_ONCE = 32
ACCESS = ProviderEndpoint(SecretStr("a key for tests"))
CHOICE = ModelTarget("openai", "gpt-4.1-mini", None, None, 30.0, 1e7, 1e10, AT_ONCE)


class ClockedTransport:
    """A transport that responds after `seconds` and reports the elapsed time to the caller."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.took_s: ContextVar[float] = ContextVar("took_s")

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        started = time.perf_counter()
        await asyncio.sleep(self.seconds)
        self.took_s.set(time.perf_counter() - started)
        return ModelResponse("{}", Usage(900, 300))

    async def close(self) -> None:
        return None


def payloads(count: int) -> list[PagePayload]:
    """Distinct pages of about 400 tokens each."""
    text = "The oven must be hot before the dough goes in, and the steam must stay for ten minutes. " * 15
    return [
        PagePayload(f"p_{n}", f"Page {n}", "a.example", f"{n}. {text}", (), "en", f"{n:032d}") for n in range(count)
    ]


async def new_scope(pool: AsyncConnectionPool[Any], limit: int | None) -> CallScope:
    """A user with a stopped session."""
    user, session = uuid.uuid4(), uuid.uuid4()
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, f"{user.hex}@bench.local"])
        await connection.execute("INSERT INTO browsing_sessions (id, user_id) VALUES (%s, %s)", [session, user])
    start = datetime.now(UTC) - timedelta(days=1)
    return CallScope(user, session, TokenAllowance(start, start + timedelta(days=30), limit))


def percentiles(took_ms: list[float]) -> dict[str, float]:
    took_ms.sort()
    return {
        "p50_ms": round(statistics.median(took_ms), 2),
        "p95_ms": round(took_ms[int(len(took_ms) * 0.95)], 2),
    }


async def round_trip(pool: AsyncConnectionPool[Any], num_rows: int, pause_s: float = 0.0) -> float:
    """Print the time of one durable row of the size of a prompt; return the median in milliseconds."""
    async with pool.connection() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS bare_calls (id uuid, sent text)")
    took: list[float] = []
    for _ in range(num_rows):
        await asyncio.sleep(pause_s)
        started = time.perf_counter()
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO bare_calls VALUES (%s, %s)", [uuid.uuid4(), "x" * 8000])
        took.append((time.perf_counter() - started) * 1e3)
    summary = percentiles(took)
    part = "paced_round_trip_ms" if pause_s else "round_trip_ms"
    print(json.dumps({"part": part, "num_rows": num_rows, **summary}), flush=True)
    return summary["p50_ms"]


async def added(dsn: str, num_calls: int, find_limiter: Callable[[QuotaLimiter], QuotaLimiter]) -> None:
    """Print the time that is added to a call."""
    transport = ClockedTransport()
    config = CallContextConfig(dsn, {"openai": ACCESS}, lambda _, own: find_limiter(own), lambda *_: transport)
    connections = ProviderConnections(config)
    await connections.ensure_open()
    batch = payloads(4)
    expected = estimate_prompt_tokens(describe_prompt(batch))
    charged_ms: list[float] = []

    async def user(scope: CallScope, delay_s: float, share: int) -> list[float]:
        request, took, left = CallRequest(scope, (CHOICE,), "en", math.inf), [], share
        # Users do not start at the same instant.
        await asyncio.sleep(delay_s)
        async with open_call_context(
            config, request, connections=connections, num_pending=lambda: left, prefetch=(expected, 1)
        ) as context:
            for number in range(share):
                left -= 1
                if number + 1 < share:
                    # As in the product, the next call is recorded while this one runs.
                    following = describe_prompt(batch)
                    asyncio.get_running_loop().call_later(
                        transport.seconds / 2, context.client.record_ahead, CHOICE, "summarize", following, expected
                    )
                # As in the product, each call builds its own prompt when it starts.
                prompt = describe_prompt(batch)
                tokens = estimate_prompt_tokens(prompt)
                started = time.perf_counter()
                await context.client.call(CHOICE, "summarize", prompt, tokens)
                received = time.perf_counter()
                took.append((received - started - transport.took_s.get()) * 1e3)
                await context.client.wait_until_charged()
                charged_ms.append((time.perf_counter() - received) * 1e3)
        return took

    try:
        for at_once, seconds in ((1, 0.0), (AT_ONCE, 1.0)):
            # Concurrency comes from many users with one call each.
            scopes = [await new_scope(connections.pool, 10**12) for _ in range(at_once)]
            transport.seconds = 0.0
            await asyncio.gather(*(user(scope, 0.0, 20 if at_once == 1 else 2) for scope in scopes))
            transport.seconds = seconds
            charged_ms.clear()
            # Just before: the disk of a machine differs from minute to minute.
            least = await round_trip(connections.pool, num_calls)
            if at_once > 1:
                await round_trip(connections.pool, num_calls, seconds / at_once)
            started = time.perf_counter()
            share = max(8, num_calls // at_once)
            shares = await asyncio.gather(
                *(user(scope, seconds * n / at_once, share) for n, scope in enumerate(scopes))
            )
            elapsed = time.perf_counter() - started
            took = [each for share in shares for each in share]
            summary = percentiles(took)
            print(
                json.dumps(
                    {
                        "part": "added_ms",
                        "at_once": at_once,
                        "num_calls": len(took),
                        **summary,
                        "ratio_to_round_trip": round(summary["p95_ms"] / least, 2),
                        "charged_ms": percentiles(charged_ms),
                        "calls_per_s": round(len(took) / elapsed),
                    }
                ),
                flush=True,
            )
    finally:
        await connections.close()


async def makespan(dsn: str, num_pages: int) -> None:
    """Print the time of describing, beside the ideal."""
    from cluster.providers.tasks import RayProviderTasks

    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False)
    async with pool:
        tasks = RayProviderTasks()
        await tasks.warm_up(["openai"])
        for attempt in range(3):
            scope = await new_scope(pool, None)
            request = CallRequest(scope, (CHOICE,), "en", time.time() + 120)
            if attempt == 0:
                # The first task of a worker process also starts the limiter and opens its first connections.
                await tasks.describe(request, page_batches(payloads(AT_ONCE * 4)))
                continue
            batches = page_batches(payloads(num_pages))
            ideal = math.ceil(len(batches) / AT_ONCE) * 1.0
            started = time.perf_counter()
            done = await tasks.describe(request, batches)
            elapsed = time.perf_counter() - started
            print(
                json.dumps(
                    {
                        "part": "makespan",
                        "num_pages": num_pages,
                        "num_described": len(done.pages),
                        "num_calls": len(batches),
                        "ideal_s": ideal,
                        "makespan_s": round(elapsed, 2),
                        "ratio": round(elapsed / ideal, 3),
                    }
                ),
                flush=True,
            )


def main() -> None:
    """Run both parts on temporary stores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=320)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--without-ray", action="store_true")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    with EmbeddedStores(Path(tempfile.mkdtemp(prefix="trailmind-bench-")), durable=True) as embedded:
        urls = embedded.start()
        migrate("postgresql+psycopg://" + urls.database_url.partition("://")[2])
        if arguments.without_ray:
            asyncio.run(added(urls.database_url, arguments.calls, lambda own: own))
            return
        with model_server() as models:
            models.slow(1000)
            os.environ.update(
                {
                    "DATABASE_URL": urls.database_url,
                    "REDIS_URL": urls.redis_url,
                    "OPENAI_API_KEY": "a key for tests",
                    "TRAILMIND_OPENAI_BASE_URL": models.server.base_url("openai"),
                }
            )
            import ray

            ray.init(
                address="local", num_cpus=max(2, os.cpu_count() or 2), include_dashboard=False, log_to_driver=False
            )
            try:
                actor = get_or_start_limiter(CHOICE.key, urls.database_url)
                asyncio.run(added(urls.database_url, arguments.calls, partial(RemoteLimiter, actor)))
                asyncio.run(makespan(urls.database_url, arguments.pages))
            finally:
                ray.shutdown()


if __name__ == "__main__":
    main()
