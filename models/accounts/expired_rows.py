"""Deletes rows that have lost their use: used and expired secrets, ended logins, ended share links.

Each is kept a while after its end: a reused token or a late question of a user can then still be explained.
"""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import Final

from models.accounts.mail_records import delete_old_mail_notices
from models.database import Connection

TOKEN_RETENTION = timedelta(days=1)
ACCESS_RETENTION = timedelta(days=30)
MAX_ROWS = 10_000

# Reset and verification links, and codes that open the extension's login.
DELETE_USED_TOKENS: Final = """
    DELETE FROM one_time_tokens WHERE id IN (SELECT t.id FROM one_time_tokens t
        WHERE least(t.expires_at, t.used_at) < now() - %(age)s::interval
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = t.user_id) LIMIT %(limit)s)
"""
DELETE_ENDED_LOGINS: Final = """
    DELETE FROM login_families WHERE id IN (SELECT f.id FROM login_families f
        WHERE least(f.expires_at, f.revoked_at) < now() - %(age)s::interval
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = f.user_id) LIMIT %(limit)s)
"""
DELETE_ENDED_SHARES: Final = """
    DELETE FROM share_links WHERE id IN (SELECT s.id FROM share_links s
        WHERE least(s.expires_at, s.revoked_at) < now() - %(age)s::interval
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = s.user_id) LIMIT %(limit)s)
"""
DELETE_ENDED_KEYS: Final = """
    DELETE FROM api_keys WHERE id IN (SELECT k.id FROM api_keys k
        WHERE least(k.expires_at, k.revoked_at) < now() - %(age)s::interval
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = k.user_id) LIMIT %(limit)s)
"""

#: Table → the statement that deletes its ended rows, and how long after their end.
_STATEMENTS: Final = MappingProxyType(
    {
        "one_time_tokens": (DELETE_USED_TOKENS, TOKEN_RETENTION),
        "login_families": (DELETE_ENDED_LOGINS, ACCESS_RETENTION),
        "share_links": (DELETE_ENDED_SHARES, ACCESS_RETENTION),
        "api_keys": (DELETE_ENDED_KEYS, ACCESS_RETENTION),
    }
)


async def delete_expired_rows(connection: Connection) -> dict[str, int]:
    """Delete up to `MAX_ROWS` ended rows of each table; returns how many. Safe to repeat.

    Rows of accounts under a legal hold stay.
    """
    counts = {}
    for table, (statement, age) in _STATEMENTS.items():
        counts[table] = (await connection.execute(statement, {"age": age, "limit": MAX_ROWS})).rowcount
    counts["mail_notices"] = await delete_old_mail_notices(connection)
    return counts
