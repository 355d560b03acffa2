"""A start on a busy machine, where Serve replaces a load balancer that starts slowly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from launch.ray_environment import free_ports

#: `serve.start` waits for a load balancer that Serve has replaced, and fails although the next one works.
_START = """
import sys
from pathlib import Path
from cluster.settings import load_settings
from launch.local_server import LocalServer

class BusyServer(LocalServer):
    def _start_serve(self):
        import ray.exceptions
        from ray import serve
        original = serve.start
        def start(**options):
            original(**options)
            raise ray.exceptions.ActorDiedError()
        serve.start = start
        super()._start_serve()

server = BusyServer(load_settings(data_dir=Path(sys.argv[1]), port=int(sys.argv[2]), environment="test"))
server.start(print)
print("ready", flush=True)
server.stop()
"""
#: Ray cannot start at all.
_FAIL = """
import sys
from pathlib import Path
from cluster.settings import load_settings
from launch.local_server import LocalServer
from launch.cli import main as cli

def fail(self):
    import ray.exceptions
    raise ray.exceptions.ActorDiedError()

LocalServer._start_ray = fail
sys.argv = ["trailmind", "up", "--data-dir", sys.argv[1], "--port", sys.argv[2]]
cli.main()
"""


#: Ray's GCS does not answer in time, which Ray reports with an error that is not its own.
_FAIL_LATER = _FAIL.replace(
    "import ray.exceptions\n    raise ray.exceptions.ActorDiedError()", "import ray; ray.get([1])"
)


def run(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (port,) = free_ports(1)
    arguments = [sys.executable, "-c", script, str(tmp_path), str(port)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=400, check=False)


@pytest.mark.services
def test_a_start_waits_for_ready_and_not_for_one_load_balancer(tmp_path: Path) -> None:
    result = run(_START, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "ready"


@pytest.mark.services
@pytest.mark.parametrize("script", [_FAIL, _FAIL_LATER])
def test_a_start_that_must_end_says_so_in_one_sentence(tmp_path: Path, script: str) -> None:
    result = run(script, tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("trailmind: Ray could not start the server (")
