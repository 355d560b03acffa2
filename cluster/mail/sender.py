"""Sending mail: through SMTP where a server is configured, else into a folder that a developer can open.

Neither addresses nor contents reach a log: both are private, and the links in them are secrets.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from cluster.mail.templates import Mail
from cluster.settings import Settings

log = structlog.get_logger("mail")

TIMEOUT_S = 10.0


class Mailer:
    """Hands mails over. Who wants one sent orders it (`cluster.mail.queue`)."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.mail.smtp_url.get_secret_value() if settings.mail.smtp_url else None
        self._from = settings.mail.sender
        self.outbox = settings.data_dir / "outbox"

    def compose(self, to: str, mail: Mail) -> EmailMessage:
        """The message as it goes over the wire: text, and the same as HTML."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._from, to, mail.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="trailmind.local")
        message["Auto-Submitted"] = "auto-generated"
        for name, value in mail.headers:
            message[name] = value
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message

    async def send(self, message: EmailMessage, kind: str) -> None:
        """Give the mail to the server. Raises OSError or smtplib.SMTPException."""
        deliver: Callable[[EmailMessage], None] = self._to_server if self._url else self._to_outbox
        await asyncio.to_thread(deliver, message)
        log.info("mail_sent", kind=kind)

    def _to_server(self, message: EmailMessage) -> None:
        url = urlsplit(self._url or "")
        host, context = url.hostname or "localhost", ssl.create_default_context()
        server: smtplib.SMTP
        if url.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, url.port or 465, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(host, url.port or 587, timeout=TIMEOUT_S)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(message)

    def _to_outbox(self, message: EmailMessage) -> None:
        self.outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.outbox / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.eml"
        _write_private(path, bytes(message))


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
