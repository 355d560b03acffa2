"""The environment variables of a local Ray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.settings import load_settings
from launch.ray_environment import free_ports, local_ray_environment

#: What Ray Serve puts before the socket's name: a node id in hex.
NODE_ID_CHARS = 56
MAX_HAPROXY_SOCKET_CHARS = 97


@pytest.mark.parametrize("uid", [0, 1000, 4294967294])
def test_the_socket_path_of_haproxy_is_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(os, "getuid", lambda: uid)
    data_dir = tmp_path / ("long" * 20)
    data_dir.mkdir()
    variables = local_ray_environment(load_settings(data_dir=data_dir))
    socket = Path(variables["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    socket.parent.rmdir()
    assert len(str(socket)) + NODE_ID_CHARS + 1 <= MAX_HAPROXY_SOCKET_CHARS


def test_ray_requires_a_stable_token(tmp_path: Path) -> None:
    variables = local_ray_environment(load_settings(data_dir=tmp_path))
    assert variables["RAY_AUTH_MODE"] == "token"
    assert len(variables["RAY_AUTH_TOKEN"]) >= 32
    assert local_ray_environment(load_settings(data_dir=tmp_path))["RAY_AUTH_TOKEN"] == variables["RAY_AUTH_TOKEN"]


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20
