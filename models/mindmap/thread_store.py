"""Reads and writes a user's threads and the links the user made. Functions do not commit."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection

#: A topic of a session's map: session id and topic id.
TopicKey = tuple[uuid.UUID, str]

READ_SHOWN_VERSIONS: Final = """
    SELECT s.id::text, m.current_version, v.edits_seq, m.updated_at::text FROM browsing_sessions s
    JOIN mindmaps m ON m.session_id = s.id
    JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE s.user_id = %(user_id)s AND s.deleted_at IS NULL ORDER BY s.started_at DESC, s.id LIMIT %(limit)s
"""
READ_SHOWN_DOCUMENTS: Final = """
    SELECT m.session_id::text, v.data FROM mindmaps m
    JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE m.session_id = ANY(%(session_ids)s::uuid[])
"""
READ_UNLINKED_TOPICS: Final = """
    SELECT session_id, topic_id FROM thread_unlinks WHERE user_id = %(user_id)s ORDER BY session_id, topic_id
"""
READ_TOPIC_LINKS: Final = """
    SELECT session_id, topic_id, other_session_id, other_topic_id FROM thread_links WHERE user_id = %(user_id)s
    ORDER BY session_id, topic_id, other_session_id, other_topic_id
"""
READ_THREADS: Final = "SELECT digest, threads FROM thread_findings WHERE user_id = %(user_id)s"
SAVE_THREADS: Final = """
    INSERT INTO thread_findings (user_id, digest, threads) VALUES (%(user_id)s, %(digest)s, %(threads)s)
    ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, threads = excluded.threads, found_at = now()
"""
DELETE_UNLINKS: Final = """
    DELETE FROM thread_unlinks WHERE user_id = %(user_id)s AND (session_id, topic_id) IN
        ((%(session_id)s, %(topic_id)s), (%(other_session_id)s, %(other_topic_id)s))
"""
INSERT_LINK: Final = """
    INSERT INTO thread_links (id, user_id, session_id, topic_id, other_session_id, other_topic_id)
    VALUES (gen_random_uuid(), %(user_id)s, %(session_id)s, %(topic_id)s, %(other_session_id)s, %(other_topic_id)s)
    ON CONFLICT DO NOTHING
"""
DELETE_LINKS: Final = """
    DELETE FROM thread_links WHERE user_id = %(user_id)s AND (
        (session_id = %(session_id)s AND topic_id = %(topic_id)s)
        OR (other_session_id = %(session_id)s AND other_topic_id = %(topic_id)s))
"""
INSERT_UNLINK: Final = """
    INSERT INTO thread_unlinks (session_id, topic_id, user_id) VALUES (%(session_id)s, %(topic_id)s, %(user_id)s)
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class ThreadSource:
    """What a user's threads are computed from, with session ids as text.

    `maps` are (session id, version, number of edits, time of the last change), newest session first; `links` are pairs
    of topics that the user has linked, `unlinked` topics that the user has taken out of their thread.
    """

    maps: list[tuple[str, int, int, str]]
    unlinked: list[tuple[str, str]]
    links: list[tuple[tuple[str, str], tuple[str, str]]]


async def load_thread_source(connection: Connection, user_id: uuid.UUID, *, max_sessions: int) -> ThreadSource:
    """The maps of the user's newest `max_sessions` sessions and the user's links."""
    cursor = await connection.execute(READ_SHOWN_VERSIONS, {"user_id": user_id, "limit": max_sessions})
    maps = [tuple(row) for row in await cursor.fetchall()]
    cursor = await connection.execute(READ_UNLINKED_TOPICS, {"user_id": user_id})
    unlinked = [(str(session_id), topic_id) for session_id, topic_id in await cursor.fetchall()]
    cursor = await connection.execute(READ_TOPIC_LINKS, {"user_id": user_id})
    links = [
        ((str(session_id), topic_id), (str(other_session_id), other_topic_id))
        for session_id, topic_id, other_session_id, other_topic_id in await cursor.fetchall()
    ]
    return ThreadSource(maps, unlinked, links)


async def load_shown_documents(connection: Connection, session_ids: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """(session id, document as shown) of these sessions, in no particular order; sessions without a map are absent."""
    cursor = await connection.execute(READ_SHOWN_DOCUMENTS, {"session_ids": list(session_ids)})
    return [(session_id, document) for session_id, document in await cursor.fetchall()]


async def load_saved_threads(connection: Connection, user_id: uuid.UUID, digest: str) -> list[dict[str, Any]] | None:
    """The saved threads if they were computed from input with this digest, else None."""
    cursor = await connection.execute(READ_THREADS, {"user_id": user_id})
    row = await cursor.fetchone()
    return list(row[1]) if row is not None and row[0] == digest else None


async def save_threads(connection: Connection, user_id: uuid.UUID, digest: str, threads: list[dict[str, Any]]) -> None:
    """Replace the user's saved threads."""
    await connection.execute(SAVE_THREADS, {"user_id": user_id, "digest": digest, "threads": Jsonb(threads)})


async def link_topics(connection: Connection, user_id: uuid.UUID, topic: TopicKey, other: TopicKey) -> None:
    """Save that two topics have the same subject, and remove what the user said against it. Safe to repeat."""
    first, second = sorted((topic, other))
    parameters = {
        "user_id": user_id,
        "session_id": first[0],
        "topic_id": first[1],
        "other_session_id": second[0],
        "other_topic_id": second[1],
    }
    await connection.execute(DELETE_UNLINKS, parameters)
    await connection.execute(INSERT_LINK, parameters)


async def unlink_topic(connection: Connection, user_id: uuid.UUID, topic: TopicKey) -> None:
    """Save that a topic belongs to no thread, and remove its links. Safe to repeat."""
    parameters = {"user_id": user_id, "session_id": topic[0], "topic_id": topic[1]}
    await connection.execute(DELETE_LINKS, parameters)
    await connection.execute(INSERT_UNLINK, parameters)
