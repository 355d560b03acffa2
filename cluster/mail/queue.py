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
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from cluster.mail.messages import Mail
from cluster.mail.sender import Mailer, MailUndeliverable
from cluster.settings import Settings
from models.database import Connection
from models.jobs import MAIL, SEND_MAIL, delete_old_failed_jobs, enqueue

#: The longest wait between two attempts.
MAX_RETRY_WAIT_S = 600
FAILED_MAIL_RETENTION = timedelta(days=30)
#: A notice without a link is not sent any more after this time.
NOTICE_TTL = timedelta(days=3)


class MailQueue:
    """Enqueues mails, and sends queued ones."""

    def __init__(self, settings: Settings) -> None:
        self.mailer = Mailer(settings)
        self._cipher = _mail_cipher(settings.auth.signing_keys)

    async def enqueue(
        self, connection: Connection, user_id: uuid.UUID, address: str, mail: Mail, *, ttl: timedelta
    ) -> None:
        """Enqueue `mail` as part of the transaction open on `connection`. It is not sent any more after `ttl`."""
        # The message is composed here and not by the job, so that a mail that is sent twice after a crash has one
        # Message-ID, and mail programs show it once.
        message = self.mailer.compose(address, mail)
        payload = json.dumps({"kind": mail.kind, "message": message.as_string(), "user_id": str(user_id)})
        await enqueue(
            connection,
            SEND_MAIL,
            queue=MAIL,
            user_id=str(user_id),
            sealed=self._cipher.encrypt(payload.encode()).decode(),
            useful_until=int((datetime.now(UTC) + ttl).timestamp()),
        )

    async def send(self, sealed: str, useful_until: int) -> None:
        """Send a queued mail; `useful_until` is a Unix time in seconds.

        Raises MailUndeliverable, or OSError or aiosmtplib.SMTPException when a later attempt may succeed.
        """
        if datetime.now(UTC).timestamp() >= useful_until:
            raise MailUndeliverable("the mail has expired")
        try:
            payload = json.loads(self._cipher.decrypt(sealed))
        except InvalidToken:
            raise MailUndeliverable("the key that encrypted the mail is missing") from None
        message = email.message_from_string(payload["message"], EmailMessage, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        # Mails that the previous version has queued name no user.
        await self.mailer.send(message, payload["kind"], payload.get("user_id"))


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
