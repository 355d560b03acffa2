"""The first map of a new deployment: records a session over HTTP and reads its map.

    python -m kuberay.first_map http://127.0.0.1:9000

It signs up a new user, so it suits test clusters only.
"""

from __future__ import annotations

import sys

from rich.console import Console

from launch.cli.demo import run_demo, sample_path
from launch.readiness import wait_until_ready
from models.errors import TrailmindError

_READY_TIMEOUT_S = 300.0


def main(arguments: list[str]) -> int:
    """The program: 0 when the map was made."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        wait_until_ready(arguments[0], _READY_TIMEOUT_S, every_s=1.0)
        result = run_demo(arguments[0], sample_path(), Console(stderr=True))
    except TrailmindError as error:
        print(f"no map: {error}", file=sys.stderr)
        return 1
    print(f"a map of {len(result['mindmap']['data']['nodes'])} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
