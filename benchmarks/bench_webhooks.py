"""How fast a webhook of Stripe is acknowledged at a fixed rate, and what the recording of events loses beside it.

A webhook is acknowledged when it is verified and stored. The webhooks are about objects without a customer, so that the
job that handles them calls no Stripe: what is measured is the route, its transaction and the queue. Recording is
measured alone before and after it is measured beside the webhooks, because other programs may share the machine.

`--budgets` exits with 1 unless 95 of 100 webhooks are acknowledged within 10 ms and recording keeps 0.9 of its rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
import uuid
from typing import Any

from benchmarks.bench_ingest import CONNECTIONS, measure, sign_up_all
from benchmarks.load import Load
from benchmarks.machine import add_busy_option, require_quiet_machine
from tests.support.product import Product
from tests.support.stripe_fake.server import API_KEY, signed

SECRET = "whsec_of_the_benchmark"
BATCH = 10
MAX_P95_MS, MIN_SHARE = 10.0, 0.9


def webhook() -> bytes:
    """The request with one event that no other has the id of."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "balance.available",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"object": "balance", "livemode": False, "available": [], "pending": []}},
    }
    body = json.dumps(event).encode()
    head = (
        f"POST /v1/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nStripe-Signature: {signed(body, SECRET)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_at_rate(port: int, per_s: float, seconds: float, num_connections: int = 16) -> Load:
    """Webhooks at a fixed rate, whatever the server takes: a late answer delays no other request but its successor's.

    The latency counts from the moment at which a webhook was due, so that a queue before the server counts too.
    """
    load, loop = Load(), asyncio.get_running_loop()
    # Stripe makes and signs them on its own machines.
    bodies = [webhook() for _ in range(int(per_s * seconds))]
    began = loop.time()

    async def send_some(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(first, len(bodies), num_connections):
            due = began + i / per_s
            await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(bodies[i])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            load.latencies_ms.append((loop.time() - due) * 1e3)
            status = int(head[9:12])
            if status != 200:
                load.failures[status] = load.failures.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(send_some(first) for first in range(num_connections)))
    load.seconds = loop.time() - began
    return load


async def bench(running: Product, per_s: float, seconds: float, num_requests: int) -> dict[str, Any]:
    """The webhooks alone, then recording alone, beside the webhooks, and alone again."""
    users = await sign_up_all(running.origin, CONNECTIONS)
    await measure(running.port, users, BATCH, num_requests // 4)
    await send_at_rate(running.port, per_s, 3)
    alone = await send_at_rate(running.port, per_s, seconds)
    rates = [await _events_per_s(running, users, num_requests)]
    beside, rate_beside = await asyncio.gather(
        send_at_rate(running.port, per_s, seconds), _events_per_s(running, users, num_requests)
    )
    rates.append(await _events_per_s(running, users, num_requests))
    if alone.failures or beside.failures:
        raise SystemExit(f"webhooks were refused: {alone.failures} {beside.failures}")
    return {
        "webhooks_per_s": per_s,
        "ack_p50_ms": alone.percentile(0.50),
        "ack_p95_ms": alone.percentile(0.95),
        "ack_p99_ms": alone.percentile(0.99),
        "ack_p95_ms_beside_recording": beside.percentile(0.95),
        "events_per_s_alone": [round(rate) for rate in rates],
        "events_per_s_beside_webhooks": round(rate_beside),
        "recording_share": round(rate_beside / (sum(rates) / len(rates)), 3),
        "load_average": [round(each, 1) for each in os.getloadavg()],
        "cpus": os.cpu_count(),
    }


async def _events_per_s(running: Product, users: list[tuple[str, str]], num_requests: int) -> float:
    load = await measure(running.port, users, BATCH, num_requests)
    if load.failures:
        raise SystemExit(f"events were refused: {load.failures}")
    return len(load.latencies_ms) * BATCH / load.seconds


def main() -> None:
    """Start a Trailmind with billing on, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="webhooks a second")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--requests", type=int, default=12_000, help="posts of ten events for each measurement")
    parser.add_argument("--budgets", action="store_true", help="exit with 1 when a figure misses its budget")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    variables: dict[str, Any] = {
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        "STRIPE_PRICE_PRO_MONTHLY": "price_monthly",
        "STRIPE_PRICE_PRO_YEARLY": "price_yearly",
        "TRAILMIND_STRIPE_API_URL": "http://127.0.0.1:9",
    }
    with Product(**variables) as running:
        result = asyncio.run(bench(running, arguments.rate, arguments.seconds, arguments.requests))
    print(json.dumps(result, indent=2))
    is_met = result["ack_p95_ms"] <= MAX_P95_MS and result["recording_share"] >= MIN_SHARE
    raise SystemExit(1 if arguments.budgets and not is_met else 0)


if __name__ == "__main__":
    main()
