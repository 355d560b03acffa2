"""Whether the server's port can be used, checked before anything starts."""

from __future__ import annotations

import contextlib
import errno
import socket

import psutil

from models.errors import ConfigurationError


def check_port(host: str, port: int) -> None:
    """Return when a server can listen at `host` and `port`; port 0 is always free.

    Raises:
        ConfigurationError: one sentence that names the port, and the program that has it if this user may see it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # A port whose last connections are only waiting to be forgotten is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise ConfigurationError(_sentence(host, port, error)) from None


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        program = _program_at(port)
        return (
            f"port {port} is in use by {program or 'another program'}: stop it, or choose another port with --port "
            "or TRAILMIND_PORT"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}: choose a port above 1023 with --port or TRAILMIND_PORT"
    return f"the server cannot listen on {host} port {port} (TRAILMIND_HOST): {error.strerror or error}"


def _program_at(port: int) -> str | None:
    """The name and process id of the program that listens on `port`; None when this user may not see it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            address = tuple(connection.laddr)
            if connection.status == psutil.CONN_LISTEN and address[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return None
