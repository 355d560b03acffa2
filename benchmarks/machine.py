"""How busy the machine is while a benchmark runs, and what each process of the product costs.

A figure of wall time from a busy machine says nothing, so benchmarks refuse to run there unless `--busy-ok` is given;
CPU time and memory hold there too, and ratios of two things that are measured alternately hold roughly.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

#: Runnable threads per CPU, before the benchmark starts, above which a wall time is not a result.
MAX_LOAD_PER_CPU = 0.5


def machine() -> dict[str, Any]:
    """The number of CPUs, the load average of the last minute, and whether other programs keep the CPUs busy."""
    cpus, (load, _, _) = os.cpu_count() or 1, os.getloadavg()
    return {"cpus": cpus, "load": round(load, 1), "busy": load > MAX_LOAD_PER_CPU * cpus}


def add_busy_option(parser: argparse.ArgumentParser) -> None:
    """Add the option with which a benchmark runs on a busy machine."""
    parser.add_argument("--busy-ok", action="store_true", help="run on a busy machine; wall times are then no results")


def require_quiet_machine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Print and return the state of the machine. Exits when it is busy, unless `--busy-ok` was given."""
    state = machine()
    if state["busy"] and not arguments.busy_ok:
        raise SystemExit(
            f"the machine is busy: a load of {state['load']} on {state['cpus']} CPUs; wait, or add --busy-ok"
        )
    print(json.dumps({"machine": state}), flush=True)
    return state


class ProcessCost(NamedTuple):
    """CPU seconds since the start of a process, and its proportional set size in MB (Linux; else its resident size)."""

    name: str
    cpu_s: float
    memory_mb: float


def process_costs(
    processes: Iterable[psutil.Process], *, with_memory: bool = True
) -> dict[psutil.Process, ProcessCost]:
    """The costs of `processes` now; those that have ended meanwhile are left out."""
    found = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            memory = process.memory_full_info() if with_memory else None
            size = (getattr(memory, "pss", None) or memory.rss) / 1e6 if memory else 0.0
            found[process] = ProcessCost(process_name(process), times.user + times.system, size)
    return found


def cpu_seconds_by_name(
    before: dict[psutil.Process, ProcessCost], after: dict[psutil.Process, ProcessCost]
) -> dict[str, float]:
    """CPU seconds between two calls of `process_costs`, by the names of processes, the most first."""
    spent: dict[str, float] = defaultdict(float)
    for process, cost in after.items():
        # A process that began meanwhile counts from its beginning.
        spent[cost.name] += cost.cpu_s - (before[process].cpu_s if process in before else 0.0)
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def process_name(process: psutil.Process) -> str:
    """What a process of the product is."""
    command = process.cmdline() or [process.name()]
    title = " ".join(command).strip()
    if title.startswith("ray::"):
        # While an actor runs a method, its title ends in the name of that method.
        return title.split()[0].partition(".")[0]
    if title.startswith("postgres:"):
        return "postgres"
    if any(part.endswith("worker_fork_server.py") for part in command[:2]):
        return "server of copies"
    is_supervisor = "launch.cli.main" in command or any(part.endswith("trailmind") for part in command[:2])
    return "trailmind up" if is_supervisor else Path(command[0]).name
