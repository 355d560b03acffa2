"""A process that has imported what Ray's workers need, and makes each of them as a copy of itself.

The Python processes of a local server import mostly the same modules. Copies of one process share the memory of what
was imported before, and start without importing it again. `cluster.ray_worker` asks for a copy over a socket, and
becomes a worker itself when it gets none.

Ray reads its variables when it is imported, among them the job and the raylet of a worker. So Ray is imported when the
first worker asks, with that worker's variables, and a worker with other variables gets no copy. What does not depend on
Ray is imported at once.

Only a process with a single thread can be copied safely, and copies must not draw the same random ids. `problem` checks
both; where one is not so, no worker gets a copy. Linux only.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

#: The larger libraries of a local server that do not import Ray.
_LIBRARIES = (
    "fastapi", "google.protobuf", "grpc", "jsonschema", "numpy", "procrastinate", "psycopg_pool", "pydantic_settings",
    "redis.asyncio", "requests", "sqlalchemy.ext.asyncio", "structlog", "uvicorn", "uvloop",
)  # fmt: skip
#: What the processes of a local server import: Serve's own, the API, the job worker and the session shards.
_WITH_RAY = ("ray.serve", "serve.app", "cluster.jobs.worker", "actors.session_shard")
#: Of one message: `cluster.ray_worker` sends its arguments and its environment.
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_NUM_STANDARD_STREAMS = 3
#: A worker sends its request as soon as it is connected.
_REQUEST_TIMEOUT_S = 20.0


def preload_libraries() -> None:
    """Import what does not depend on a worker's variables."""
    for module in _LIBRARIES:
        import_module(module)


def preload(environment: Mapping[str, str]) -> None:
    """Import the rest with Ray's variables of `environment`, without seeding Ray's generator of random ids."""
    os.environ.update(ray_variables(environment))
    from cluster.ray_internals import unseeded_ids

    with unseeded_ids():
        for module in _WITH_RAY:
            import_module(module)
    gc.collect()
    gc.freeze()


def ray_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that Ray may read when it is imported."""
    return {name: value for name, value in environment.items() if name.startswith("RAY_")}


def problem() -> str | None:
    """Why this process must not be copied; None when it may be."""
    num_threads = len(list(Path("/proc/self/task").iterdir()))
    if num_threads > 1:
        return f"it has {num_threads} threads"
    if _id_of_a_copy() == _id_of_a_copy():
        return "its copies draw the same random ids"
    return None


def _id_of_a_copy() -> bytes:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            from cluster.ray_internals import random_id

            os.write(writing, random_id())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        drawn = stream.read()
    os.waitpid(pid, 0)
    return drawn


@dataclass(frozen=True, slots=True)
class _WorkerRequest:
    """A worker that asks for a copy: its arguments, environment, directory and signals, and its standard streams."""

    connection: socket.socket
    fields: dict[str, Any]
    streams: list[int]


def serve(listener: socket.socket, lifetime: int) -> _WorkerRequest | None:
    """Copy this process for each worker that asks, until the other end of the pipe `lifetime` is closed.

    Returns the request in the copies, and None at the end of this process.
    """
    is_prepared = False
    while True:
        readable, _, _ = select.select([listener.fileno(), lifetime], [], [])
        if lifetime in readable:
            return None
        connection, _ = listener.accept()
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(_REQUEST_TIMEOUT_S)
            request = _receive(connection)
            environment = request.fields["environment"]
            if not is_prepared:
                preload(environment)
                if (reason := problem()) is not None:
                    sys.exit(f"workers are started without a copy of this process: {reason}")
                is_prepared = True
                # The kernel reaps the copies; the raylet notices the end of a worker on its socket.
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            if ray_variables(environment) == ray_variables(os.environ) and os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                os.close(lifetime)
                return request
            for stream in request.streams:
                os.close(stream)
        connection.close()


def _become_worker(request: _WorkerRequest) -> None:
    """Take the place of the process at the other end, and run its program."""
    fields, connection = request.fields, request.connection
    # The group exists while the other process lives, which it does until it has answered.
    with contextlib.suppress(OSError):
        os.setpgid(0, fields["process_group"])
    connection.sendall(b"1")
    if connection.recv(1) != b"1":
        # The other process has become a worker itself.
        return
    connection.close()
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(fields["environment"])
    os.chdir(fields["directory"])
    signal.pthread_sigmask(signal.SIG_SETMASK, fields["blocked_signals"])
    # Python itself seeds `random` in each copy.
    sys.modules["numpy"].random.seed()
    gc.enable()
    sys.argv = fields["arguments"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


def _receive(connection: socket.socket) -> _WorkerRequest:
    received, streams, _, _ = socket.recv_fds(connection, _MAX_MESSAGE_BYTES, _NUM_STANDARD_STREAMS)
    # One JSON object and a line break.
    while not received.endswith(b"\n"):
        part = connection.recv(_MAX_MESSAGE_BYTES)
        if not part or len(received) > _MAX_MESSAGE_BYTES:
            raise ConnectionError
        received += part
    return _WorkerRequest(connection, json.loads(received), streams)


def main() -> None:
    """Serve the socket that is the first argument, until standard input ends."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    # Python puts the directory of a program first. The modules of this one have common names, such as `settings`.
    del sys.path[0]
    # The garbage collector writes to each object it visits, and a page that is written is no longer shared.
    gc.disable()
    preload_libraries()
    lifetime = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    request = serve(listener, lifetime)
    if request is not None:
        _become_worker(request)


if __name__ == "__main__":
    main()
