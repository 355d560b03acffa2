"""The durable Valkey in which the head of a local cluster stores its state, so that a new head can continue."""

from __future__ import annotations

from pathlib import Path

import redis

from launch.stores.account import Account
from launch.stores.programs import valkey_program
from launch.stores.valkey import ValkeyServer


class GcsValkey(ValkeyServer):
    """A Valkey on a loopback port with a password, because Ray's head connects over TCP only."""

    name = "Valkey of the head"

    def __init__(self, home: Path, log_path: Path, account: Account, sockets: Path, port: int, password: str) -> None:
        super().__init__(home, log_path, account, valkey_program(account, home.parent), sockets)
        self._port, self._password = port, password

    def command(self) -> list[str]:
        """The command line of the server with its settings."""
        settings = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "requirepass": self._password,
            "dir": str(self.home),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
        }
        return [str(self._program), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def is_ready(self, pid: int) -> bool:
        """Whether the server answers a PING."""
        try:
            with redis.Redis(port=self._port, password=self._password, socket_timeout=1.0) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def clear_stale_files(self) -> None:
        """Remove nothing: each cluster uses its own namespace in the store."""
