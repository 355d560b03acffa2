"""The search index: one row per page of a finished session, derived and rebuilt at will.

A session is indexed when somebody searches and it is not indexed yet, or its map has changed since; whoever never
searches pays nothing, and nothing has to remember to keep the index up.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import BigInteger, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.database import Connection
from models.search.words import ADDRESS, TITLE, TOPICS, fold_text, tsvector_text, unweighted_tsvector_text
from models.urls import host_of

#: Of a page's text, this much is searched.
MAX_INDEXED_CHARS = 20_000
_MAX_PARTIAL_CHARS = 4_000
#: Raised when rows must be built differently: all sessions are indexed anew, as they are searched.
INDEX_VERSION = 2


class SearchPage(Base):
    """One page of one session as search sees it."""

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
        # Backwards, so that a domain is found with its subdomains.
        Index(
            "ix_search_pages_domain",
            "user_id",
            func.reverse(text("domain")).label("backwards"),
            postgresql_ops={"backwards": "text_pattern_ops"},
        ),
        # One for either end of a stretch of time: of late days there are few pages after, of early ones before.
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
    #: Attention in 0..1: active time, returns, marked passages.
    attention: Mapped[float]
    head: Mapped[Any] = mapped_column(TSVECTOR)
    body: Mapped[Any] = mapped_column(TSVECTOR)
    partial: Mapped[str]


class SearchState(Base):
    """What of a session is in the index."""

    __tablename__ = "search_state"

    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    map_version: Mapped[int | None]
    index_version: Mapped[int]
    indexed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


def attention_of(dwell_ms: int, num_visits: int, num_highlights: int) -> float:
    """Attention in 0..1; half of it is time, growing slowly after the first minutes."""
    time_spent = min(1.0, math.log1p(dwell_ms / 1000) / math.log1p(1800))
    returns = min(1.0, math.log2(max(1, num_visits)) / 3)
    marks = min(1.0, num_highlights / 3)
    return 0.5 * time_spent + 0.2 * returns + 0.3 * marks


@dataclass(frozen=True, slots=True)
class IndexedPage:
    fields: dict[str, Any]
    text: str


_PAGES = """
    SELECT v.page_id, (array_agg(v.url ORDER BY v.ordinal))[1] AS url,
           (array_agg(v.title ORDER BY v.ordinal DESC) FILTER (WHERE v.title <> ''))[1] AS title,
           (array_agg(v.content_key ORDER BY v.ordinal DESC) FILTER (WHERE v.content_key IS NOT NULL))[1]
             AS content_key,
           min(v.started_at) AS first_visited_at, max(v.started_at) AS last_visited_at,
           sum(v.dwell_ms)::bigint AS dwell_ms, count(*) AS num_visits
    FROM visits v WHERE v.session_id = %s GROUP BY v.page_id
"""
_STALE = """
    SELECT s.id FROM browsing_sessions s
    LEFT JOIN search_state st ON st.session_id = s.id LEFT JOIN mindmaps m ON m.session_id = s.id
    WHERE s.user_id = %s AND s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused')
      AND (st.session_id IS NULL OR st.map_version IS DISTINCT FROM m.current_version OR st.index_version <> %s)
    ORDER BY s.started_at DESC, s.id LIMIT %s
"""
INDEX_COLUMNS = (
    "id, user_id, session_id, page_id, url, domain, title, topics, highlights, content_key, first_visited_at,"
    " last_visited_at, dwell_ms, attention, head, body, partial"
)


async def stale_sessions(connection: Connection, user_id: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Finished sessions of the user that the index does not know as they are now, newest first."""
    cursor = await connection.execute(_STALE, [user_id, INDEX_VERSION, limit])
    return [row[0] for row in await cursor.fetchall()]


async def index_session(connection: Connection, session_id: uuid.UUID) -> int:
    """Index the session anew; return the number of pages. The caller commits. Safe to repeat and to race."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('search:' || %s::text, 0))", [session_id])
    cursor = await connection.execute(
        "SELECT s.user_id, m.current_version, v.data FROM browsing_sessions s"
        " LEFT JOIN mindmaps m ON m.session_id = s.id"
        " LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version WHERE s.id = %s",
        [session_id],
    )
    found = await cursor.fetchone()
    if found is None:
        return 0
    user_id, map_version, document = found
    pages = await _load_pages(connection, user_id, session_id)
    rows = await asyncio.to_thread(index_rows, user_id, session_id, pages, _topics_by_page(document or {}))
    await connection.execute("DELETE FROM search_pages WHERE session_id = %s", [session_id])
    if rows:
        async with (
            connection.cursor() as writer,
            writer.copy(f"COPY search_pages ({INDEX_COLUMNS}) FROM STDIN") as copy,
        ):
            for row in rows:
                await copy.write_row(row)
    await connection.execute(
        "INSERT INTO search_state (session_id, map_version, index_version) VALUES (%s, %s, %s)"
        " ON CONFLICT (session_id) DO UPDATE SET map_version = excluded.map_version,"
        " index_version = excluded.index_version, indexed_at = now()",
        [session_id, map_version, INDEX_VERSION],
    )
    return len(rows)


async def _load_pages(connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID) -> list[IndexedPage]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_PAGES, [session_id])
        pages = await cursor.fetchall()
    rows = await connection.execute(
        "SELECT page_id, array_agg(text ORDER BY occurred_at) FROM highlights"
        " WHERE session_id = %s AND page_id IS NOT NULL GROUP BY page_id",
        [session_id],
    )
    marked = dict(await rows.fetchall())
    rows = await connection.execute(
        "SELECT content_key, left(text, %s) FROM page_contents WHERE user_id = %s AND content_key = ANY(%s)",
        [MAX_INDEXED_CHARS, user_id, [p["content_key"] for p in pages if p["content_key"]]],
    )
    texts = dict(await rows.fetchall())
    return [
        IndexedPage(page | {"highlights": marked.get(page["page_id"], [])}, texts.get(page["content_key"], ""))
        for page in pages
    ]


def _topics_by_page(document: dict[str, Any]) -> dict[str, list[str]]:
    """page_id → the labels of the topics above it, the nearest first."""
    nodes = {node["id"]: node for node in document.get("nodes", [])}
    parents = {e["target"]: e["source"] for e in document.get("edges", []) if e.get("kind") == "contains"}
    found: dict[str, list[str]] = {}
    for node in nodes.values():
        page = (node.get("data") or {}).get("page_id")
        if node.get("type") != "page" or not page:
            continue
        above: list[str] = []
        at = parents.get(node["id"])
        while at in nodes and nodes[at]["type"] != "core" and len(above) < 4:
            above.append(nodes[at]["label"])
            at = parents.get(at)
        found[page] = above
    return found


def index_rows(
    user_id: uuid.UUID, session_id: uuid.UUID, pages: list[IndexedPage], topics: dict[str, list[str]]
) -> list[tuple[Any, ...]]:
    rows = []
    for page in pages:
        known, above = page.fields, topics.get(page.fields["page_id"], [])
        marked = known["highlights"]
        head = [
            (TITLE, " ".join([known["title"] or "", *marked])),
            (TOPICS, " ".join(above)),
            (ADDRESS, known["url"][:1000]),
        ]
        rows.append(
            (
                uuid.uuid5(session_id, known["page_id"]),
                user_id,
                session_id,
                known["page_id"],
                known["url"],
                host_of(known["url"]),
                known["title"],
                above,
                marked,
                known["content_key"],
                known["first_visited_at"],
                known["last_visited_at"],
                known["dwell_ms"],
                attention_of(known["dwell_ms"], known["num_visits"], len(marked)),
                tsvector_text(head),
                # With the head: of two words one may stand in the title and the other in the text.
                unweighted_tsvector_text(" ".join([*(part for _, part in head), page.text])),
                fold_text(" ".join(part for _, part in head))[:_MAX_PARTIAL_CHARS],
            )
        )
    return rows
