"""The search index: one row per page of a finished session, derived from other tables and rebuildable.

Sessions are indexed lazily, by a search of their user, if they are new or their map has changed. Users who do not
search cost nothing, and no other module has to update the index.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row
from sqlalchemy import BigInteger, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.database import Connection
from models.search.words import (
    ADDRESS,
    TITLE,
    TOPICS,
    fold_text,
    lexeme_prefix,
    tsvector_text,
    unweighted_tsvector_text,
)
from models.urls import host_of

#: Characters of a page's text that are indexed.
MAX_INDEXED_CHARS = 20_000
_MAX_PARTIAL_CHARS = 4_000
#: Characters of a page's highlights that are indexed. PostgreSQL limits a tsvector to 1 MB.
_MAX_HIGHLIGHT_CHARS = 20_000
#: The length of a domain name (RFC 1035). PostgreSQL limits an index entry to 2,704 bytes.
_MAX_DOMAIN_CHARS = 253
#: Topics above a page that are indexed with it.
_MAX_TOPICS = 4
#: Increase it when rows are built differently: sessions are then indexed again at the next search.
INDEX_VERSION = 5


class SearchPage(Base):
    """One page of one session in the index."""

    __tablename__ = "search_pages"
    __table_args__ = (
        Index("ix_search_pages_head", "user_id", "head", postgresql_using="gin"),
        Index("ix_search_pages_body", "user_id", "body", postgresql_using="gin"),
        Index(
            "ix_search_pages_partial",
            "user_id",
            "partial",
            postgresql_using="gin",
            postgresql_ops={"partial": "gin_trgm_ops"},
        ),
        Index("ix_search_pages_attention", "user_id", text("attention DESC"), "id"),
        # Reversed, so that a domain is found together with its subdomains.
        Index(
            "ix_search_pages_domain",
            "user_id",
            func.reverse(text("domain")).label("backwards"),
            postgresql_ops={"backwards": "text_pattern_ops"},
        ),
        # One index for each end of a time range: recent ranges have few later pages, old ones few earlier pages.
        Index("ix_search_pages_last_visited", "user_id", "last_visited_at"),
        Index("ix_search_pages_first_visited", "user_id", "first_visited_at"),
        Index("ix_search_pages_session_id", "session_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"))
    page_id: Mapped[str]
    url: Mapped[str]
    domain: Mapped[str]
    title: Mapped[str | None]
    topics: Mapped[list[str]] = mapped_column(ARRAY(Text))
    highlights: Mapped[list[str]] = mapped_column(ARRAY(Text))
    content_key: Mapped[uuid.UUID | None]
    first_visited_at: Mapped[datetime]
    last_visited_at: Mapped[datetime]
    dwell_ms: Mapped[int] = mapped_column(BigInteger)
    #: Attention in 0..1: active time, revisits, highlights.
    attention: Mapped[float]
    head: Mapped[Any] = mapped_column(TSVECTOR)
    body: Mapped[Any] = mapped_column(TSVECTOR)
    partial: Mapped[str]


class SearchState(Base):
    """Which version of a session is in the index."""

    __tablename__ = "search_state"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    map_version: Mapped[int | None]
    index_version: Mapped[int]
    indexed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


def attention_of(dwell_ms: int, num_visits: int, num_highlights: int) -> float:
    """Attention in 0..1: 0.5 active time (logarithmic, 30 minutes at most), 0.2 revisits, 0.3 highlights."""
    time_spent = min(1.0, math.log1p(dwell_ms / 1000) / math.log1p(1800))
    revisits = min(1.0, math.log2(max(1, num_visits)) / 3)
    highlights = min(1.0, num_highlights / 3)
    return 0.5 * time_spent + 0.2 * revisits + 0.3 * highlights


@dataclass(frozen=True, slots=True)
class IndexedPage:
    fields: dict[str, Any]
    text: str


AGGREGATE_PAGES: Final = """
    SELECT v.page_id, (array_agg(v.url ORDER BY v.ordinal))[1] AS url,
           (array_agg(v.title ORDER BY octet_length(c.text) DESC NULLS LAST, v.ordinal DESC)
             FILTER (WHERE v.title <> ''))[1] AS title,
           (array_agg(v.content_key ORDER BY octet_length(c.text) DESC NULLS LAST, v.ordinal DESC)
             FILTER (WHERE v.content_key IS NOT NULL))[1] AS content_key,
           min(v.started_at) AS first_visited_at, max(v.started_at) AS last_visited_at,
           sum(v.dwell_ms)::bigint AS dwell_ms, count(*) AS num_visits
    FROM visits v LEFT JOIN page_contents c ON c.user_id = %(user)s AND c.content_key = v.content_key
    WHERE v.session_id = %(session)s GROUP BY v.page_id
"""
FIND_STALE_SESSIONS: Final = """
    SELECT s.id FROM browsing_sessions s
    LEFT JOIN search_state st ON st.session_id = s.id LEFT JOIN mindmaps m ON m.session_id = s.id
    WHERE s.user_id = %(user)s AND s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused')
      AND (st.session_id IS NULL OR st.map_version IS DISTINCT FROM m.current_version
           OR st.index_version <> %(index_version)s)
    ORDER BY s.started_at DESC, s.id LIMIT %(limit)s
"""
# Serializes concurrent indexing of one session until the end of the transaction.
LOCK_SESSION_INDEX: Final = "SELECT pg_advisory_xact_lock(hashtextextended('search:' || %(session)s::text, 0))"
READ_CURRENT_MAP: Final = """
    SELECT s.user_id, m.current_version, v.data FROM browsing_sessions s
    LEFT JOIN mindmaps m ON m.session_id = s.id
    LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE s.id = %(session)s
"""
READ_HIGHLIGHTS: Final = """
    SELECT page_id, array_agg(text ORDER BY occurred_at) FROM highlights
    WHERE session_id = %(session)s AND page_id IS NOT NULL GROUP BY page_id
"""
READ_TEXTS: Final = """
    SELECT content_key, left(text, %(max_chars)s) FROM page_contents
    WHERE user_id = %(user)s AND content_key = ANY(%(content_keys)s)
"""
DELETE_INDEX_ROWS: Final = "DELETE FROM search_pages WHERE session_id = %(session)s"
SAVE_INDEX_STATE: Final = """
    INSERT INTO search_state (session_id, map_version, index_version)
    VALUES (%(session)s, %(map_version)s, %(index_version)s)
    ON CONFLICT (session_id) DO UPDATE SET map_version = excluded.map_version,
        index_version = excluded.index_version, indexed_at = now()
"""
INDEX_COLUMNS: Final = (
    "id, user_id, session_id, page_id, url, domain, title, topics, highlights, content_key, first_visited_at,"
    " last_visited_at, dwell_ms, attention, head, body, partial"
)
COPY_INDEX_ROWS: Final = f"COPY search_pages ({INDEX_COLUMNS}) FROM STDIN"


async def stale_sessions(connection: Connection, user_id: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Finished sessions of the user that are not indexed in their current state, newest first."""
    cursor = await connection.execute(
        FIND_STALE_SESSIONS, {"user": user_id, "index_version": INDEX_VERSION, "limit": limit}
    )
    return [row[0] for row in await cursor.fetchall()]


async def index_session(connection: Connection, session_id: uuid.UUID) -> int:
    """Index the session again; the number of its pages. The caller commits. Safe to repeat and to run concurrently."""
    session = {"session": session_id}
    await connection.execute(LOCK_SESSION_INDEX, session)
    row = await (await connection.execute(READ_CURRENT_MAP, session)).fetchone()
    if row is None:
        return 0
    user_id, map_version, document = row
    pages = await _load_pages(connection, user_id, session_id)
    rows = await asyncio.to_thread(index_rows, user_id, session_id, pages, _topics_by_page(document or {}))
    await connection.execute(DELETE_INDEX_ROWS, session)
    if rows:
        async with connection.cursor() as writer, writer.copy(COPY_INDEX_ROWS) as copy:
            for index_row in rows:
                await copy.write_row(index_row)
    await connection.execute(SAVE_INDEX_STATE, session | {"map_version": map_version, "index_version": INDEX_VERSION})
    return len(rows)


async def _load_pages(connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID) -> list[IndexedPage]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(AGGREGATE_PAGES, {"session": session_id, "user": user_id})
        pages = await cursor.fetchall()
    highlights = dict(await (await connection.execute(READ_HIGHLIGHTS, {"session": session_id})).fetchall())
    content_keys = [page["content_key"] for page in pages if page["content_key"]]
    cursor_of_texts = await connection.execute(
        READ_TEXTS, {"max_chars": MAX_INDEXED_CHARS, "user": user_id, "content_keys": content_keys}
    )
    texts = dict(await cursor_of_texts.fetchall())
    return [
        IndexedPage(page | {"highlights": highlights.get(page["page_id"], [])}, texts.get(page["content_key"], ""))
        for page in pages
    ]


def _topics_by_page(document: dict[str, Any]) -> dict[str, list[str]]:
    """page_id → the labels of the topics above the page, the nearest first."""
    nodes = {node["id"]: node for node in document.get("nodes", [])}
    parents = {e["target"]: e["source"] for e in document.get("edges", []) if e.get("kind") == "contains"}
    topics: dict[str, list[str]] = {}
    for node in nodes.values():
        page = (node.get("data") or {}).get("page_id")
        if node.get("type") != "page" or not page:
            continue
        labels: list[str] = []
        ancestor = parents.get(node["id"])
        while ancestor in nodes and nodes[ancestor]["type"] != "core" and len(labels) < _MAX_TOPICS:
            labels.append(nodes[ancestor]["label"])
            ancestor = parents.get(ancestor)
        topics[page] = labels
    return topics


def index_rows(
    user_id: uuid.UUID, session_id: uuid.UUID, pages: list[IndexedPage], topics: dict[str, list[str]]
) -> list[tuple[Any, ...]]:
    """One row of `search_pages` per page, in the order of INDEX_COLUMNS."""
    rows, prefix = [], lexeme_prefix(user_id)
    for page in pages:
        fields, page_topics = page.fields, topics.get(page.fields["page_id"], [])
        highlights = fields["highlights"]
        head = [
            (TITLE, " ".join([fields["title"] or "", *highlights])[:_MAX_HIGHLIGHT_CHARS]),
            (TOPICS, " ".join(page_topics)),
            (ADDRESS, fields["url"][:1000]),
        ]
        rows.append(
            (
                uuid.uuid5(session_id, fields["page_id"]),
                user_id,
                session_id,
                fields["page_id"],
                fields["url"],
                host_of(fields["url"])[-_MAX_DOMAIN_CHARS:],
                fields["title"],
                page_topics,
                highlights,
                fields["content_key"],
                fields["first_visited_at"],
                fields["last_visited_at"],
                fields["dwell_ms"],
                attention_of(fields["dwell_ms"], fields["num_visits"], len(highlights)),
                tsvector_text(head, prefix),
                # Includes the head: one word of a query may be in the title and another in the text.
                unweighted_tsvector_text(" ".join([*(part for _, part in head), page.text]), prefix),
                fold_text(" ".join(part for _, part in head))[:_MAX_PARTIAL_CHARS],
            )
        )
    return rows
