"""The rows of one account, for its export."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composable, Identifier

from models.accounts.erasure import owned_tables, user_row_condition

#: Tables with secrets, and tables that are derived from exported ones.
_EXCLUDED_TABLES = {"login_families", "one_time_tokens", "search_pages", "search_state"}
_SECRET_COLUMNS = {"password_hash", "digest", "token_version"}
_FETCH_ROWS = 500
_SELECT_ROWS_OF_USER = SQL("SELECT * FROM {} WHERE {}")

#: A row as column → value.
Row: TypeAlias = dict[str, Any]


async def tables_to_export(connection: AsyncConnection[Row]) -> list[tuple[str, Composable]]:
    """Every table with rows of users, and the condition that selects those of one user."""
    tables = await owned_tables(connection)
    exported: list[tuple[str, Composable]] = [("users", SQL("id = %(user)s"))]
    exported += [
        (table, user_row_condition(table, tables, frozenset({table})))
        for table in sorted(tables)
        if table not in _EXCLUDED_TABLES
    ]
    return exported


async def rows_to_export(
    connection: AsyncConnection[Row], table: str, condition: Composable, user_id: uuid.UUID
) -> AsyncGenerator[list[Row], None]:
    """The user's rows of `table` without secret columns, in batches from a server-side cursor."""
    async with connection.cursor(name=f"export_{table}") as cursor:
        await cursor.execute(_SELECT_ROWS_OF_USER.format(Identifier(table), condition), {"user": user_id})
        while rows := await cursor.fetchmany(_FETCH_ROWS):
            yield [{k: v for k, v in row.items() if k not in _SECRET_COLUMNS} for row in rows]
