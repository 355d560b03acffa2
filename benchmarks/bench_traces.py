"""`make bench-traces`: what tracing costs a request with events.

Two servers run side by side, one of which sends traces to a collector on this machine, and get the same requests in
turn. `api_cpu_us` is the CPU time of the replica for a request, the median of all rounds: the replica is the first part
that is full, so its share is that of the rate. It holds on a busy machine too. `off_us` is what a request spends on
tracing while it is off. Prints one JSON object per batch size.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.server
import json
import statistics
import threading
import timeit
from collections.abc import Iterator
from typing import Any

from benchmarks.bench_ingest import CONNECTIONS, measure, sign_up_all
from benchmarks.machine import add_busy_option, cpu_seconds_by_name, process_costs, require_quiet_machine
from telemetry.traces import frequent_span, traces_url
from tests.support.product import Product


class Collector:
    """A collector of traces on this machine that accepts everything and counts it."""

    def __init__(self) -> None:
        self.num_exports = 0
        self.url = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[Collector]:
        """Serve within the block."""
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                collector.num_exports += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


async def round_of(running: Product, users: list[tuple[str, str]], batch: int, num_requests: int) -> dict[str, float]:
    """CPU microseconds per request: of the replica, and of all processes."""
    before = process_costs(running.processes(), with_memory=False)
    load = await measure(running.port, users, batch, num_requests)
    spent = cpu_seconds_by_name(before, process_costs(running.processes(), with_memory=False))
    if load.failures:
        raise SystemExit(f"not every request was answered: {load.failures}")
    num_answers = len(load.latencies_ms)
    api_s = next(cpu_s for name, cpu_s in spent.items() if name.endswith(":Api"))
    return {"api": api_s / num_answers * 1e6, "all": sum(spent.values()) / num_answers * 1e6}


async def bench(servers: dict[str, Product], batch: int, rounds: int, num_requests: int) -> dict[str, Any]:
    """One batch size: the servers in turn, and their medians."""
    users = {name: await sign_up_all(running.origin, CONNECTIONS) for name, running in servers.items()}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for turn in range(rounds + 1):
        # Each server is the first one as often as the other.
        for name in sorted(servers, reverse=turn % 2 == 1):
            cost = await round_of(servers[name], users[name], batch, num_requests)
            if turn > 0:
                found[name].append(cost)
    medians = {
        part: {name: statistics.median(cost[part] for cost in costs) for name, costs in found.items()}
        for part in ("api", "all")
    }
    return {
        "batch": batch,
        **{f"{part}_cpu_us": {name: round(us) for name, us in medians[part].items()} for part in medians},
        **{f"{part}_ratio": round(medians[part]["on"] / medians[part]["off"], 3) for part in medians},
    }


def cost_while_off_us() -> float:
    """Microseconds that a request spends on its span in a process without traces."""
    assert traces_url() is None

    def request() -> None:
        with frequent_span("http_request", "request", method="POST") as active:
            active.set(route="/v1/sessions/{session_id}/events", status=200)

    return min(timeit.repeat(request, number=20_000, repeat=9)) / 20_000 * 1e6


def main() -> None:
    """Start both servers, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=1_920, help="posts of a round")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    print(json.dumps({"off_us": round(cost_while_off_us(), 2)}), flush=True)
    with Collector().running() as collector, Product() as off, Product(TRAILMIND_TRACES_URL=collector.url) as on:
        servers = {"off": off, "on": on}
        for batch in arguments.batches:
            print(json.dumps(asyncio.run(bench(servers, batch, arguments.rounds, arguments.requests))), flush=True)
        if collector.num_exports == 0:
            raise SystemExit("the collector received no trace")


if __name__ == "__main__":
    main()
