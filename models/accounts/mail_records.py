"""What the database knows about mails: which a user has received, who wants them, and addresses that refuse them.

Required mails are about the login, the payment and the deletion of data; users cannot turn them off. Optional ones are
reports and usage warnings: they need a confirmed address and the setting `email_notifications`.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt
from models.database import Connection

#: Optional mails to one user in a day.
MAX_OPTIONAL_A_DAY = 10
#: Required mails of one kind to one user in an hour: another person can ask for a password reset.
MAX_REQUIRED_AN_HOUR = 10
#: Mails without a subject are remembered for the caps; with one, longer than a year's plan.
RECORD_RETENTION = timedelta(days=400)

#: Why a mail is not sent; None: it is.
Refusal = Literal["suppressed", "opted_out", "unverified", "capped", "repeated"]
SuppressionReason = Literal["bounce", "complaint"]


class MailNotice(Base):
    """A mail that was enqueued: one of each kind and subject. `subject` is an id, never an address or a title."""

    __tablename__ = "mail_notices"
    __table_args__ = (Index("ix_mail_notices_created_at", "created_at"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    is_optional: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[CreatedAt]


class MailSuppression(Base):
    """An address that receives nothing: its server refused it permanently, or its owner called our mail spam.

    Only the SHA-256 of the address is stored, so that the row may outlive the account.
    """

    __tablename__ = "mail_suppressions"
    __table_args__ = (CheckConstraint("reason IN ('bounce', 'complaint')", name="reason"),)

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reason: Mapped[str]
    created_at: Mapped[CreatedAt]


READ_MAIL_ADMISSION: Final = """
    SELECT EXISTS (SELECT FROM mail_suppressions WHERE digest = %(digest)s),
        coalesce((SELECT email_notifications FROM user_settings WHERE user_id = %(user_id)s), true),
        (SELECT email_verified_at IS NOT NULL FROM users WHERE id = %(user_id)s),
        (SELECT count(*) FROM mail_notices WHERE user_id = %(user_id)s AND is_optional
            AND created_at > %(now)s::timestamptz - interval '1 day'),
        (SELECT count(*) FROM mail_notices WHERE user_id = %(user_id)s AND kind = %(kind)s
            AND created_at > %(now)s::timestamptz - interval '1 hour')
"""

# A user that is erased, or not there yet, has no record: the mail about the erasure is sent all the same.
INSERT_MAIL_NOTICE: Final = """
    INSERT INTO mail_notices (user_id, kind, subject, is_optional, created_at)
    SELECT id, %(kind)s, %(subject)s, %(is_optional)s, %(now)s FROM users WHERE id = %(user_id)s
    ON CONFLICT DO NOTHING
"""
HAS_MAIL_NOTICE: Final = """
    SELECT FROM mail_notices WHERE user_id = %(user_id)s AND kind = %(kind)s AND subject = %(subject)s
"""
READ_MAIL_RECIPIENT: Final = """
    SELECT u.email, coalesce(s.language, 'ko'), s.time_zone FROM users u
    LEFT JOIN user_settings s ON s.user_id = u.id WHERE u.id = %(user_id)s AND (u.status = 'active' OR %(with_closed)s)
"""
SUPPRESS_ADDRESS: Final = """
    INSERT INTO mail_suppressions (digest, reason, created_at) VALUES (%(digest)s, %(reason)s, now())
    ON CONFLICT (digest) DO UPDATE SET reason = excluded.reason
"""
LIFT_SUPPRESSION: Final = "DELETE FROM mail_suppressions WHERE digest = %(digest)s"
OPT_OUT: Final = """
    INSERT INTO user_settings (user_id, email_notifications)
    SELECT id, false FROM users WHERE id = %(user_id)s
    ON CONFLICT (user_id) DO UPDATE SET email_notifications = false, updated_at = now()
"""
DELETE_OLD_MAIL_NOTICES: Final = """
    DELETE FROM mail_notices n WHERE created_at < now() - %(age)s::interval
        AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = n.user_id)
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where mails to a user go. `language` is `ko` or `en`; `time_zone` is None until a client has told it."""

    address: str
    language: str
    time_zone: str | None


def address_digest(address: str) -> bytes:
    """By which an address is found among the suppressed ones, whatever the case of its letters."""
    return hashlib.sha256(address.strip().lower().encode("utf-8", "replace")).digest()


async def mail_refusal(
    connection: Connection, user_id: uuid.UUID, address: str, *, kind: str, is_optional: bool, now: datetime | None
) -> Refusal | None:
    """Why the user must not receive this mail at `now`; None if nothing speaks against it.

    Without `now` the caps are not checked: a mail that was admitted once stays within them.
    """
    values = {"digest": address_digest(address), "user_id": user_id, "kind": kind, "now": now or datetime.now(UTC)}
    row = await (await connection.execute(READ_MAIL_ADMISSION, values)).fetchone()
    assert row is not None
    is_suppressed, wants_optional, is_verified, num_optional, num_of_kind = row
    if is_suppressed:
        return "suppressed"
    if is_optional and not wants_optional:
        return "opted_out"
    if is_optional and not is_verified:
        return "unverified"
    is_capped = num_optional >= MAX_OPTIONAL_A_DAY if is_optional else num_of_kind >= MAX_REQUIRED_AN_HOUR
    return "capped" if now is not None and is_capped else None


async def record_mail(
    connection: Connection, user_id: uuid.UUID, kind: str, subject: str | None, *, is_optional: bool, now: datetime
) -> bool:
    """Record a mail; returns False if the user has received one of this kind about this subject.

    Without `subject` every mail is a new one.
    """
    values: dict[str, Any] = {
        "user_id": user_id,
        "kind": kind,
        "subject": subject or f"#{uuid.uuid4()}",
        "is_optional": is_optional,
        "now": now,
    }
    if (await connection.execute(INSERT_MAIL_NOTICE, values)).rowcount:
        return True
    return not await has_received(connection, user_id, kind, values["subject"])


async def has_received(connection: Connection, user_id: uuid.UUID, kind: str, subject: str) -> bool:
    """Whether the user has received a mail of this kind about this subject."""
    values = {"user_id": user_id, "kind": kind, "subject": subject}
    return await (await connection.execute(HAS_MAIL_NOTICE, values)).fetchone() is not None


async def mail_recipient(connection: Connection, user_id: uuid.UUID, *, with_closed: bool = False) -> Recipient | None:
    """Where mails to the user go; None for an erased account, and for a closed one unless `with_closed`."""
    values = {"user_id": user_id, "with_closed": with_closed}
    row = await (await connection.execute(READ_MAIL_RECIPIENT, values)).fetchone()
    return None if row is None else Recipient(*row)


async def suppress_address(connection: Connection, address: str, reason: SuppressionReason) -> None:
    """Send nothing to the address any more. Safe to repeat."""
    await connection.execute(SUPPRESS_ADDRESS, {"digest": address_digest(address), "reason": reason})


async def lift_suppression(connection: Connection, address: str) -> bool:
    """Send to the address again; returns whether it was suppressed."""
    cursor = await connection.execute(LIFT_SUPPRESSION, {"digest": address_digest(address)})
    return cursor.rowcount == 1


async def opt_out(connection: Connection, user_id: uuid.UUID) -> None:
    """Turn optional mails off, as the switch in the settings does. Does nothing for an account that does not exist."""
    await connection.execute(OPT_OUT, {"user_id": user_id})


async def delete_old_mail_notices(connection: Connection) -> int:
    """Forget mails that are older than `RECORD_RETENTION`; return how many."""
    return (await connection.execute(DELETE_OLD_MAIL_NOTICES, {"age": RECORD_RETENTION})).rowcount
