"""The helper that lists listening sockets, on real sockets of a real child process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.listening_sockets import Listener, exposed, listeners

CHILD = """
import socket, sys
sockets = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")):
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen()
    sockets.append(listener)
    print(listener.getsockname()[1], flush=True)
bound_only = socket.socket()
bound_only.bind(("0.0.0.0", 0))
sys.stdin.read()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def parent_and_ports() -> Iterator[tuple[int, int, int]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        yield parent.pid, int(parent.stdout.readline()), int(parent.stdout.readline())
        assert parent.stdin is not None
        parent.stdin.close()


def test_sockets_of_a_grandchild_are_found_with_their_addresses(parent_and_ports: tuple[int, int, int]) -> None:
    parent, private_port, public_port = parent_and_ports
    assert {(listener.address, listener.port) for listener in listeners(parent)} == {
        ("127.0.0.1", private_port),
        ("0.0.0.0", public_port),
    }
    assert [(listener.address, listener.port) for listener in exposed(parent)] == [("0.0.0.0", public_port)]


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.168.1.5", False),
        ("fe80::1", False),
    ],
)
def test_only_loopback_addresses_are_loopback(address: str, is_loopback: bool) -> None:
    assert Listener("server", 1, address, 80).is_loopback is is_loopback


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the kernel's table on Linux")
def test_an_unreadable_process_raises_instead_of_having_no_sockets(
    parent_and_ports: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process, kind: str = "inet") -> None:
        raise psutil.AccessDenied(process.pid)

    parent, private_port, public_port = parent_and_ports
    monkeypatch.setattr(psutil.Process, "net_connections", refuse)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        actual = {(listener.address, listener.port) for listener in listeners(parent)}
        expected = {("127.0.0.1", private_port), ("0.0.0.0", public_port), ("::1", six.getsockname()[1])}
        assert expected <= actual
        assert ("0.0.0.0", public_port) in {(listener.address, listener.port) for listener in exposed(parent)}


def test_an_ended_process_has_no_sockets() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert listeners(gone.pid) == []
