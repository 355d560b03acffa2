"""The export of one account as a zip archive, streamed: its size is not limited by memory."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from models.accounts.export import Row, rows_to_export, tables_to_export
from serve.state import AppState

_README = """All data that Trailmind stores about you: one file per table, one JSON object per line.

users.jsonl, user_settings.jsonl  your account
browsing_sessions.jsonl           your recordings
events.jsonl                      every event as your browser sent it (`payload`)
page_contents.jsonl               page texts; events refer to them by `content_key`
visits.jsonl, highlights.jsonl    derived from the events
mindmaps.jsonl, mindmap_versions.jsonl   your maps

Not included: password and token digests, and the search index, which is derived from the files above.
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
    dsn = state.settings.database.postgres_dsn
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        tables = await tables_to_export(connection)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _README)
            yield buffer.drain()
            for table, condition in tables:
                async with aclosing(rows_to_export(connection, table, condition, user_id)) as batches:
                    first = await anext(batches, None)
                    if first is None:
                        continue
                    with archive.open(f"{table}.jsonl", "w") as file:
                        file.write(_encode_rows(first))
                        yield buffer.drain()
                        async for rows in batches:
                            file.write(_encode_rows(rows))
                            yield buffer.drain()
    yield buffer.drain()


def _encode_rows(rows: list[Row]) -> bytes:
    return b"".join(msgspec.json.encode(row, enc_hook=_encode_value) + b"\n" for row in rows)
