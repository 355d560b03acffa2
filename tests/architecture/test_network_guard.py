"""The guard that keeps tests on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.network_guard import NetworkAccessError, NetworkGuard, is_local


@pytest.fixture(scope="module")
def guard() -> NetworkGuard:
    guard = NetworkGuard()
    guard.install()
    return guard


@pytest.fixture
def active(guard: NetworkGuard) -> Iterator[NetworkGuard]:
    guard.refused.clear()
    guard.is_active = True
    yield guard
    guard.is_active = False


@pytest.mark.other_hosts
def test_connections_to_other_machines_are_refused_and_recorded(active: NetworkGuard) -> None:
    with socket.socket() as sock, pytest.raises(NetworkAccessError, match=r"not to 192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(NetworkAccessError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)
    assert active.refused == ["192.0.2.1", "example.com"]


def test_connections_to_this_machine_pass(active: NetworkGuard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
    assert active.refused == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost", "a.localhost", ""])
def test_local_hosts(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "api.openai.com"])
def test_other_hosts(host: str) -> None:
    assert not is_local(host)
