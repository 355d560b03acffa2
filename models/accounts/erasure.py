"""Erasing a person: every row that belongs to a user, counted, then gone.

The tables are found in the catalogue, not in a list somebody has to keep: whatever refers to `users` by a foreign
key, directly or through other tables, belongs to the user.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from psycopg import sql
from psycopg.rows import tuple_row

from models.database import Connection

_REFERENCES = """
    SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, f.attname, c.confdeltype
    FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""


async def owned_tables(connection: Connection) -> dict[str, list[tuple[str, str, str]]]:
    """Table → the ways its rows belong to a user: (column, referenced table, referenced column), cascading only."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_REFERENCES)
        references = [row for row in await cursor.fetchall() if row[4] in ("c", b"c")]
    found: dict[str, list[tuple[str, str, str]]] = {}
    known = {"users"}
    while True:
        fresh = [r for r in references if r[2] in known and (r[1], r[2], r[3]) not in found.get(r[0], [])]
        if not fresh:
            return found
        for table, column, target, target_column, _ in fresh:
            found.setdefault(table, []).append((column, target, target_column))
            known.add(table)


def user_row_condition(
    table: str, tables: dict[str, list[tuple[str, str, str]]], seen: frozenset[str]
) -> sql.Composable:
    """The condition that a row of `table` is the user's."""
    ways: list[sql.Composable] = []
    for column, target, target_column in tables[table]:
        if target == "users":
            ways.append(sql.SQL("{} = %(user)s").format(sql.Identifier(column)))
        elif target not in seen:
            ways.append(
                sql.SQL("{} IN (SELECT {} FROM {} WHERE {})").format(
                    sql.Identifier(column),
                    sql.Identifier(target_column),
                    sql.Identifier(target),
                    user_row_condition(target, tables, seen | {target}),
                )
            )
    return sql.SQL("(") + sql.SQL(" OR ").join(ways) + sql.SQL(")") if ways else sql.SQL("false")


async def count_user_rows(connection: Connection, user_id: uuid.UUID) -> dict[str, int]:
    """How many rows of each table are the user's; tables with none are absent."""
    tables = await owned_tables(connection)
    counts = {}
    for table in sorted(tables):
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
            sql.Identifier(table), user_row_condition(table, tables, frozenset({table}))
        )
        cursor = await connection.execute(query, {"user": user_id})
        row = await cursor.fetchone()
        if row is not None and row[0]:
            counts[table] = int(row[0])
    return {"users": 1, **counts}


async def erase_user(connection: Connection, user_id: uuid.UUID) -> dict[str, int]:
    """Erase the account and everything of it; return what went, empty when there was no such account.

    The caller commits. Waits for writers that are at it, and nobody can add anything meanwhile.
    """
    cursor = await connection.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [user_id])
    if await cursor.fetchone() is None:
        return {}
    # Flushes hold their session's row shared: after this none of them is under way.
    sessions = await connection.execute(
        "SELECT id FROM browsing_sessions WHERE user_id = %s ORDER BY id FOR UPDATE", [user_id]
    )
    ids = [str(row[0]) for row in await sessions.fetchall()]
    counts = await count_user_rows(connection, user_id)
    jobs = await connection.execute(
        "DELETE FROM procrastinate_jobs WHERE status IN ('todo', 'failed', 'cancelled', 'aborted', 'succeeded')"
        " AND (args ->> 'session_id' = ANY(%s) OR args ->> 'user_id' = %s)",
        [ids, str(user_id)],
    )
    if jobs.rowcount:
        counts["jobs"] = jobs.rowcount
    await connection.execute("DELETE FROM users WHERE id = %s", [user_id])
    return counts


async def accounts_to_erase(connection: Connection, delay: timedelta, limit: int = 100) -> list[uuid.UUID]:
    """Accounts closed longer ago than `delay`."""
    cursor = await connection.execute(
        "SELECT id FROM users WHERE status = 'inactive' AND deleted_at < now() - %s ORDER BY deleted_at LIMIT %s",
        [delay, limit],
    )
    return [row[0] for row in await cursor.fetchall()]
