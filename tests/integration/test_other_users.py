"""What another user of the same machine can reach of a local server: the HTTP port, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_sockets import listeners
from tests.support.product import Product

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as another user"),
]
UNPRIVILEGED_UID = 65534
#: Reports what the other user may read, write, connect to and read from ports. Without access to our packages.
_PROBE = """
import json, os, socket, sys, urllib.request

paths, ports = json.loads(sys.argv[1])
found = {"uid": os.getuid(), "paths": [], "ports": []}
for path in paths:
    if os.access(path, os.R_OK) or os.access(path, os.W_OK):
        found["paths"].append(path)
    if path.endswith(("sock", "/s", "plasma_store", "raylet")):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(path)
                found["paths"].append("connected " + path)
            except OSError:
                pass
for port in ports:
    for path in ("/metrics", "/stats"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                found["ports"].append([port, path, answer.read(200).decode("utf-8", "replace")])
        except Exception:
            pass
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Product]:
    """A server as a user starts it, in a directory below which other users may look."""
    with Product() as running:
        yield running


def seen_by_other_user(paths: list[str], ports: list[int]) -> dict[str, Any]:
    arguments = ["-I", "-S", "-c", _PROBE, json.dumps([paths, ports])]
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            run = subprocess.run(
                [python, *arguments],
                user=UNPRIVILEGED_UID,
                group=UNPRIVILEGED_UID,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            break
        except (OSError, subprocess.CalledProcessError):
            continue
    else:
        pytest.skip("no Python that another user may run")
    result: dict[str, Any] = json.loads(run.stdout)
    assert result["uid"] == UNPRIVILEGED_UID
    return result


def private_paths(product: Product) -> list[str]:
    """Ray's session directory and everything in it, the sockets of HAProxy, and the data directory."""
    raylet = next(p for p in product.processes() if p.name() == "raylet")
    (session,) = {w.partition("=")[2] for w in raylet.cmdline() if w.startswith("--session_dir=")}
    roots = [Path(session).parent.parent, product.data_dir / "run", product.data_dir / "secrets"]
    return [str(path) for root in roots for path in (root, *root.rglob("*"))]


def test_the_probe_finds_what_is_open(tmp_path: Path) -> None:
    open_file = Path("/tmp") / f"open-to-all-{os.getpid()}"
    open_file.touch(mode=0o666)
    try:
        assert seen_by_other_user([str(open_file)], [])["paths"] == [str(open_file)]
    finally:
        open_file.unlink()


def test_another_user_reaches_no_file_and_no_socket(server: Product) -> None:
    paths = private_paths(server)
    assert any(path.endswith("plasma_store") for path in paths)
    assert any(path.endswith("/s") for path in paths), "the administration socket of HAProxy"
    assert seen_by_other_user(paths, [])["paths"] == []


def test_another_user_reads_no_metrics_of_ray_and_haproxy(server: Product) -> None:
    ports = sorted({listener.port for listener in listeners(server.pid)} - {server.port})
    answers = seen_by_other_user([], ports)["ports"]
    # A replica's own `/metrics` are the gauges of the database, which any program on this machine may read.
    assert [answer for answer in answers if not answer[2].startswith("# HELP trailmind_sessions ")] == []
