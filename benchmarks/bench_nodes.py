"""`make bench-nodes`: what three nodes would take, ÷ one, by a model with measured service times.

One machine has not the cores of three. So the benchmark starts a cluster of one worker node and one of three in turn,
each of real Ray nodes (`launch/local_cluster.py`), drives both with batches from 64 connections for each replica of
the API as fast as they answer, and measures the CPU time that each part of the recording path spends on a request.
With three nodes, the session shards are on one of them and at least one of the two replicas on another. The model: a
node takes requests until its cores are full, all nodes have the same number of cores, and PostgreSQL is on a machine
of its own. So N nodes take N × cores ÷ (CPU time of a request), and

    ratio = 3 × (CPU time of a request with one node) ÷ (CPU time of a request with three).

What the rest of a cluster spends does not depend on the requests; `idle_cores` is how many cores it used meanwhile. A
process runs Python on one core at a time: `replicas_per_node` replicas and `shards_per_node` shards are needed to use
the cores of a node. `postgres_nodes` is the number of nodes for which PostgreSQL needs as many cores as a node has.
Prints one JSON object for each measurement and one at the end of each batch size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bench_ingest import CONNECTIONS, measure, sign_up_all
from benchmarks.machine import add_busy_option, cpu_seconds_by_name, process_costs, require_quiet_machine
from launch.local_cluster import LocalCluster
from launch.local_nodes import node_processes
from tests.chaos.cluster_faults import local_cluster

NUM_NODES = 3
#: Cores of a node in the model.
NODE_CORES = 2
#: The parts of the recording path, and the names of their processes.
_PARTS = {
    "replica": "ray::ServeReplica:trailmind:Api",
    "shard": "ray::SessionBufferShard",
    "haproxy": "haproxy",
    "valkey": "valkey-server",
    "postgres": "postgres",
}
_NODE_PARTS = ("replica", "shard", "haproxy", "valkey")


def cluster_processes(cluster: LocalCluster) -> list[psutil.Process]:
    """The processes of all nodes, and those of the stores, which are children of this process."""
    nodes = [p for number in range(len(cluster.groups) + 1) for p in node_processes(cluster.directory, number)]
    return list({*nodes, *psutil.Process().children(recursive=True)})


async def request_costs(cluster: LocalCluster, batch: int, num_requests: int) -> dict[str, float]:
    """CPU microseconds of a request, by part, and `idle_cores`. Raises SystemExit for a refused batch."""
    server = cluster.settings.server
    num_replicas = cluster.settings.scaling.num_api_replicas
    users = await sign_up_all(server.origin, CONNECTIONS * num_replicas)
    await measure(server.port, users, batch, num_requests // 2)
    before = process_costs(cluster_processes(cluster), with_memory=False)
    load = await measure(server.port, users, batch, num_requests)
    spent = cpu_seconds_by_name(before, process_costs(cluster_processes(cluster), with_memory=False))
    if load.failures:
        raise SystemExit(f"batches were refused: {load.failures}")
    costs = {part: spent.pop(name) / len(load.latencies_ms) * 1e6 for part, name in _PARTS.items()}
    return costs | {"idle_cores": sum(spent.values()) / load.seconds}


def one_measurement(num_nodes: int, batch: int, num_requests: int) -> dict[str, float]:
    """Start a cluster, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="trailmind-nodes-") as directory:
        cluster = local_cluster(Path(directory), num_nodes)
        cluster.start()
        try:
            costs = asyncio.run(request_costs(cluster, batch, num_requests))
        finally:
            cluster.stop()
    shown = {part: round(cost, 2 if part == "idle_cores" else None) for part, cost in costs.items()}
    print(json.dumps({"nodes": num_nodes, "batch": batch, "us_per_request": shown}), flush=True)
    return costs


def model(one: list[dict[str, float]], three: list[dict[str, float]]) -> dict[str, Any]:
    """The result for one size of batch, from the measurements with one node and with three."""

    def median_us(measured: list[dict[str, float]], *parts: str) -> float:
        return statistics.median(sum(costs[part] for part in parts) for costs in measured)

    one_us, three_us = median_us(one, *_NODE_PARTS), median_us(three, *_NODE_PARTS)
    per_node = NODE_CORES / three_us * 1e6
    return {
        "us_per_request": [round(one_us), round(three_us)],
        "requests_per_s": [round(NODE_CORES / one_us * 1e6), round(NUM_NODES * per_node)],
        "ratio": round(NUM_NODES * one_us / three_us, 2),
        "replicas_per_node": math.ceil(per_node * median_us(three, "replica") / 1e6),
        "shards_per_node": math.ceil(per_node * median_us(three, "shard") / 1e6),
        "postgres_nodes": round(three_us / median_us(three, "postgres"), 1),
    }


def main() -> None:
    """Measure clusters of one and of three nodes in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--requests", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=2)
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    for batch in arguments.batches:
        measured: dict[int, list[dict[str, float]]] = {1: [], NUM_NODES: []}
        for _ in range(arguments.rounds):
            for num_nodes, costs in measured.items():
                costs.append(one_measurement(num_nodes, batch, arguments.requests))
        print(json.dumps({"batch": batch} | model(measured[1], measured[NUM_NODES])), flush=True)


if __name__ == "__main__":
    main()
