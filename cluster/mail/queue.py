"""Mails as durable work: ordered in the transaction that causes them, tried until the mail server takes them.

What waits in the queue is sealed with the signing keys. The links in mails are secrets that the database otherwise
holds only as digests, and addresses belong in no list of jobs.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import smtplib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from cluster.mail.sender import Mailer
from cluster.mail.templates import Mail
from cluster.settings import Settings
from models.database import Connection
from models.jobs import MAIL, SEND_MAIL, delete_old_failed_jobs, enqueue

#: The longest pause between two tries.
MAX_RETRY_WAIT_S = 600
FAILED_MAIL_RETENTION = timedelta(days=30)
#: How long a notice without a link is worth sending.
NOTICE_TTL = timedelta(days=3)


class MailUndeliverable(Exception):
    """The mail cannot be sent, now or later: refused for good, or of no use any more. Its job is dead."""


class MailQueue:
    """Orders mails, and sends what was ordered."""

    def __init__(self, settings: Settings) -> None:
        self.mailer = Mailer(settings)
        self._seal = _mail_cipher(settings.auth.signing_keys)

    async def enqueue(
        self, connection: Connection, user_id: uuid.UUID, address: str, mail: Mail, *, ttl: timedelta
    ) -> None:
        """Order `mail` as part of the transaction open on `connection`; after `ttl` nobody needs it any more."""
        # Put together here and not by the job, so that a mail sent twice after a crash is one to mail programs: it
        # has the same Message-ID.
        message = self.mailer.compose(address, mail)
        sealed = self._seal.encrypt(json.dumps({"kind": mail.kind, "message": message.as_string()}).encode())
        await enqueue(
            connection,
            SEND_MAIL,
            queue=MAIL,
            user_id=str(user_id),
            sealed=sealed.decode(),
            useful_until=int((datetime.now(UTC) + ttl).timestamp()),
        )

    async def send(self, sealed: str, useful_until: int) -> None:
        """Hand an ordered mail over. Raises MailRefused, or OSError or smtplib.SMTPException when it may go later."""
        if datetime.now(UTC).timestamp() >= useful_until:
            raise MailUndeliverable("too late")
        try:
            ordered = json.loads(self._seal.decrypt(sealed))
        except InvalidToken:
            raise MailUndeliverable("sealed with a key that is gone") from None
        message = email.message_from_string(ordered["message"], EmailMessage, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        try:
            await self.mailer.send(message, ordered["kind"])
        except smtplib.SMTPRecipientsRefused as error:
            if all(500 <= code < 600 for code, _ in error.recipients.values()):
                raise MailUndeliverable("the mail server does not know the address") from None
            raise


async def delete_failed_mails(connection: Connection) -> int:
    """Delete the dead jobs of mails that no operator has retried for a month; return how many."""
    return await delete_old_failed_jobs(connection, SEND_MAIL, FAILED_MAIL_RETENTION)


class RetryUntilExpired(BaseRetryStrategy):
    """1, 2, 4 … seconds, at most ten minutes, for as long as the mail is of use."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        pause_s = min(2 ** min(job.attempts, 20), MAX_RETRY_WAIT_S)
        is_useful = datetime.now(UTC).timestamp() + pause_s < job.task_kwargs["useful_until"]
        if isinstance(exception, MailUndeliverable) or not is_useful:
            return None
        return RetryDecision(retry_in={"seconds": pause_s})


def _mail_cipher(keys: Sequence[str]) -> MultiFernet:
    """Seals with the first of `keys`, opens with any."""
    return MultiFernet(
        Fernet(base64.urlsafe_b64encode(HKDF(SHA256(), 32, None, b"trailmind mails").derive(key.encode())))
        for key in keys
    )
