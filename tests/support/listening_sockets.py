"""The listening sockets of a process and its descendants, and whether other machines can reach them."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

#: The state LISTEN in /proc/net/tcp.
_LISTEN = "0A"


@dataclass(frozen=True, order=True)
class Listener:
    """One listening TCP socket. `address` is that of the kernel; "0.0.0.0" and "::" are all interfaces."""

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
    """The processes `pids` and all their descendants, each once, without those that have ended."""
    processes: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                processes[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    return list(processes.values())


def listeners(*pids: int) -> list[Listener]:
    """The listening TCP sockets of the processes `pids` and their descendants, sorted.

    A socket inherited by several processes appears once for each. For a process that cannot be inspected (root in a
    container, for processes of other users) all sockets of its user are listed instead of none, so that a test of
    exposure cannot miss one.
    """
    sockets = []
    for process in process_tree(pids):
        try:
            name, uid = process.name(), process.uids().effective
            connections = process.net_connections(kind="tcp")
        except psutil.AccessDenied:
            sockets += [Listener(name, process.pid, address, port) for address, port in _sockets_of_user(uid)]
            continue
        except psutil.NoSuchProcess:  # zombies included
            continue
        sockets += [
            Listener(name, process.pid, connection.laddr.ip, connection.laddr.port)
            for connection in connections
            if connection.status == psutil.CONN_LISTEN
        ]
    return sorted(sockets)


def _sockets_of_user(uid: int) -> list[tuple[str, int]]:
    """Address and port of every listening TCP socket that a user's processes have opened, from the kernel's table."""
    addresses = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] != _LISTEN or int(fields[7]) != uid:
                continue
            packed, _, port = fields[1].partition(":")
            # The address is printed as 32-bit words in the machine's byte order.
            words = struct.unpack(f">{len(packed) // 8}I", bytes.fromhex(packed))
            address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
            addresses.append((str(address), int(port, 16)))
    return addresses


def exposed(*pids: int) -> list[Listener]:
    """Those of `listeners` that other machines can reach if no firewall blocks them."""
    return [listener for listener in listeners(*pids) if not listener.is_loopback]
