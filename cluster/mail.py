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

from cluster.mail_texts import Mail
from cluster.settings import Settings

log = structlog.get_logger("mail")

TIMEOUT_S = 10.0
#: Seconds between the tries; a mail server that is away for longer than that costs the mail, and the log says so.
_PAUSES_S = (1.0, 5.0, 20.0)
_MAX_WAITING = 200


class Mailer:
    """Sends mails, at once (`send`) or behind the caller's back (`send_later`)."""

    def __init__(self, settings: Settings, *, pauses_s: tuple[float, ...] = _PAUSES_S) -> None:
        self._url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
        self._from, self._pauses_s = settings.mail_from, pauses_s
        self.outbox = settings.data_dir / "outbox"
        self._tasks: set[asyncio.Task[None]] = set()

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

    async def send(self, to: str, mail: Mail) -> None:
        """Hand the mail over. Raises OSError or smtplib.SMTPException."""
        message = self.compose(to, mail)
        deliver: Callable[[EmailMessage], None] = self._to_server if self._url else self._to_outbox
        await asyncio.to_thread(deliver, message)
        log.info("mail_sent", kind=mail.kind)

    def send_later(self, to: str, mail: Mail) -> None:
        """Send without letting anybody wait, so that the time of an answer tells nothing about an address."""
        if len(self._tasks) >= _MAX_WAITING:
            log.error("mail_dropped", kind=mail.kind, reason="too many are waiting")
            return
        task = asyncio.create_task(self._patiently(to, mail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _patiently(self, to: str, mail: Mail) -> None:
        for pause_s in (*self._pauses_s, None):
            try:
                return await self.send(to, mail)
            except (OSError, smtplib.SMTPException) as error:
                refused = isinstance(error, smtplib.SMTPRecipientsRefused)
                if pause_s is None or refused:
                    log.error("mail_failed", kind=mail.kind, error=type(error).__name__)
                    return None
                log.warning("mail_delayed", kind=mail.kind, error=type(error).__name__)
                await asyncio.sleep(pause_s)
        return None

    async def drained(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Give what is on its way a moment, then stop."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=3.0)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

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
