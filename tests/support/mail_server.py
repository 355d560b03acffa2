"""A real mail server for tests: it speaks SMTP and stores what it receives."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiosmtpd.smtp import SMTP


def unused_port() -> int:
    """A port without a listener."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class MailServer:
    """`rejection` is its answer to every recipient."""

    def __init__(self, rejection: str | None = None) -> None:
        self.mails: list[Any] = []
        self.rejection = rejection

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.rejection:
            return self.rejection
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    @asynccontextmanager
    async def listening(self, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Accept connections on `port` of this machine, with `tls` encrypted ones only."""
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: SMTP(self), "127.0.0.1", port, ssl=tls):
            yield
