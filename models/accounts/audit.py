"""The audit log: actions of operators, and records of erased accounts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import Index, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey
from models.database import Connection

INSERT_AUDIT_ENTRY: Final = """
    INSERT INTO audit_log (id, action, subject, facts, at)
    VALUES (gen_random_uuid(), %(action)s, %(subject)s, %(facts)s, now())
"""


class AuditEntry(Base):
    """One action. It contains ids, never addresses, titles or texts; ids of erased rows stay, so no foreign key."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_at", text("at DESC"), "id"),)

    id: Mapped[UuidKey]
    actor_id: Mapped[uuid.UUID | None]
    action: Mapped[str]
    subject: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    at: Mapped[CreatedAt]


def record_audit(db: AsyncSession, actor_id: uuid.UUID | None, action: str, subject: object, **facts: Any) -> None:
    """Add an entry to the audit log, in the transaction of the action."""
    db.add(AuditEntry(actor_id=actor_id, action=action, subject=str(subject), facts=facts))


async def insert_audit_entry(connection: Connection, action: str, subject: object, facts: Mapping[str, Any]) -> None:
    """Record an act of the system itself, which has no actor, in the caller's transaction."""
    await connection.execute(
        INSERT_AUDIT_ENTRY, {"action": action, "subject": str(subject), "facts": Jsonb(dict(facts))}
    )
