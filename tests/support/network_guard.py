"""Keeps Python code of a test process on this machine.

An audit hook sees every `socket.connect` and `socket.getaddrinfo` of the interpreter, also those of libraries that wrap
`socket`. It refuses connections to other machines, and records them: code under test often catches the error, and the
test fails all the same. libpq, gRPC, Chromium and subprocesses are not seen.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

_LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname()}


class NetworkAccessError(OSError):
    """A test tried to reach another machine."""


class NetworkGuard:
    """Refuses and records connections to other machines while `is_active`."""

    def __init__(self) -> None:
        self.is_active = False
        self.refused: list[str] = []

    def install(self) -> None:
        """Add the audit hook. An audit hook stays for the life of the process."""
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_active or not event.startswith("socket."):
            return
        if event == "socket.connect":
            sock, address = arguments
            # Connecting a datagram socket sends nothing; Ray finds the machine's own address this way.
            if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                self._check(str(address[0]))
        elif event == "socket.getaddrinfo":
            host = arguments[0]
            self._check(host.decode() if isinstance(host, bytes) else str(host or ""))

    def _check(self, host: str) -> None:
        if is_local(host):
            return
        self.refused.append(host)
        raise NetworkAccessError(f"tests may connect to this machine only, not to {host}")


def is_local(host: str) -> bool:
    """Whether `host` is loopback, unspecified, or a name that resolves without asking another machine."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() in _LOCAL_NAMES or host.lower().endswith(".localhost")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
