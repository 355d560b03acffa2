"""`make bench-idle`: what a server without users costs: every process with its memory and CPU.

Starts `trailmind up` on an empty data directory, waits until start-up work has ended, and measures for a minute. Prints
one JSON object: `memory_mb`, the sum of the proportional set sizes; `cpu_s_per_minute`, user and system time of all
processes; and `processes`, the costliest first. With `--before DIR` the `trailmind` of another checkout (its `.venv`
must be ready) runs beside it at the same time, and `ratio_to_before` compares the two.

Both figures are CPU time and memory, not wall time, so a busy machine changes them little; `machine` says how busy it
was. Linux only: proportional set sizes come from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.machine import add_busy_option, process_costs, require_quiet_machine
from launch.ray_environment import free_ports

_ROOT = Path(__file__).parents[1]
_START_TIMEOUT_S = 300.0


@contextmanager
def running(checkout: Path) -> Iterator[psutil.Process]:
    """A server of `checkout` with a data directory of its own, ready."""
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-idle-"))
    (port,) = free_ports(1)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("TRAILMIND_", "RAY_"))}
    log_path = data_dir / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(checkout / ".venv/bin/trailmind"), "up", "--port", str(port)],
            env=variables | {"TRAILMIND_DATA_DIR": str(data_dir)},
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"http://127.0.0.1:{port}/ready", timeout=5.0, trust_env=False).status_code == 200:
                    break
            time.sleep(0.2)
        else:
            raise SystemExit(f"{checkout} did not start:\n{log_path.read_text(errors='replace')[-2000:]}")
        yield psutil.Process(process.pid)
        if process.poll() is not None:
            raise SystemExit(f"{checkout} ended by itself:\n{log_path.read_text(errors='replace')[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=120)
        shutil.rmtree(data_dir, ignore_errors=True)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def measure(roots: list[psutil.Process], seconds: float) -> list[dict[str, Any]]:
    """The cost of each tree of processes during the same `seconds`."""
    before = [process_costs(_tree(root)) for root in roots]
    time.sleep(seconds)
    results = []
    for first, root in zip(before, roots, strict=True):
        groups: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        for process, (name, cpu_s, memory_mb) in process_costs(_tree(root)).items():
            group = groups[name]
            group[0] += 1
            group[1] += memory_mb
            # A process that began meanwhile counts from its beginning.
            group[2] += (cpu_s - (first[process].cpu_s if process in first else 0.0)) * 60 / seconds
        costs = [
            {"process": name, "count": int(count), "memory_mb": round(memory, 1), "cpu_s_per_minute": round(cpu, 2)}
            for name, (count, memory, cpu) in sorted(groups.items(), key=lambda item: -item[1][1])
        ]
        results.append(
            {
                "memory_mb": round(sum(group[1] for group in groups.values()), 1),
                "cpu_s_per_minute": round(sum(group[2] for group in groups.values()), 2),
                "num_processes": int(sum(group[0] for group in groups.values())),
                "processes": costs,
            }
        )
    return results


def main() -> None:
    """Measure this checkout, and the one of `--before` beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--settle", type=float, default=180.0, help="seconds between ready and the measurement")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the measurement")
    add_busy_option(parser)
    arguments = parser.parse_args()
    state = require_quiet_machine(arguments)
    checkouts = [_ROOT, *([arguments.before.resolve()] if arguments.before else [])]
    with ExitStack() as stack:
        roots = [stack.enter_context(running(checkout)) for checkout in checkouts]
        time.sleep(arguments.settle)
        results = measure(roots, arguments.seconds)
    report: dict[str, Any] = {"machine": state, **results[0]}
    if arguments.before:
        report["before"] = results[1]
        report["ratio_to_before"] = {
            key: round(results[0][key] / results[1][key], 3) for key in ("memory_mb", "cpu_s_per_minute")
        }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
