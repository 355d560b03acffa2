"""`make bench-soak`: whether memory and latency stay flat under load for 45 minutes.

Users record at a steady rate (`--rate`, batches of 10 events a second: half of what `make bench-ingest` finds). Every
`--every` seconds the run notes the 99th percentile of the acknowledgements and the proportional set size of each
process. After a warm-up of a fifth of the run, a straight line is fitted to each series: `memory_percent_per_hour` by
process, relative to its mean, `p50_percent_per_hour` and `p99_percent_per_hour`. A machine that is shared can become
slower meanwhile: each note has the CPU time of a fixed computation, `machine_ms`, and the end its slope, which those of
the latencies contain. Prints one JSON object for each note and one at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from typing import Any

from benchmarks.bench_ingest import measure, sign_up_all
from benchmarks.machine import add_busy_option, process_costs, require_quiet_machine
from tests.support.product import Product

NUM_RECORDING = 64
WARM_UP = 0.2
#: Fewer points have no slope.
_MIN_POINTS = 3


def percent_per_hour(points: list[tuple[float, float]]) -> float | None:
    """The slope of the line through (seconds, value) points, in percent of their mean; None for too few points."""
    if len(points) < _MIN_POINTS:
        return None
    times, values = zip(*points, strict=True)
    slope = statistics.linear_regression(times, values).slope
    return round(100 * 3600 * slope / statistics.fmean(values), 2)


def machine_ms() -> float:
    """The CPU milliseconds of a fixed computation on this machine now: the fastest of five."""
    times = []
    for _ in range(5):
        began = time.thread_time()
        sum(each * each for each in range(200_000))
        times.append(1000 * (time.thread_time() - began))
    return round(min(times), 2)


async def bench(running: Product, minutes: float, rate: float, every_s: float) -> dict[str, Any]:
    """The whole run."""
    users = await sign_up_all(running.origin, NUM_RECORDING)
    began = time.perf_counter()
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    memory: dict[str, list[tuple[float, float]]] = defaultdict(list)
    while (elapsed := time.perf_counter() - began) < minutes * 60:
        load = await measure(running.port, users, 10, int(rate * every_s), requests_per_s=rate)
        if load.failures:
            raise SystemExit(f"batches were refused after {elapsed:.0f} s: {load.failures}")
        at = time.perf_counter() - began
        sizes: dict[str, float] = defaultdict(float)
        for cost in process_costs(running.processes()).values():
            sizes[cost.name] += cost.memory_mb
        note = {
            "at_s": round(at),
            "p50_ms": load.percentile(0.5),
            "p99_ms": load.percentile(0.99),
            "machine_ms": machine_ms(),
        }
        print(json.dumps(note | {"memory_mb": {name: round(mb, 1) for name, mb in sizes.items()}}), flush=True)
        if at >= WARM_UP * minutes * 60:
            for name in ("p50", "p99", "machine"):
                series[name].append((at, note[f"{name}_ms"]))
            for name, megabytes in sizes.items():
                memory[name].append((at, megabytes))
    return {
        "minutes": minutes,
        "requests_per_s": rate,
        "memory_percent_per_hour": {name: percent_per_hour(points) for name, points in memory.items()},
        **{f"{name}_percent_per_hour": percent_per_hour(points) for name, points in series.items()},
    }


def main() -> None:
    """Start a Trailmind of our own, load it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--rate", type=float, default=400.0, help="batches of 10 events a second")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two notes")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    with Product() as running:
        result = asyncio.run(bench(running, arguments.minutes, arguments.rate, arguments.every))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
