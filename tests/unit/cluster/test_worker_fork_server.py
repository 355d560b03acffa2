"""Workers that are copies of one process: what a copy has of its worker, who gets none, and how the server ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import ray_worker
from launch.fork_server import worker_fork_server
from tests.support.conditions import LONG_PATIENCE_S

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only"),
    pytest.mark.slow,
]

#: Prints what a worker sees, as Ray's worker program would.
PROGRAM = """
import json, os, signal, sys, threading
import ray._raylet
import numpy
print(json.dumps({
    "arguments": sys.argv[1:],
    "is_copy": "serve.app" in sys.modules,
    "directory": os.getcwd(),
    "variable": os.environ.get("OF_THE_WORKER"),
    "job": os.environ.get("RAY_JOB_ID"),
    "id": ray._raylet.WorkerID.from_random().hex(),
    "number": numpy.random.randint(2**62),
    "group": os.getpgrp(),
    "blocks_interrupts": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []),
    "reaps_children": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    "num_threads": threading.active_count(),
}))
print("on the other stream", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


class Workers:
    """Starts the programs that Ray starts as workers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "program.py"
        self.program.write_text(PROGRAM)

    def run(self, *options: str, job: str = "01000000") -> dict[str, Any]:
        """What one worker printed; a copy ends after the process whose streams it has."""
        started = subprocess.run(
            [sys.executable, ray_worker.__file__, str(self.program), "0", *options],
            env=os.environ | {"OF_THE_WORKER": "1", "RAY_JOB_ID": job},
            cwd=self.directory,
            process_group=0,
            # Waits until the copy, too, has closed its streams.
            capture_output=True,
            check=True,
            text=True,
        )
        assert started.stderr == "on the other stream\n"
        printed: dict[str, Any] = json.loads(started.stdout)
        return printed

    def run_copy(self, *options: str) -> dict[str, Any]:
        """What one copy printed. On a busy machine a worker may not wait until the server has imported Ray."""
        deadline = time.monotonic() + LONG_PATIENCE_S
        while not (printed := self.run(*options))["is_copy"]:
            assert time.monotonic() < deadline
        return printed


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with worker_fork_server(tmp_path):
        yield Workers(tmp_path)


def test_a_worker_becomes_a_copy_that_is_like_it(workers: Workers, tmp_path: Path) -> None:
    first, second = workers.run_copy("--a=1"), workers.run_copy("--a=2")
    assert (first["arguments"], second["arguments"]) == (["0", "--a=1"], ["0", "--a=2"])
    assert first["directory"] == str(tmp_path)
    assert first["variable"] == "1"
    # Copies of one process would draw the same numbers, unless nothing had been drawn before.
    assert first["id"] != second["id"]
    assert first["number"] != second["number"]
    assert first["group"] != second["group"]
    assert first["reaps_children"]
    assert first["num_threads"] == 1
    # Ray has read the variables of the first worker's job: one of another job starts by itself.
    other = workers.run("--a=3", job="02000000")
    assert (other["job"], other["is_copy"]) == ("02000000", False)
    assert workers.run_copy("--a=4")["id"] not in (first["id"], second["id"])


def test_a_worker_starts_by_itself_when_the_server_has_ended(tmp_path: Path) -> None:
    workers = Workers(tmp_path)
    with worker_fork_server(tmp_path):
        path = os.environ[ray_worker.FORK_SERVER]
    assert ray_worker.FORK_SERVER not in os.environ
    assert not Path(path).exists()
    assert not ray_worker.becomes_copy([str(workers.program), "0"], path)
    assert not workers.run()["is_copy"]
