"""Kills processes of a running product, as a crash or the out-of-memory killer does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil

from tests.support.product import Product


def kill(product: Product, *names: str) -> int:
    """SIGKILL every process of the product whose title or command line holds one of `names`; how many."""
    killed = 0
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if any(n in line for n in names) and _belongs_to(process, product):
            process.kill()
            killed += 1
    return killed


def _belongs_to(process: psutil.Process, product: Product) -> bool:
    try:
        if process.pid in {p.pid for p in product.processes()}:
            return True
        return str(product.data_dir) in " ".join([*process.cmdline(), process.cwd()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def kill_postgres(product: Product) -> int:
    """SIGKILL the PostgreSQL server (its backends go with it)."""
    pid = int((product.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    return 1


FAULTS: dict[str, Callable[[Product], int]] = {
    "shard": lambda p: kill(p, "ray::SessionBufferShard"),
    "replica": lambda p: kill(p, "ray::ServeReplica:trailmind:Api"),
    "worker": lambda p: kill(p, "ray::ServeReplica:trailmind:GenerationWorker"),
    "postgres": kill_postgres,
}
