"""Which sockets a process and its descendants listen on, and whether other machines can reach them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, order=True)
class Listener:
    """One listening TCP socket. `address` is as the kernel says it: "0.0.0.0" and "::" stand for all interfaces."""

    process: str
    pid: int
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        address = ipaddress.ip_address(self.address)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback

    def __str__(self) -> str:
        return f"{self.process} ({self.pid}) on {self.address} port {self.port}"


def process_tree(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes `pids` and all their descendants, each once, without those that end meanwhile."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                found[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def listeners(*pids: int) -> list[Listener]:
    """The listening TCP sockets of the processes `pids` and their descendants, sorted.

    A socket inherited by several processes appears once for each. A process that may not be looked into raises
    `psutil.AccessDenied`: a test of exposure must not pass by overlooking one.
    """
    found = []
    for process in process_tree(pids):
        try:
            name, connections = process.name(), process.net_connections(kind="tcp")
        except psutil.NoSuchProcess:  # a zombie counts as well
            continue
        found += [
            Listener(name, process.pid, connection.laddr.ip, connection.laddr.port)
            for connection in connections
            if connection.status == psutil.CONN_LISTEN
        ]
    return sorted(found)


def exposed(*pids: int) -> list[Listener]:
    """Those of `listeners` that other machines can reach, firewalls aside."""
    return [listener for listener in listeners(*pids) if not listener.is_loopback]
