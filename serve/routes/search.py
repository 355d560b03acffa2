"""Full-text search over all pages of the caller's sessions."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from psycopg import DataError

from models.errors import BadRequest
from models.recording.exclusions import normalize_domain
from models.schemas.search import Mark, SearchHit, SearchReply
from models.search.index import index_session, stale_sessions
from models.search.queries import SearchFilters, page_texts, search, snippet
from serve.dependencies import CurrentUserId, DbConnection, State
from serve.state import AppState

log = structlog.get_logger("serve")
router = APIRouter(prefix="/v1", tags=["search"])
#: Stale sessions indexed before the reply, and at most so many after it in the background.
_MAX_INDEXED_BEFORE_REPLY, _MAX_INDEXED_AFTER_REPLY = 5, 500


async def _index(state: AppState, user_id: uuid.UUID, limit: int) -> int:
    """Index up to `limit` stale sessions, each in its own transaction; the number of stale sessions that remain.

    A session that cannot be indexed does not keep the others out of the results.
    """
    async with state.open_connection() as connection:
        stale = await stale_sessions(connection, user_id, limit + 1)
    for session_id in stale[:limit]:
        try:
            async with state.open_connection() as connection:
                await index_session(connection, session_id)
                await connection.commit()
        except DataError as error:
            log.error("session_not_indexed", session_id=str(session_id), error=type(error).__name__)
    return len(stale) - limit


async def _index_rest(state: AppState, user_id: uuid.UUID) -> None:
    try:
        await _index(state, user_id, _MAX_INDEXED_AFTER_REPLY)
    except Exception as error:  # the next search tries again
        log.warning("indexing_failed", error=type(error).__name__)
    finally:
        state.indexing_tasks.pop(user_id, None)


@router.get("/search", response_model_exclude_none=True)
async def search_pages(
    user_id: CurrentUserId,
    state: State,
    connection: DbConnection,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Words or parts of words")],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=400)] = 0,
    session_id: Annotated[uuid.UUID | None, Query()] = None,
    domain: Annotated[str | None, Query(max_length=2_000, description="A domain, with its subdomains")] = None,
    since: Annotated[datetime | None, Query(description="Visited at or after")] = None,
    until: Annotated[datetime | None, Query(description="Visited before")] = None,
    has_highlight: Annotated[bool | None, Query()] = None,
) -> SearchReply:
    """Pages of the caller's sessions that match the query, best first.

    Every word must occur in the title, a highlight, a topic, the address or the text; parts of words match, also in
    Korean. Results are ranked by relevance, then by attention (active time, visits, highlights).
    """
    if "\x00" in q:
        raise BadRequest("q: contains a NUL character")
    try:
        filters = SearchFilters(session_id, normalize_domain(domain) if domain else None, since, until, has_highlight)
    except ValueError as error:
        raise BadRequest(f"domain: {error}") from None
    started_at = time.perf_counter()
    num_stale = await _index(state, user_id, _MAX_INDEXED_BEFORE_REPLY)
    if num_stale > 0 and user_id not in state.indexing_tasks:
        state.indexing_tasks[user_id] = asyncio.create_task(_index_rest(state, user_id))
    rows, has_more = await search(
        connection, user_id, q, filters, limit=limit, offset=offset, has_old_rows=num_stale > 0
    )
    texts = await page_texts(connection, user_id, [r["content_key"] for r in rows if r["content_key"]])
    results = []
    for row in rows:
        text = texts.get(row["content_key"], "")
        passage = snippet(q, row["title"], row["highlights"], text, row["topics"])
        results.append(
            SearchHit(
                session_id=str(row["session_id"]),
                session_title=row["session_title"],
                session_started_at=row["session_started_at"],
                page_id=row["page_id"],
                url=row["url"],
                domain=row["domain"],
                title=row["title"],
                topics=row["topics"],
                highlights=row["highlights"][:3],
                snippet=passage.text,
                snippet_from=passage.source,
                marks=[Mark(start=a, end=b) for a, b in passage.marks],
                first_visited_at=row["first_visited_at"],
                last_visited_at=row["last_visited_at"],
                dwell_ms=row["dwell_ms"],
                score=round(row["score"], 4),
            )
        )
    return SearchReply(
        results=results,
        has_more=has_more,
        is_indexing=num_stale > 0,
        took_ms=round((time.perf_counter() - started_at) * 1000, 1),
    )
