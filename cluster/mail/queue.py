"""Mails as durable jobs: enqueued in the transaction that causes them, retried until the mail server accepts them.

A queued mail is encrypted with the signing keys. The links in mails are secrets that the database otherwise holds only
as digests, and addresses must not appear in a list of jobs.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from cluster.mail.messages import Mail
from cluster.mail.quiet_hours import next_quiet_end, zone_of
from cluster.mail.sender import AddressRefused, Mailer, MailUndeliverable
from cluster.mail.unsubscribe import UNSUBSCRIBE_PATH, unsubscribe_token
from cluster.settings import Settings
from models.accounts.mail_records import (
    has_received,
    mail_recipient,
    mail_refusal,
    record_mail,
    suppress_address,
)
from models.database import Connection
from models.jobs import MAIL, SEND_MAIL, delete_old_failed_jobs, enqueue
from telemetry.metrics import MAILS

log = structlog.get_logger("mail")

#: The longest wait between two attempts.
MAX_RETRY_WAIT_S = 600
FAILED_MAIL_RETENTION = timedelta(days=30)
#: A notice without a link is not sent any more after this time.
NOTICE_TTL = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A decrypted mail of the queue."""

    kind: str
    message: EmailMessage
    user_id: str | None
    is_optional: bool

    @property
    def address(self) -> str:
        """Where it goes."""
        return str(self.message["To"])


class MailQueue:
    """Enqueues mails, and sends queued ones."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.mailer = Mailer(settings)
        self._keys, self._origin, self._clock = settings.auth.signing_keys, settings.server.origin, clock
        self._cipher = _mail_cipher(self._keys)

    def unsubscribe_url(self, user_id: uuid.UUID) -> str:
        """The link that turns the user's optional mails off."""
        return f"{self._origin}{UNSUBSCRIBE_PATH}?token={unsubscribe_token(self._keys, user_id)}"

    async def enqueue(
        self,
        connection: Connection,
        user_id: uuid.UUID,
        address: str,
        mail: Mail,
        *,
        ttl: timedelta,
        subject: str | None = None,
    ) -> bool:
        """Enqueue `mail` as part of the transaction open on `connection`. It is not sent any more after `ttl`.

        Returns False, and enqueues nothing, if the user must not receive it (`mail_refusal`), or has received a mail of
        this kind about `subject` before. Optional mails wait for the end of the user's quiet hours.
        """
        now = self._clock()
        refusal = await mail_refusal(
            connection, user_id, address, kind=mail.kind, is_optional=mail.is_optional, now=now
        )  # fmt: skip
        if refusal is None and not await record_mail(
            connection, user_id, mail.kind, subject, is_optional=mail.is_optional, now=now
        ):
            refusal = "repeated"
        if refusal is not None:
            MAILS.labels(outcome=refusal).inc()
            return False
        delay_s = await self._quiet_s(connection, user_id, now) if mail.is_optional else 0.0
        # The message is composed here and not by the job, so that a mail that is sent twice after a crash has one
        # Message-ID, and mail programs show it once.
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        message = self.mailer.compose(address, mail, request_id=request_id)
        payload = json.dumps(
            {
                "kind": mail.kind,
                "message": message.as_string(),
                "user_id": str(user_id),
                "is_optional": mail.is_optional,
            }
        )
        await enqueue(
            connection,
            SEND_MAIL,
            queue=MAIL,
            delay_s=delay_s,
            user_id=str(user_id),
            sealed=self._cipher.encrypt(payload.encode()).decode(),
            useful_until=int((now + ttl).timestamp() + delay_s),
        )
        return True

    async def enqueue_to_former_user(self, connection: Connection, address: str, mail: Mail, *, ttl: timedelta) -> None:
        """Enqueue a mail to the owner of an account that this transaction erases; the job names no user."""
        message = self.mailer.compose(address, mail)
        payload = json.dumps({"kind": mail.kind, "message": message.as_string(), "user_id": None})
        await enqueue(
            connection,
            SEND_MAIL,
            queue=MAIL,
            user_id="",
            sealed=self._cipher.encrypt(payload.encode()).decode(),
            useful_until=int((self._clock() + ttl).timestamp()),
        )

    async def _quiet_s(self, connection: Connection, user_id: uuid.UUID, now: datetime) -> float:
        recipient = await mail_recipient(connection, user_id)
        if recipient is None:
            return 0.0
        end = next_quiet_end(now, zone_of(recipient.time_zone, recipient.language))
        return (end - now).total_seconds() if end is not None else 0.0

    def now(self) -> datetime:
        """The time by which quiet hours and caps are judged."""
        return self._clock()

    async def is_admitted(
        self, connection: Connection, user_id: uuid.UUID, address: str, kind: str, *, subject: str
    ) -> bool:
        """Whether `send_now` would send an optional mail of this kind; a refusal is counted."""
        refusal: str | None = await mail_refusal(
            connection, user_id, address, kind=kind, is_optional=True, now=self._clock()
        )
        if refusal is None and await has_received(connection, user_id, kind, subject):
            refusal = "repeated"
        if refusal is not None:
            MAILS.labels(outcome=refusal).inc()
        return refusal is None

    async def send_now(
        self, connection: Connection, user_id: uuid.UUID, address: str, mail: Mail, *, subject: str, useful_until: int
    ) -> None:
        """Send a mail that a job has composed, and record it. The caller has asked `is_admitted`.

        All attempts have one Message-ID: a crash between sending and recording makes a copy that mail programs hide.
        Raises what `send` raises. `connection` commits by itself.
        """
        if self._clock().timestamp() >= useful_until:
            MAILS.labels(outcome="expired").inc()
            raise MailUndeliverable("the mail has expired")
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        message = self.mailer.compose(address, mail, request_id=request_id, message_id=f"{mail.kind}-{subject}")
        await self._send(connection, QueuedMail(mail.kind, message, str(user_id), mail.is_optional))
        await record_mail(connection, user_id, mail.kind, subject, is_optional=mail.is_optional, now=self._clock())

    def open(self, sealed: str, useful_until: int) -> QueuedMail:
        """Decrypt a queued mail; `useful_until` is a Unix time in seconds. Raises MailUndeliverable."""
        if datetime.now(UTC).timestamp() >= useful_until:
            raise MailUndeliverable("the mail has expired")
        try:
            payload = json.loads(self._cipher.decrypt(sealed))
        except InvalidToken:
            raise MailUndeliverable("the key that encrypted the mail is missing") from None
        message = email.message_from_string(payload["message"], EmailMessage, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        # Mails that previous versions have queued name no user, and are required.
        return QueuedMail(payload["kind"], message, payload.get("user_id"), payload.get("is_optional", False))

    async def send(self, sealed: str, useful_until: int) -> None:
        """Send a queued mail, whatever its user wants by now.

        Raises MailUndeliverable, or OSError or aiosmtplib.SMTPException when a later attempt may succeed.
        """
        mail = self.open(sealed, useful_until)
        await self.mailer.send(mail.message, mail.kind, mail.user_id)

    async def deliver(self, connection: Connection, sealed: str, useful_until: int) -> None:
        """Send a queued mail unless its user does not want it any more; remember an address that refuses it.

        Raises what `send` raises. `connection` commits by itself.
        """
        try:
            mail = self.open(sealed, useful_until)
        except MailUndeliverable:
            MAILS.labels(outcome="expired").inc()
            raise
        if mail.user_id is not None:
            refusal = await mail_refusal(
                connection,
                uuid.UUID(mail.user_id),
                mail.address,
                kind=mail.kind,
                is_optional=mail.is_optional,
                now=None,
            )
            if refusal is not None:
                MAILS.labels(outcome=refusal).inc()
                log.info("mail_not_sent", kind=mail.kind, reason=refusal)
                return
        await self._send(connection, mail)

    async def _send(self, connection: Connection, mail: QueuedMail) -> None:
        try:
            await self.mailer.send(mail.message, mail.kind, mail.user_id)
        except AddressRefused:
            await suppress_address(connection, mail.address, "bounce")
            MAILS.labels(outcome="bounced").inc()
            raise
        except Exception:
            MAILS.labels(outcome="delayed").inc()
            raise
        MAILS.labels(outcome="sent").inc()


async def delete_failed_mails(connection: Connection) -> int:
    """Delete the dead jobs of mails that no operator has retried for a month; return how many."""
    return await delete_old_failed_jobs(connection, SEND_MAIL, FAILED_MAIL_RETENTION)


class RetryUntilExpired(BaseRetryStrategy):
    """Waits 1, 2, 4 … seconds, at most MAX_RETRY_WAIT_S, until the mail expires."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        wait_s = min(2 ** min(job.attempts, 20), MAX_RETRY_WAIT_S)
        is_valid = datetime.now(UTC).timestamp() + wait_s < job.task_kwargs["useful_until"]
        if isinstance(exception, MailUndeliverable) or not is_valid:
            return None
        return RetryDecision(retry_in={"seconds": wait_s})


def _mail_cipher(keys: Sequence[str]) -> MultiFernet:
    """Encrypts with the first of `keys`, decrypts with any of them."""
    return MultiFernet(
        Fernet(base64.urlsafe_b64encode(HKDF(SHA256(), 32, None, b"trailmind mails").derive(key.encode())))
        for key in keys
    )
