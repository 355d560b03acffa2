"""Vectors of what the pages of a session are about, stored when its first map is made and reused by later maps.

A vector belongs to a text and to a model: a page with another title or text, or another version of the model, gets a
new one. Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
