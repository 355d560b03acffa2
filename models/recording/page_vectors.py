"""Vectors of what the pages of a session are about, stored while it is recorded and reused by its maps.

A vector belongs to a text and to a model: a page with another title or text, or another version of the model, gets a
new one. Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.database import Connection

READ_VECTORS: Final = """
    SELECT page_id, text_key, vector FROM page_vectors
    WHERE session_id = ANY(%(session_ids)s::uuid[]) AND model = %(model)s ORDER BY session_id, page_id
"""
DELETE_OTHER_VECTORS: Final = """
    DELETE FROM page_vectors WHERE session_id = %(session_id)s AND page_id <> ALL(%(page_ids)s::text[])
"""
# Rows that have not changed are not written again.
SAVE_VECTORS: Final = """
    INSERT INTO page_vectors (session_id, page_id, text_key, model, vector)
    SELECT %(session_id)s, * FROM unnest(
        %(page_ids)s::text[], %(text_keys)s::bytea[], %(models)s::text[], %(vectors)s::bytea[])
    ON CONFLICT (session_id, page_id) DO UPDATE
        SET text_key = excluded.text_key, model = excluded.model, vector = excluded.vector
        WHERE (page_vectors.text_key, page_vectors.model, page_vectors.vector)
            IS DISTINCT FROM (excluded.text_key, excluded.model, excluded.vector)
"""
# By the number of texts: most pages have one.
FIND_UNPREPARED_RECORDINGS: Final = """
    SELECT s.id, s.user_id, t.num_texts FROM browsing_sessions s
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT content_key) AS num_texts FROM events WHERE session_id = s.id AND content_key IS NOT NULL
    ) t
    CROSS JOIN LATERAL (
        SELECT count(*) AS num_vectors FROM page_vectors WHERE session_id = s.id AND model = %(model)s
    ) v
    WHERE s.status = 'recording' AND s.deleted_at IS NULL AND s.updated_at > now() - %(age)s::interval
        AND t.num_texts >= v.num_vectors + %(min_new)s
    ORDER BY t.num_texts - v.num_vectors DESC, s.id LIMIT 500
"""
FIND_WHICH_RECORD: Final = """
    SELECT id FROM browsing_sessions
    WHERE id = ANY(%(session_ids)s::uuid[]) AND status IN ('recording', 'paused') AND deleted_at IS NULL
"""
TRY_LOCK_PREPARATION: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('page_vectors.preparation', 0))"
# Events are stored under the same lock mode and do not wait. Stop, deletion and forgetting do.
LOCK_OPEN_RECORDING: Final = """
    SELECT 1 FROM browsing_sessions
    WHERE id = %(session_id)s AND status IN ('recording', 'paused') AND deleted_at IS NULL FOR SHARE
"""


class PageVectorRow(Base):
    """The vector of one page of a session: signed bytes."""

    __tablename__ = "page_vectors"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    page_id: Mapped[str] = mapped_column(primary_key=True)
    #: The first 16 bytes of BLAKE2b over the text that the vector stands for.
    text_key: Mapped[bytes]
    #: Name and version: vectors of different models cannot be compared.
    model: Mapped[str]
    vector: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class StoredVector:
    """A vector of a page, as it is stored."""

    page_id: str
    text_key: bytes
    model: str
    vector: bytes


async def load_vectors(
    connection: Connection, session_ids: Sequence[uuid.UUID], model: str
) -> dict[str, dict[bytes, bytes]]:
    """By page id, the vectors that `model` made of the page in these sessions, by text key."""
    cursor = await connection.execute(READ_VECTORS, {"session_ids": list(session_ids), "model": model})
    found: dict[str, dict[bytes, bytes]] = {}
    for page_id, text_key, vector in await cursor.fetchall():
        found.setdefault(page_id, {})[bytes(text_key)] = bytes(vector)
    return found


async def save_vectors(connection: Connection, session_id: uuid.UUID, vectors: Iterable[StoredVector]) -> None:
    """Make `vectors` the vectors of the session's pages. Safe to repeat.

    The caller holds the lock of the session's row, so that it exists and two workers do not save at once.
    """
    rows = sorted(vectors, key=lambda vector: vector.page_id)
    await connection.execute(
        DELETE_OTHER_VECTORS, {"session_id": session_id, "page_ids": [row.page_id for row in rows]}
    )
    await _write_vectors(connection, session_id, rows)


async def add_vectors(connection: Connection, session_id: uuid.UUID, vectors: Iterable[StoredVector]) -> None:
    """Store `vectors` beside those of the session's other pages. Safe to repeat. See `save_vectors` for the lock."""
    await _write_vectors(connection, session_id, sorted(vectors, key=lambda vector: vector.page_id))


async def _write_vectors(connection: Connection, session_id: uuid.UUID, rows: Sequence[StoredVector]) -> None:
    await connection.execute(
        SAVE_VECTORS,
        {
            "session_id": session_id,
            "page_ids": [row.page_id for row in rows],
            "text_keys": [row.text_key for row in rows],
            "models": [row.model for row in rows],
            "vectors": [row.vector for row in rows],
        },
    )


@dataclass(frozen=True, slots=True)
class UnpreparedRecording:
    """An open recording that has more texts than vectors."""

    session_id: uuid.UUID
    user_id: uuid.UUID
    num_texts: int


async def find_unprepared_recordings(
    connection: Connection, model: str, age: timedelta, min_new: int
) -> list[UnpreparedRecording]:
    """Open recordings of the last `age` with at least `min_new` texts more than vectors of `model`; most first."""
    cursor = await connection.execute(FIND_UNPREPARED_RECORDINGS, {"model": model, "age": age, "min_new": min_new})
    return [UnpreparedRecording(*row) for row in await cursor.fetchall()]


async def which_record(connection: Connection, session_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the sessions that are open recordings."""
    cursor = await connection.execute(FIND_WHICH_RECORD, {"session_ids": list(session_ids)})
    return {row[0] for row in await cursor.fetchall()}


async def try_lock_preparation(connection: Connection) -> bool:
    """Whether this transaction may prepare recordings: until it ends, no other may."""
    cursor = await connection.execute(TRY_LOCK_PREPARATION)
    row = await cursor.fetchone()
    return bool(row and row[0])


async def lock_open_recording(connection: Connection, session_id: uuid.UUID) -> bool:
    """Lock the session's row in shared mode; False when it is deleted or no longer open."""
    cursor = await connection.execute(LOCK_OPEN_RECORDING, {"session_id": session_id})
    return await cursor.fetchone() is not None
