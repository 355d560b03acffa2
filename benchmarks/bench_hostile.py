"""`make bench-hostile`: what other users notice while one account sends the most expensive events.

Ordinary clients record at the same time, first alone, then beside a hostile account that sends every shape of
`tests.support.hostile_events` (3.9 MB each) over several connections. With `--faults`, the shard and PostgreSQL are
killed in each run, after a third and after two thirds. Prints one JSON object: `p99_ms` of the ordinary clients in both
runs and their ratio, the answers to the hostile account, and the audit of all acknowledged events.

`make bench-hostile ARGS="--clients 200 --seconds 120 --faults"` is the load run of the release.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx2

from benchmarks.machine import add_busy_option, require_quiet_machine
from tests.support.hostile_events import hostile_bodies
from tests.support.load import LoadClient, LoadResult, audit_events
from tests.support.process_faults import FAULTS
from tests.support.product import Product

#: Seconds between two batches of one ordinary client.
PAUSE_S = 1.0
BATCH = 5


def percentile(values: Sequence[float], q: float) -> float:
    """The value that the share `q` of `values` does not exceed, in milliseconds."""
    ordered = sorted(values)
    return round(ordered[min(int(len(ordered) * q), len(ordered) - 1)] * 1e3, 1) if ordered else 0.0


async def send_hostile(
    origin: str, client: LoadClient, bodies: Sequence[bytes], stop: asyncio.Event, first: int
) -> Counter[str]:
    """Send `bodies` in turn, beginning with the one at `first`, until `stop` is set; how often each answer came."""
    answers: Counter[str] = Counter()
    path, headers = f"/v1/sessions/{client.session}/events", {**client.headers, "Content-Type": "application/json"}
    async with httpx2.AsyncClient(base_url=origin, timeout=90.0, trust_env=False) as http:
        while not stop.is_set():
            try:
                answer = await http.post(path, content=bodies[first % len(bodies)], headers=headers)
                answers[str(answer.status_code)] += 1
                if answer.status_code in {429, 503}:
                    await asyncio.sleep(0.2)
            except httpx2.TransportError as error:
                answers[type(error).__name__] += 1
                await asyncio.sleep(0.2)
            first += 1
    return answers


async def run(
    product: Product, clients: Sequence[LoadClient], load: LoadResult, seconds: float, hostile: int, *, faults: bool
) -> dict[str, Any]:
    """One run of all ordinary clients beside `hostile` connections of one account."""
    attacker = LoadClient(LoadResult(), [product.origin])
    await attacker.sign_up_and_start()
    load.latencies_s.clear()
    load.errors.clear()
    # Made here: it would stop the clock of the ordinary clients, too.
    bodies, stop = [body for _, body in hostile_bodies()], asyncio.Event()
    tasks = [asyncio.create_task(c.send_events(stop, batch=BATCH, pause_s=PAUSE_S)) for c in clients]
    attacks = [asyncio.create_task(send_hostile(product.origin, attacker, bodies, stop, i * 4)) for i in range(hostile)]
    killed_after_s = {}
    began = time.monotonic()
    for part, fault in ((1, "shard"), (2, "postgres")) if faults else ():
        await asyncio.sleep(max(0.0, began + seconds * part / 3 - time.monotonic()))
        if FAULTS[fault](product):
            killed_after_s[fault] = round(time.monotonic() - began, 1)
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    stop.set()
    await asyncio.gather(*tasks)
    answers: Counter[str] = Counter()
    for attack in await asyncio.gather(*attacks):
        answers += attack
    await attacker.close()
    return {
        "requests": len(load.latencies_s),
        "p50_ms": percentile(load.latencies_s, 0.5),
        "p99_ms": percentile(load.latencies_s, 0.99),
        "retried_errors": dict(load.errors),
        "killed_after_s": killed_after_s,
        "hostile_answers": dict(answers),
    }


async def measure(product: Product, options: argparse.Namespace) -> dict[str, Any]:
    """Both runs, in turn and repeated, and the audit."""
    load = LoadResult()
    clients = [LoadClient(load, [product.origin]) for _ in range(options.clients)]
    for start in range(0, len(clients), 8):
        await asyncio.gather(*(c.sign_up_and_start() for c in clients[start : start + 8]))
    alone, beside = [], []
    for _ in range(options.rounds):
        alone.append(await run(product, clients, load, options.seconds, 0, faults=options.faults))
        beside.append(await run(product, clients, load, options.seconds, options.hostile, faults=options.faults))
    audit = await audit_events(product.settings.database.postgres_dsn, clients)
    for client in clients:
        await client.close()
    ratios = [round(b["p99_ms"] / a["p99_ms"], 2) for a, b in zip(alone, beside, strict=True) if a["p99_ms"]]
    return {
        "clients": options.clients,
        "seconds": options.seconds,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "alone": alone,
        "beside_hostile": beside,
        "p99_ratios": ratios,
        "acknowledged": audit.acknowledged,
        "lost": audit.lost,
        "duplicated": audit.duplicated,
    }


def main() -> None:
    """Start a Trailmind of our own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=24, help="ordinary clients, a user and a session each")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each run")
    parser.add_argument("--hostile", type=int, default=4, help="connections of the hostile account")
    parser.add_argument("--rounds", type=int, default=1, help="how often both runs are repeated")
    parser.add_argument("--faults", action="store_true", help="kill the shard and PostgreSQL in each run")
    add_busy_option(parser)
    options = parser.parse_args()
    require_quiet_machine(options)
    # Rate limits would protect the other users, too; without them the hostile account sends as fast as it can.
    with Product() as product:
        print(json.dumps(asyncio.run(measure(product, options)), indent=2), flush=True)


if __name__ == "__main__":
    main()
