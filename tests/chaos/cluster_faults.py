"""Fault injection: faults of a cluster of several nodes while clients record, and a table of their effects.

`python -m tests.chaos.cluster_faults` runs all faults (about ten minutes on two cores) and prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
from rich.console import Console
from rich.table import Table

from cluster.scheduling.shards import request_num_shards
from cluster.settings import load_settings, with_changes
from launch.local_cluster import LocalCluster
from launch.local_nodes import node_processes
from launch.ray_environment import free_ports
from tests.support.load import LoadClient, LoadResult, audit_events

NUM_RECORDERS = 8
REDEPLOY = "redeploy the application"
#: Every node must be up again within this time of the fault.
ALL_NODES_UP_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    fault: str
    requests: int
    error_share: float
    #: Requests that failed for a client which retries once.
    failed_twice: int
    acknowledged: int
    lost: int
    duplicated: int
    stopped: int
    maps: int
    #: Seconds from the fault to the last failed request, and until every node was up again.
    recovery_s: float
    all_nodes_up_s: float
    slowest_s: float
    errors: dict[str, int]

    @property
    def is_expected(self) -> bool:
        """Whether no event was lost or duplicated, every map was generated and the cluster recovered in time."""
        return (
            self.lost == 0
            and self.duplicated == 0
            and self.maps == self.stopped
            and self.error_share < 0.01
            # Nothing dies in a rolling update, so a client that retries once notices nothing.
            and (self.failed_twice == 0 or self.fault != REDEPLOY)
            and self.all_nodes_up_s < ALL_NODES_UP_TIMEOUT_S
        )


def local_cluster(data_dir: Path, num_nodes: int = 3, **changes: Any) -> LocalCluster:
    """A cluster for tests, not started."""
    (port,) = free_ports(1)
    settings = with_changes(
        load_settings(),
        **{"data_dir": data_dir, "port": port, "environment": "test", "rate_limits": False, **changes},
    )
    return LocalCluster(settings, num_nodes)


async def under_load(
    cluster: LocalCluster,
    name: str,
    fault: Callable[[], Awaitable[None]],
    *,
    before_s: float = 3.0,
    after_s: float = 10.0,
    origins: tuple[str, ...] | None = None,
) -> Outcome:
    """Record continuously, inject `fault` after `before_s`, and record until `after_s` after every node is up again.

    Then stop every session, wait for the maps and compare the database with the acknowledgements.
    """
    load = LoadResult()
    recorders = [LoadClient(load, origins or (cluster.settings.server.origin,)) for _ in range(NUM_RECORDERS)]
    await asyncio.gather(*(r.sign_up_and_start() for r in recorders))
    stop_recording = asyncio.Event()
    sending = [asyncio.create_task(r.send_events(stop_recording)) for r in recorders]
    await asyncio.sleep(before_s)
    began = time.monotonic()
    await fault()
    while not cluster.all_nodes_up() and time.monotonic() - began < ALL_NODES_UP_TIMEOUT_S:
        await asyncio.sleep(0.1)
    all_nodes_up_s = time.monotonic() - began
    await asyncio.sleep(after_s)
    stop_recording.set()
    await asyncio.gather(*sending)
    # Polling for maps is not part of the load and would lower the share of errors.
    counted = (load.num_requests, load.num_errors, load.recovery_s(began), max(load.latencies_s, default=0.0))
    failed_twice = load.num_failed_twice
    await asyncio.gather(*(r.stop_session() for r in recorders))
    await asyncio.gather(*(r.wait_for_map() for r in recorders))
    audit = await audit_events(cluster.settings.database.postgres_dsn, recorders)
    await asyncio.gather(*(r.close() for r in recorders))
    return Outcome(
        name,
        counted[0],
        counted[1] / max(counted[0], 1),
        failed_twice,
        audit.acknowledged,
        audit.lost,
        audit.duplicated + audit.unexpected,
        len(recorders),
        audit.maps if audit.versions == audit.maps else -1,
        counted[2],
        all_nodes_up_s,
        counted[3],
        dict(load.errors),
    )


def shard_processes(cluster: LocalCluster) -> list[psutil.Process]:
    """The processes of the shards on all nodes."""
    shards = []
    for number in range(1, len(cluster.groups) + 1):
        for process in node_processes(cluster.directory, number):
            with contextlib.suppress(psutil.Error):
                if "SessionBufferShard" in " ".join(process.cmdline()):
                    shards.append(process)
    return shards


class Faults:
    """The faults that can be injected into a running cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    async def kill_worker_node(self) -> None:
        """Kill the first node of the API, with its load balancer."""
        assert await asyncio.to_thread(self._cluster.kill, 1) > 0

    async def kill_state_node(self) -> None:
        """Kill the node with the shards."""
        assert await asyncio.to_thread(self._cluster.kill, len(self._cluster.groups)) > 0

    async def kill_head(self) -> None:
        """Kill the head, with the GCS and the controller of Serve."""
        assert await asyncio.to_thread(self._cluster.kill, 0) > 0

    async def suspend_shard(self, for_s: float = 60.0) -> None:
        """Suspend one shard (SIGSTOP) for `for_s` seconds."""
        suspended = shard_processes(self._cluster)[:1]
        assert suspended
        for process in suspended:
            process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(for_s)
        for process in suspended:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    async def change_shards(self, step_s: float = 5.0) -> None:
        """Raise, lower and restore the number of shards."""
        for number in (5, 1, 2):
            await request_num_shards(self._cluster.settings, number)
            await asyncio.sleep(step_s)

    async def redeploy(self) -> None:
        """Deploy the same application as a new version: a rolling update."""
        await asyncio.to_thread(self._cluster.deploy)


@contextlib.contextmanager
def second_application(cluster: LocalCluster) -> Any:
    """A second Ray cluster with the whole application on the same database and Valkey, as during an upgrade."""
    settings = cluster.settings
    data_dir, (port,) = Path(tempfile.mkdtemp(prefix="trailmind-second-")), free_ports(1)
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(data_dir),
        "DATABASE_URL": settings.database.postgres_dsn,
        "REDIS_URL": settings.valkey.connection_url,
        "TRAILMIND_SECRET_KEY": settings.auth.signing_key,
        "TRAILMIND_ENVIRONMENT": "test",
        "TRAILMIND_RATE_LIMITS": "0",
    }
    command = [sys.executable, "-m", "launch.cli.main", "up", "--data-dir", str(data_dir), "--port", str(port)]
    with (data_dir / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    origin, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 150
    try:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{origin}/ready", timeout=5, trust_env=False).status_code == 200:
                    break
            time.sleep(0.2)
        else:
            raise RuntimeError((data_dir / "log").read_text()[-3000:])
        yield origin
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        shutil.rmtree(data_dir, ignore_errors=True)


async def run_all(cluster: LocalCluster, words: list[str], show: Callable[[Outcome], None]) -> None:
    """Inject the faults whose names contain one of `words`, or all, one after another."""
    faults = Faults(cluster)
    plan: dict[str, Callable[[], Awaitable[None]]] = {
        "kill a worker node": faults.kill_worker_node,
        "kill the node of the shards": faults.kill_state_node,
        "kill the head": faults.kill_head,
        "suspend a shard for a minute": faults.suspend_shard,
        "change the number of shards": faults.change_shards,
        REDEPLOY: faults.redeploy,
    }
    for name, fault in plan.items():
        if not words or any(word in name for word in words):
            show(await under_load(cluster, name, fault))
    name = "two clusters at once"
    if not words or any(word in name for word in words):
        with second_application(cluster) as origin:

            async def nothing() -> None: ...

            both = (cluster.settings.server.origin, origin)
            show(await under_load(cluster, name, nothing, after_s=15.0, origins=both))


COLUMNS = (
    "fault",
    "requests",
    "errors",
    "failed twice",
    "acknowledged",
    "lost",
    "duplicated",
    "maps",
    "last failure after",
    "all nodes up after",
    "slowest",
)


def table(outcomes: list[Outcome]) -> Table:
    """The outcomes as a table."""
    result = Table(title="Under continuous load")
    for column in COLUMNS:
        result.add_column(column, justify="left" if column == "fault" else "right")
    for o in outcomes:
        result.add_row(
            o.fault,
            str(o.requests),
            f"{o.error_share:.2%}",
            str(o.failed_twice),
            f"{o.acknowledged} events",
            str(o.lost),
            str(o.duplicated),
            f"{o.maps} of {o.stopped}",
            f"{o.recovery_s:.1f} s",
            f"{o.all_nodes_up_s:.1f} s",
            f"{o.slowest_s:.1f} s",
            style="" if o.is_expected else "red",
        )
    return result


def main() -> None:
    """Inject the chosen faults and print the table; exit with 1 when an outcome is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", help="words in the names of faults; default: all")
    parser.add_argument("--nodes", type=int, default=3)
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    # A SIGTERM also stops the cluster; asyncio handles SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-chaos-"))
    cluster = local_cluster(data_dir, arguments.nodes)
    began, is_finished = time.monotonic(), False
    outcomes: list[Outcome] = []

    def show(outcome: Outcome) -> None:
        outcomes.append(outcome)
        console.print(f"{outcome.fault}: {outcome.errors or 'no errors'}", style="dim")

    try:
        cluster.start(lambda message: console.print(message, style="dim"))
        console.print(f"Ready after {time.monotonic() - began:.0f} s: head, {', '.join(cluster.groups)}")
        asyncio.run(run_all(cluster, arguments.faults, show))
        is_finished = True
    except KeyboardInterrupt:
        console.print("Interrupted")
    finally:
        # Also the partial results of an interrupted run.
        console.print(table(outcomes))
        console.print(f"{time.monotonic() - began:.0f} s in total")
        cluster.stop()
        shutil.rmtree(data_dir, ignore_errors=True)
    sys.exit(0 if is_finished and outcomes and all(o.is_expected for o in outcomes) else 1)


if __name__ == "__main__":
    main()
