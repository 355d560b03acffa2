"""Statements behind the status page of operators; the gauges of `models.gauges` are the rest of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from models.accounts.audit import INSERT_AUDIT_ENTRY
from models.database import Connection

#: The action of a backup in the audit log.
BACKUP_MADE = "backup.made"

POSTGRESQL_VERSION: Final = "SELECT current_setting('server_version')"
LAST_BACKUP: Final = """
    SELECT subject, at, facts FROM audit_log WHERE action = %(action)s ORDER BY at DESC LIMIT 1
"""
# The age of the oldest account is the age of the data that a first backup would save.
OLDEST_ACCOUNT_S: Final = "SELECT extract(epoch FROM now() - min(created_at))::float8 FROM users"
# A worker sends a heartbeat every two seconds.
COUNT_WORKERS: Final = """
    SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '15 seconds'
"""
# Calls that users cancelled, or that their own process did not finish, say nothing about the provider.
RECENT_PROVIDER_CALLS: Final = """
    SELECT provider, count(*) FILTER (WHERE status IN ('ok', 'unusable')),
        count(*) FILTER (WHERE status IN ('failed', 'timeout', 'refused')),
        count(*) FILTER (WHERE status = 'throttled'),
        max(started_at) FILTER (WHERE status IN ('ok', 'unusable')),
        (array_agg(error_code ORDER BY started_at DESC) FILTER (WHERE error_code IS NOT NULL))[1]
    FROM ai_calls WHERE started_at > now() - interval '1 hour' GROUP BY provider ORDER BY provider
"""


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """The newest backup that this database knows of."""

    name: str
    made_at: datetime
    num_bytes: int
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class ProviderCalls:
    """The calls to one provider within the last hour."""

    provider: str
    num_ok: int
    num_failed: int
    num_throttled: int
    last_ok_at: datetime | None
    last_error_code: str | None


def record_backup(connection: psycopg.Connection[Any], name: str, *, num_bytes: int, is_encrypted: bool) -> None:
    """Note in the audit log that a backup is complete, and commit."""
    facts = {"num_bytes": num_bytes, "is_encrypted": is_encrypted}
    connection.execute(INSERT_AUDIT_ENTRY, {"action": BACKUP_MADE, "subject": name, "facts": Jsonb(facts)})
    connection.commit()


async def last_backup(connection: Connection) -> StoredBackup | None:
    """The newest backup; None when none was made."""
    row = await (await connection.execute(LAST_BACKUP, {"action": BACKUP_MADE})).fetchone()
    if row is None:
        return None
    name, made_at, facts = row
    return StoredBackup(name, made_at, int(facts.get("num_bytes", 0)), bool(facts.get("is_encrypted", False)))


async def provider_calls(connection: Connection) -> list[ProviderCalls]:
    """The calls of the last hour by provider."""
    return [ProviderCalls(*row) for row in await (await connection.execute(RECENT_PROVIDER_CALLS)).fetchall()]
