"""The program of each worker process of a local node: becomes Ray's worker without starting Python twice.

Ray starts a worker with a set-up program that imports Ray, applies the runtime environment and replaces itself by a
second Python, which imports Ray again. Without a runtime environment the first half changes nothing: this program runs
the second at once, and saves 0.4 CPU seconds for each of the processes of a local server. Runs as a script, so that its
imports are few.
"""

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

_LANGUAGE = "--language="
_ENVIRONMENT = "--serialized-runtime-env-context="


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


def main() -> None:
    """Run Ray's program in this process."""
    sys.argv = program_arguments(sys.argv[1:])
    # Python puts the directory of a program first. The modules of this directory have common names, such as `settings`.
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
