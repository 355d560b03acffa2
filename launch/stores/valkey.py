"""The embedded Valkey for progress channels, rate limits and caches; its data can be lost without harm."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import quote

import redis

from launch.stores.account import Account
from launch.stores.server import Server
from launch.stores.sockets import VALKEY_SOCKET


class ValkeyServer(Server):
    """A Valkey on a unix socket only, without persistence: a restart is empty."""

    name, process_name, stop_signal = "Valkey", "valkey-server", signal.SIGTERM

    def __init__(self, home: Path, log_path: Path, account: Account, program: Path, socket_dir: Path) -> None:
        super().__init__(home, log_path, account)
        self._program, self._socket = program, socket_dir / VALKEY_SOCKET

    @property
    def url(self) -> str:
        """The URL for redis-py, valid in every process of the supervising user."""
        return f"unix://{quote(str(self._socket))}?db=0"

    def command(self) -> list[str]:
        """The command line of the server with all its settings; there is no configuration file."""
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "maxmemory": "128mb",
            # Rate limits, one-time states and caches all expire; Valkey evicts the keys that expire first.
            "maxmemory-policy": "volatile-ttl",
            "maxclients": "5000",
            "databases": "4",
            "loglevel": "notice",
            "set-proc-title": "no",
        }
        return [str(self._program), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def is_ready(self, pid: int) -> bool:
        """Whether the server answers a PING."""
        try:
            with redis.Redis(unix_socket_path=str(self._socket), socket_timeout=1.0) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def clear_stale_files(self) -> None:
        """Remove the socket of a dead server."""
        self._socket.unlink(missing_ok=True)
