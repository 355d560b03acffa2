"""Starts the process whose copies become Ray's workers. See `cluster.worker_fork_server`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cluster import ray_worker

#: Of the worker processes that wait for their copy, which all start within a second.
_BACKLOG = 64
_STOP_TIMEOUT_S = 10.0
#: One thread, as Ray sets it for its tasks: a process with the threads of OpenBLAS cannot be copied.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def worker_fork_server(directory: Path) -> Iterator[None]:
    """Within the block, the workers of a Ray that is started here are copies of one process. Linux only.

    Args:
        directory: Where its socket is created; only this user may enter it.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    path = directory / "w"
    path.unlink(missing_ok=True)
    program = Path(ray_worker.__file__).with_name("worker_fork_server.py")
    with socket.socket(socket.AF_UNIX) as listener:
        # Before the process starts: workers that are early wait for it.
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        process = subprocess.Popen(
            [sys.executable, str(program), str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env=os.environ | _ONE_THREAD,
            # Its end, also when this process is killed, is the end of the server.
            stdin=subprocess.PIPE,
            # A worker has the streams of the process whose place it takes.
            stdout=subprocess.DEVNULL,
        )
    os.environ[ray_worker.FORK_SERVER] = str(path)
    try:
        yield
    finally:
        os.environ.pop(ray_worker.FORK_SERVER, None)
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        path.unlink(missing_ok=True)
