"""The load balancers of a data directory, which outlive their Ray after a crash."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def haproxy_processes(data_dir: Path) -> list[psutil.Process]:
    """The load balancers whose configuration is in `data_dir`."""
    directory, found = f"{data_dir / 'run' / 'haproxy'}{os.sep}", []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "haproxy" in process.name() and any(word.startswith(directory) for word in process.cmdline()):
                found.append(process)
    return found


def kill_haproxy(data_dir: Path) -> int:
    """Kill the load balancers whose configuration is in `data_dir`; return their number."""
    processes = haproxy_processes(data_dir)
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            process.kill()
    psutil.wait_procs(processes, timeout=5.0)
    return len(processes)
