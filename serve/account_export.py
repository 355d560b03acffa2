"""The export of one account as a zip archive, streamed: its size is not limited by memory."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from models.accounts.erasure import owned_tables, user_row_condition
from serve.state import AppState

#: Tables with secrets, and tables that are derived from exported ones.
_EXCLUDED_TABLES = {"login_families", "one_time_tokens", "search_pages", "search_state"}
_SECRET_COLUMNS = {"password_hash", "digest", "token_version"}
_FETCH_ROWS = 500
_README = """Everything Trailmind knows of you, one JSON object a line, one file a kind.

users.jsonl, user_settings.jsonl  your account
browsing_sessions.jsonl           your recordings
events.jsonl                      every event, as your browser sent it (`payload`)
page_contents.jsonl               page texts; events name them by `content_key`
visits.jsonl, highlights.jsonl    what was derived from the events
mindmaps.jsonl, mindmap_versions.jsonl   your maps

Left out: password and token digests, and the search index, which is made from the files above.
"""


class _ArchiveBuffer(io.RawIOBase):
    """A write-only, unseekable file in memory whose content can be taken out in pieces."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._num_written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._num_written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._num_written

    def seekable(self) -> bool:
        return False

    def drain(self) -> bytes:
        """The bytes that were written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _encode_value(value: Any) -> Any:
    if isinstance(value, memoryview | bytes):
        return bytes(value).hex()
    return str(value)


async def account_archive(state: AppState, user_id: uuid.UUID) -> AsyncIterator[bytes]:
    """The archive in pieces. All tables are read in one snapshot (REPEATABLE READ)."""
    buffer = _ArchiveBuffer()
    async with await psycopg.AsyncConnection.connect(
        state.settings.database.postgres_dsn, row_factory=dict_row
    ) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        tables = await _tables(connection)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _README)
            yield buffer.drain()
            for table, condition in tables:
                async with connection.cursor(name=f"export_{table}") as cursor:
                    await cursor.execute(
                        sql.SQL("SELECT * FROM {} WHERE {}").format(sql.Identifier(table), condition),
                        {"user": user_id},
                    )
                    rows = await cursor.fetchmany(_FETCH_ROWS)
                    if not rows:
                        continue
                    with archive.open(f"{table}.jsonl", "w") as file:
                        while rows:
                            for row in rows:
                                exported = {k: v for k, v in row.items() if k not in _SECRET_COLUMNS}
                                file.write(msgspec.json.encode(exported, enc_hook=_encode_value) + b"\n")
                            yield buffer.drain()
                            rows = await cursor.fetchmany(_FETCH_ROWS)
    yield buffer.drain()


async def _tables(connection: psycopg.AsyncConnection[dict[str, Any]]) -> list[tuple[str, sql.Composable]]:
    tables = await owned_tables(connection)
    exported: list[tuple[str, sql.Composable]] = [("users", sql.SQL("id = %(user)s"))]
    exported += [
        (table, user_row_condition(table, tables, frozenset({table})))
        for table in sorted(tables)
        if table not in _EXCLUDED_TABLES
    ]
    return exported
