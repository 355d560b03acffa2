"""Sends mail: through SMTP where a server is configured, otherwise into a folder that a developer can open.

Neither addresses nor contents are logged: both are private, and the links in mails are secrets.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from cluster.mail.messages import Mail
from cluster.settings import Settings, is_this_machine

log = structlog.get_logger("mail")

SMTP_TIMEOUT_S = 10.0
#: What a server without mail cannot do.
WITHOUT_MAIL = (
    "passwords cannot be reset, addresses not confirmed by mail, no notices are sent, and sessions are not deleted "
    "after the time of their plan; `trailmind mail links` prints pending links"
)


class MailUndeliverable(Exception):
    """The mail cannot be sent, now or later: it is rejected, has expired, or cannot be decrypted. Its job is dead."""


class AddressRefused(MailUndeliverable):
    """The mail server refuses the address permanently."""


class Mailer:
    """Composes mails and sends them. Callers enqueue mails with `cluster.mail.queue.MailQueue` instead."""

    def __init__(self, settings: Settings) -> None:
        self._smtp_url = settings.mail.server_url
        self._from = settings.mail.sender
        self.outbox = settings.data_dir / "outbox"

    @property
    def has_server(self) -> bool:
        """Whether mails leave this machine."""
        return self._smtp_url is not None

    def compose(
        self, address: str, mail: Mail, *, request_id: str | None = None, message_id: str | None = None
    ) -> EmailMessage:
        """The complete message: headers, plain text, HTML and its pictures.

        `request_id` is the request that caused the mail; support finds its log lines by it. `message_id` is the local
        part of the Message-ID, for a mail that is composed again at each attempt.
        """
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._from, address, mail.subject
        domain = parseaddr(self._from)[1].rpartition("@")[2] or "trailmind.local"
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{message_id}@{domain}>" if message_id else make_msgid(domain=domain)
        message["Auto-Submitted"] = "auto-generated"
        if request_id:
            message["X-Request-ID"] = request_id
        if mail.unsubscribe_url is not None:
            message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        html_part: Any = message.get_payload(1)
        for picture in mail.pictures:
            html_part.add_related(
                picture.png, "image", "png", cid=f"<{picture.content_id}>", filename=f"{picture.content_id}.png",
                disposition="inline",
            )  # fmt: skip
        return message

    async def send(self, message: EmailMessage, kind: str, user_id: str | None = None) -> None:
        """Send the message, or write it to the outbox folder, where its name has the id of the user.

        Raises AddressRefused when the server rejects the address permanently, and OSError or aiosmtplib.SMTPException
        when a later attempt may succeed.
        """
        if self._smtp_url:
            await _send_by_smtp(self._smtp_url, message)
        else:
            await asyncio.to_thread(_write_to_outbox, self.outbox, message, kind, user_id)
        log.info("mail_sent", kind=kind)

    async def check_server(self) -> None:
        """Connect to the mail server and log in, without sending. Raises OSError or aiosmtplib.SMTPException."""
        import aiosmtplib

        assert self._smtp_url is not None, "there is no mail server"
        async with aiosmtplib.SMTP(**_connection(self._smtp_url)) as client:
            await client.noop()

    async def erase_sent(self, user_id: uuid.UUID, kind: str = "") -> int:
        """Delete the mails of a user, of one kind or all, from the outbox folder; return how many."""
        return await asyncio.to_thread(_erase_from_outbox, self.outbox, user_id, kind)


def _connection(smtp_url: str) -> dict[str, Any]:
    """The arguments of aiosmtplib for a URL."""
    url = urlsplit(smtp_url)
    is_tls, host = url.scheme == "smtps", url.hostname or "localhost"
    return {
        "hostname": host,
        "port": url.port or (465 if is_tls else 587),
        "username": unquote(url.username) if url.username else None,
        "password": unquote(url.password or "") if url.username else None,
        "use_tls": is_tls,
        # Required: a machine between us and the server could hide that it offers TLS, and read password and mail.
        "start_tls": not is_tls and not is_this_machine(host),
        "tls_context": ssl.create_default_context(),
        "timeout": SMTP_TIMEOUT_S,
    }


async def _send_by_smtp(smtp_url: str, message: EmailMessage) -> None:
    # On first use: only workers send mails, but API replicas import this module, and the import takes 40 ms.
    import aiosmtplib

    try:
        await aiosmtplib.send(message, **_connection(smtp_url))
    except aiosmtplib.SMTPRecipientsRefused as error:
        if all(500 <= recipient.code < 600 for recipient in error.recipients):
            raise AddressRefused("the mail server rejects the address") from None
        raise


def _erase_from_outbox(outbox: Path, user_id: uuid.UUID, kind: str) -> int:
    paths = list(outbox.glob(f"*-{user_id}-{kind}*.eml"))
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _write_to_outbox(outbox: Path, message: EmailMessage, kind: str, user_id: str | None) -> None:
    outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = outbox / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{user_id or 'unknown'}-{kind}-{uuid.uuid4().hex[:8]}.eml"
    path.touch(mode=0o600)
    path.write_bytes(bytes(message))
