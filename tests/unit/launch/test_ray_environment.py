"""The environment variables of a local Ray."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cluster.settings import load_settings
from launch import ray_environment
from launch.private_dir import private_short_dir
from launch.ray_environment import free_ports, local_ray_environment

#: What Ray Serve puts before the socket's name: a node id in hex.
NODE_ID_CHARS = 56
MAX_HAPROXY_SOCKET_CHARS = 97
#: The longest path of a socket in Ray's directory, and the limit of unix(7).
RAY_SOCKET = "/session_2026-11-28_18-40-27_296663_4194304/sockets/plasma_store"
MAX_SOCKET_CHARS = 107


@pytest.mark.parametrize("uid", [0, 1000, 4294967294])
def test_the_socket_paths_are_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    data_dir = tmp_path / ("long" * 20)
    data_dir.mkdir()
    variables = local_ray_environment(load_settings(data_dir=data_dir))
    socket = Path(variables["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    socket.parent.rmdir()
    assert len(str(socket)) + NODE_ID_CHARS + 1 <= MAX_HAPROXY_SOCKET_CHARS
    assert len(variables["RAY_TMPDIR"] + "/ray" + RAY_SOCKET) <= MAX_SOCKET_CHARS


def test_the_short_directory_is_private_and_stable(tmp_path: Path) -> None:
    path = private_short_dir(tmp_path / "data", root=tmp_path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert private_short_dir(tmp_path / "data", root=tmp_path) == path
    assert private_short_dir(tmp_path / "other", root=tmp_path) != path


@pytest.mark.parametrize("kind", ["open to all", "readable", "link", "file"])
def test_a_directory_that_another_user_may_have_made_is_not_used(tmp_path: Path, kind: str) -> None:
    path = private_short_dir(tmp_path / "data", root=tmp_path)
    path.rmdir()
    if kind == "link":
        (tmp_path / "target").mkdir(mode=0o700)
        path.symlink_to(tmp_path / "target")
    elif kind == "file":
        path.touch(mode=0o600)
    else:
        path.mkdir()
        path.chmod(0o777 if kind == "open to all" else 0o755)
    used = private_short_dir(tmp_path / "data", root=tmp_path)
    assert used != path
    assert used.stat().st_mode & 0o777 == 0o700
    assert not used.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of another user")
def test_the_directory_of_another_user_is_not_used(tmp_path: Path) -> None:
    path = private_short_dir(tmp_path / "data", root=tmp_path)
    os.chown(path, 65534, 65534)
    assert private_short_dir(tmp_path / "data", root=tmp_path) != path


def test_ray_requires_a_stable_token(tmp_path: Path) -> None:
    variables = local_ray_environment(load_settings(data_dir=tmp_path))
    assert variables["RAY_AUTH_MODE"] == "token"
    assert len(variables["RAY_AUTH_TOKEN"]) >= 32
    assert local_ray_environment(load_settings(data_dir=tmp_path))["RAY_AUTH_TOKEN"] == variables["RAY_AUTH_TOKEN"]


def test_free_ports_are_different_and_not_given_by_the_kernel() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    # Linux gives the ports from 32768 to programs that do not ask for one.
    assert all(1024 < port < 32_768 for port in ports)


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(ray_environment, "_PORTS", [server.getsockname()[1]])
        with pytest.raises(OSError, match="no free port"):
            free_ports(1)
