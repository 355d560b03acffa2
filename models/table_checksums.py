"""Row counts and checksums of all tables, to compare a restored database with the original."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

LIST_TABLES: Final = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname
"""

EXPORT_SNAPSHOT: Final = "SELECT pg_export_snapshot()"

COUNT_OTHER_CLIENTS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

READ_REVISION: Final = "SELECT version_num FROM alembic_version"

# The sum does not depend on the order of rows; hashtextextended returns 64 bits.
_CHECKSUM = sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t")


class TableChecksum(NamedTuple):
    """The number of rows of a table, and the sum of the 64-bit hashes of their texts."""

    rows: int
    checksum: str


def list_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """The names of all tables, sorted. Raises psycopg.Error."""
    return [table for (table,) in connection.execute(LIST_TABLES).fetchall()]


def table_checksums(connection: psycopg.Connection[Any]) -> dict[str, TableChecksum]:
    """Table → checksum of its rows, as the current transaction sees them; reads every row. Raises psycopg.Error."""
    checksums = {}
    for table in list_tables(connection):
        row = connection.execute(_CHECKSUM.format(sql.Identifier(table))).fetchone()
        assert row is not None
        checksums[table] = TableChecksum(int(row[0]), str(row[1]))
    return checksums


def export_snapshot(connection: psycopg.Connection[Any]) -> str:
    """The name of the current transaction's snapshot, for `pg_dump --snapshot`. Raises psycopg.Error."""
    row = connection.execute(EXPORT_SNAPSHOT).fetchone()
    assert row is not None
    return str(row[0])


def read_revision(connection: psycopg.Connection[Any]) -> str:
    """The revision of the schema. Raises psycopg.Error, also for a database without our schema."""
    row = connection.execute(READ_REVISION).fetchone()
    assert row is not None
    return str(row[0])


def count_other_clients(connection: psycopg.Connection[Any]) -> int:
    """Other connections to the same database. Raises psycopg.Error."""
    row = connection.execute(COUNT_OTHER_CLIENTS).fetchone()
    assert row is not None
    return int(row[0])


def clear_database(connection: psycopg.Connection[Any]) -> None:
    """Drop every table, type and function of the schema `public`. Raises psycopg.Error."""
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
