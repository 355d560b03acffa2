"""The program of each worker process of a local node: becomes Ray's worker without starting Python twice.

Ray starts a worker with a set-up program that imports Ray, applies the runtime environment and replaces itself by a
second Python, which imports Ray again. Without a runtime environment the first half changes nothing: this program runs
the second at once, and saves 0.4 CPU seconds for each of the processes of a local server. Where a server of copies runs
(`cluster.worker_fork_server`), a copy of it becomes the worker, and this process ends. Runs as a script, so that its
imports are few.
"""

import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

_LANGUAGE = "--language="
_ENVIRONMENT = "--serialized-runtime-env-context="
#: The variable with the path of the socket of `cluster.worker_fork_server`.
FORK_SERVER = "RAY_WORKER_FORK_SERVER"
#: Less than the minute after which Ray gives a worker up that has not connected: one that gets no copy by then becomes
#: a worker itself, or is started again.
_FORK_TIMEOUT_S = 45.0


def needs_set_up(options: Sequence[str]) -> bool:
    """Whether Ray's options of a worker name a runtime environment, or a language other than Python."""
    for option in options:
        if option.startswith(_LANGUAGE) and option != f"{_LANGUAGE}PYTHON":
            return True
        if option.startswith(_ENVIRONMENT):
            environment = json.loads(option.removeprefix(_ENVIRONMENT) or "{}")
            if any(value for key, value in environment.items() if key != "py_executable"):
                return True
    return False


def program_arguments(arguments: Sequence[str]) -> list[str]:
    """What to run, from the arguments of this program: the path of Ray's worker program and its options.

    With a runtime environment that is Ray's set-up program, which starts the worker program itself.
    """
    worker, *options = arguments
    if needs_set_up(options):
        return [str(Path(worker).with_name("setup_worker.py")), worker, *options]
    return [worker, *(option for option in options if not option.startswith((_LANGUAGE, _ENVIRONMENT)))]


def becomes_copy(arguments: Sequence[str], path: str) -> bool:
    """Whether a copy of the server at the socket `path` runs `arguments` in place of this process."""
    request = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "process_group": os.getpgrp(),
        "blocked_signals": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    }
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_FORK_TIMEOUT_S)
            connection.connect(path)
            message = json.dumps(request).encode() + b"\n"
            num_sent = socket.send_fds(connection, [message], [0, 1, 2])
            connection.sendall(message[num_sent:])
            if connection.recv(1) != b"1":
                return False
            connection.sendall(b"1")
    except OSError:
        # The server has ended, or is not ready in time. The copy, if there is one, ends without the last byte.
        return False
    return True


def main() -> None:
    """Run Ray's program in this process, or let a copy of the server run it."""
    options = sys.argv[2:]
    sys.argv = program_arguments(sys.argv[1:])
    path = os.environ.get(FORK_SERVER)
    if path and not needs_set_up(options) and becomes_copy(sys.argv, path):
        return
    # Python puts the directory of a program first. The modules of this directory have common names, such as `settings`.
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
