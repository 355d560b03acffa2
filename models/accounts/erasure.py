"""Erasure of an account: every row that belongs to a user, counted and then deleted.

The tables are read from PostgreSQL's catalogue, not from a list maintained by hand: every table that refers
to `users` by a cascading foreign key, directly or through other tables, belongs to the user.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final, TypeAlias

from psycopg import sql
from psycopg.rows import tuple_row

from models.accounts.label_lock import lock_labels
from models.accounts.legal_holds import require_no_hold
from models.database import Connection
from models.jobs import delete_jobs_of_user

#: Table → the foreign keys by which its rows belong to a user: (column, referenced table, referenced column).
OwnedTables: TypeAlias = dict[str, list[tuple[str, str, str]]]

# `confdeltype` is "c" for ON DELETE CASCADE.
LIST_FOREIGN_KEYS: Final = """
    SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, f.attname, c.confdeltype
    FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""

LOCK_USER: Final = "SELECT FROM users WHERE id = %(user_id)s FOR UPDATE"

# A flush holds the rows of its sessions with a shared lock: once these locks are held, no flush is in progress.
LOCK_SESSIONS_OF_USER: Final = "SELECT id FROM browsing_sessions WHERE user_id = %(user_id)s ORDER BY id FOR UPDATE"

# Foreign keys cascade to every other table.
DELETE_USER: Final = "DELETE FROM users WHERE id = %(user_id)s"

FIND_ACCOUNTS_TO_ERASE: Final = """
    SELECT id FROM users u WHERE status = 'inactive' AND deleted_at < now() - %(grace_period)s::interval
        AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = u.id)
    ORDER BY deleted_at LIMIT %(limit)s
"""


async def owned_tables(connection: Connection, root: str = "users") -> OwnedTables:
    """Every table whose rows belong to rows of `root`, found by following cascading foreign keys."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(LIST_FOREIGN_KEYS)
        references = [row for row in await cursor.fetchall() if row[4] in ("c", b"c")]
    owned: OwnedTables = {}
    reached = {root}
    while True:
        fresh = [r for r in references if r[2] in reached and (r[1], r[2], r[3]) not in owned.get(r[0], [])]
        if not fresh:
            return owned
        for table, column, target, target_column, _ in fresh:
            owned.setdefault(table, []).append((column, target, target_column))
            reached.add(table)


def user_row_condition(table: str, tables: OwnedTables, visited: frozenset[str], root: str = "users") -> sql.Composable:
    """The SQL condition that a row of `table` belongs to the user `%(user)s`, or to that row of another `root`.

    `visited` are the tables on the way to this one; a cycle of foreign keys is not followed twice.
    """
    conditions: list[sql.Composable] = []
    for column, target, target_column in tables[table]:
        if target == root:
            conditions.append(sql.SQL("{} = %(user)s").format(sql.Identifier(column)))
        elif target not in visited:
            conditions.append(
                sql.SQL("{} IN (SELECT {} FROM {} WHERE {})").format(
                    sql.Identifier(column),
                    sql.Identifier(target_column),
                    sql.Identifier(target),
                    user_row_condition(target, tables, visited | {target}, root),
                )
            )
    return sql.SQL("(") + sql.SQL(" OR ").join(conditions) + sql.SQL(")") if conditions else sql.SQL("false")


async def count_user_rows(connection: Connection, user_id: uuid.UUID, root: str = "users") -> dict[str, int]:
    """Table → number of the user's rows in it; tables without any are absent. Or of another `root` with this id."""
    tables = await owned_tables(connection, root)
    counts = {}
    for table in sorted(tables):
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
            sql.Identifier(table), user_row_condition(table, tables, frozenset({table}), root)
        )
        cursor = await connection.execute(query, {"user": user_id})
        row = await cursor.fetchone()
        if row is not None and row[0]:
            counts[table] = int(row[0])
    return {root: 1, **counts}


async def erase_user(connection: Connection, user_id: uuid.UUID) -> dict[str, int]:
    """Delete the account and every row that belongs to it; return how many rows of each table, empty if there is none.

    The caller commits. Waits for transactions that write to the user's sessions; later ones find no session. Raises
    AccountHeld.
    """
    # A forgetting locks sessions in another order; it ends first.
    await lock_labels(connection, user_id)
    cursor = await connection.execute(LOCK_USER, {"user_id": user_id})
    if await cursor.fetchone() is None:
        return {}
    await require_no_hold(connection, user_id)
    cursor = await connection.execute(LOCK_SESSIONS_OF_USER, {"user_id": user_id})
    session_ids = [row[0] for row in await cursor.fetchall()]
    counts = await count_user_rows(connection, user_id)
    num_jobs = await delete_jobs_of_user(connection, user_id, session_ids)
    if num_jobs:
        counts["jobs"] = num_jobs
    await connection.execute(DELETE_USER, {"user_id": user_id})
    return counts


async def accounts_to_erase(connection: Connection, grace_period: timedelta, limit: int = 100) -> list[uuid.UUID]:
    """Up to `limit` accounts that were closed longer ago than `grace_period`, the earliest first."""
    cursor = await connection.execute(FIND_ACCOUNTS_TO_ERASE, {"grace_period": grace_period, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]
