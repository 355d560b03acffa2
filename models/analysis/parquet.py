"""Parquet files with nested columns, written and read by DuckDB without pandas or pyarrow.

DuckDB may touch one directory only and loads no extension, so that neither a file nor a text can make it read or send
anything else. Values are always parameters.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb

from models.errors import BadRequest

#: To scan 2,048 rows DuckDB holds all their texts, several times.
_MEMORY_LIMIT: Final = "2GB"
#: Rows that one statement inserts; each statement waits for the disk.
_INSERTED_ROWS: Final = 500
_FETCH_ROWS: Final = 500
_DATABASE: Final = "rows.duckdb"
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": _MEMORY_LIMIT,
    # Each thread holds a row group.
    "threads": 1,
}

ALLOW_DIRECTORY: Final = "SET allowed_directories = $directories"
REFUSE_OTHER_FILES: Final = "SET enable_external_access = false"
LOCK_CONFIGURATION: Final = "SET lock_configuration = true"
CREATE_ROWS: Final = "CREATE TABLE {table} ({columns})"
# One statement for many rows: `executemany` takes fifty times as long.
INSERT_ROWS: Final = (
    "INSERT INTO {table} SELECT unnest(given) FROM (SELECT unnest($rows::STRUCT({columns})[]) AS given)"
)
DELETE_ROWS: Final = "DELETE FROM {table} WHERE {key} NOT IN (SELECT unnest($kept::VARCHAR[]))"
# Small row groups: the writer holds one in memory, and the default of 122,880 rows with texts needs gigabytes.
COPY_ROWS: Final = "COPY {table} TO $path (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)"
READ_ROWS: Final = "SELECT * FROM read_parquet($path)"


@contextmanager
def _confined_database(database: str, directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that can touch only `directory`."""
    connection = duckdb.connect(database, config=_CONFIG)
    try:
        connection.execute(ALLOW_DIRECTORY, {"directories": [str(directory)]})
        connection.execute(REFUSE_OTHER_FILES)
        connection.execute(LOCK_CONFIGURATION)
        yield connection
    finally:
        connection.close()


class ParquetWriter:
    """Collects rows on disk and writes a Parquet file for each table. Use as a context manager.

    `columns` are the columns of each table as DuckDB declares them. Rows have a value for each column. Raises
    BadRequest at the end when the rows need more memory or disk than there is.
    """

    def __init__(self, directory: Path, columns: Mapping[str, str]) -> None:
        self._directory, self._columns = directory.absolute(), columns
        self._waiting: dict[str, list[Mapping[str, Any]]] = {table: [] for table in columns}

    def __enter__(self) -> Self:
        self._opened = _confined_database(str(self._directory / _DATABASE), self._directory)
        self._connection = self._opened.__enter__()
        for table, columns in self._columns.items():
            self._connection.execute(CREATE_ROWS.format(table=table, columns=columns))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, traceback)
        for path in self._directory.glob(f"{_DATABASE}*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        # DuckDB reports the same at the end of a statement as a failed commit.
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.TransactionException):
            raise BadRequest(
                f"the texts are too long to be written with {_CONFIG['memory_limit']} of memory: choose fewer sessions,"
                " or leave the texts out"
            ) from error
        if isinstance(error, duckdb.IOException):
            raise BadRequest(f"{self._directory.parent} cannot be written: perhaps its disk is full") from error

    def add(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a table."""
        self._waiting[table] += rows
        if len(self._waiting[table]) >= _INSERTED_ROWS:
            self._insert(table)

    def _insert(self, table: str) -> None:
        rows, self._waiting[table] = self._waiting[table], []
        if rows:
            self._connection.execute(INSERT_ROWS.format(table=table, columns=self._columns[table]), {"rows": rows})

    def keep(self, table: str, key: str, kept: Collection[str]) -> None:
        """Delete the rows whose column `key` has another value."""
        self._insert(table)
        self._connection.execute(DELETE_ROWS.format(table=table, key=key), {"kept": list(kept)})

    def write(self, table: str) -> Path:
        """Write the rows of a table in the order in which they were added; return the file."""
        self._insert(table)
        path = self._directory / f"{table}.parquet"
        self._connection.execute(COPY_ROWS.format(table=table), {"path": str(path)})
        return path


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file. Raises BadRequest for a file that cannot be read."""
    path = path.absolute()
    with _confined_database(":memory:", path.parent) as connection:
        try:
            result = connection.execute(READ_ROWS, {"path": str(path)})
            names = [column[0] for column in result.description or ()]
            while rows := result.fetchmany(_FETCH_ROWS):
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        except duckdb.Error as error:
            raise BadRequest(f"{path.name} cannot be read as Parquet ({type(error).__name__})") from None
