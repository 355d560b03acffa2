"""Asking the search index.

A page is found by its words (title, passages, topics, address: the `head`; with the page's text: the `body`) or by a
part of its head (trigrams). What stands in the head decides the order first, attention second; so the text is asked
only when the heads do not fill the answer with better pages already. A rare question has few hits, and all are ranked.
A common one has more than anybody will look at: then the pages with the most attention are walked from the top until
enough of them match.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import dict_row

from models.database import Connection
from models.search.words import fold_text, query_terms, tsquery_text

#: More hits than this and the question counts as a common one: so many pages are read to rank them all.
MAX_RANKED_HITS = 2_000
#: Of a common one, at least so many are ranked.
_RANKED = 50
#: Where the planner expects more hits than this, the pages with the most attention are looked at first, so many of
#: them. Texts lie apart from their rows and cost more to read.
_COMMON = 5_000
_FIRST, _FIRST_TEXTS = 1_000, 300
#: What attention weighs; relevance has the rest.
_ATTENTION = 0.4
SNIPPET_CHARS = 240


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a hit must also be. `since` and `until` bound its last visit."""

    session_id: uuid.UUID | None = None
    domain: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    has_highlight: bool | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage, where it comes from, and the `[start, end)` places in it that were asked for."""

    text: str
    source: str
    marks: tuple[tuple[int, int], ...]


def _conditions(filters: SearchFilters) -> tuple[str, dict[str, Any]]:
    parts = ["user_id = %(user)s"]
    given: dict[str, Any] = {}
    if filters.session_id is not None:
        parts.append("session_id = %(session)s")
        given["session"] = filters.session_id
    if filters.domain is not None:
        # Backwards, an index finds a domain with its subdomains.
        parts.append("(reverse(domain) = %(domain)s OR reverse(domain) LIKE %(subdomain)s)")
        backwards = filters.domain[::-1]
        given |= {"domain": backwards, "subdomain": _like_literal(backwards) + ".%"}
    if filters.since is not None:
        parts.append("last_visited_at >= %(since)s")
        given["since"] = filters.since
    if filters.until is not None:
        parts.append("first_visited_at < %(until)s")
        given["until"] = filters.until
    if filters.has_highlight is not None:
        parts.append("cardinality(highlights) " + ("> 0" if filters.has_highlight else "= 0"))
    return " AND ".join(parts), given


def _like_literal(text: str) -> str:
    """`text` for LIKE, standing for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def search(
    connection: Connection, user_id: uuid.UUID, text: str, filters: SearchFilters, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], bool]:
    """Rows of the best hits, best first, and whether there are more. Nothing for a question without a word."""
    asked = tsquery_text(text)
    if asked is None:
        return [], False
    where, given = _conditions(filters)
    wanted = offset + limit + 1
    # For the rank each word counts for itself: how far apart they stand the index does not know.
    given |= {"user": user_id, "asked": asked, "any_of": asked.replace(" & ", " | "), "wanted": wanted}
    # Trigrams need three characters; shorter parts of words are words to the other indexes.
    typed = query_terms(text)
    anywhere = "body @@ %(asked)s::tsquery"
    if all(len(term) >= 3 for term in typed):
        # One LIKE each: an index cannot answer `LIKE ALL(array)`.
        parts = " AND ".join(f"partial LIKE %(part{i})s" for i in range(len(typed)))
        anywhere = f"({parts}) OR {anywhere}"
        given |= {f"part{i}": f"%{_like_literal(term)}%" for i, term in enumerate(typed)}
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Compiling a question takes longer than answering it, and so does reading the pages of everybody.
        await cursor.execute("SELECT set_config('jit', 'off', true), set_config('enable_seqscan', 'off', true)")
        heads = _CandidateQuery(where, "head @@ %(asked)s::tsquery", _RELEVANCE, max(_RANKED, wanted), _FIRST)
        best = await _top_hits(cursor, heads, given)
        if len(best) < wanted or best[-1][1] < _ATTENTION:
            # Whatever matches in the text alone scores at most what attention weighs.
            others = await _top_hits(cursor, _CandidateQuery(where, anywhere, "0", wanted, _FIRST_TEXTS), given)
            scores = dict(others) | dict(best)
            best = sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:wanted]
        shown = dict(best[offset:wanted])
        await cursor.execute(_ROWS, {"hits": list(shown)})
        rows = [row | {"score": shown[row["id"]]} for row in await cursor.fetchall()]
    rows.sort(key=lambda row: (-row["score"], -row["last_visited_at"].timestamp(), row["id"]))
    return rows[:limit], len(best) == wanted


@dataclass(frozen=True, slots=True)
class _CandidateQuery:
    """What to find, in SQL: the caller's filters, the words, how relevant a hit is; how many hits are enough, and how
    many pages to look at first."""

    where: str
    matches: str
    relevance: str
    enough: int
    first: int


async def _top_hits(
    cursor: AsyncCursor[dict[str, Any]], asked: _CandidateQuery, given: dict[str, Any]
) -> list[tuple[uuid.UUID, float]]:
    """The ids and scores of the best pages that match, best first."""
    matches, columns = f"{asked.where} AND ({asked.matches})", "id, attention, head"
    walk = f"SELECT {columns} FROM search_pages WHERE {matches} ORDER BY attention DESC LIMIT {asked.enough}"
    first = (
        f"SELECT {columns} FROM (SELECT * FROM search_pages WHERE user_id = %(user)s ORDER BY attention DESC"
        f" LIMIT {asked.first}) search_pages WHERE {matches} LIMIT {asked.enough}"
    )
    some = f"SELECT {columns} FROM search_pages WHERE {matches} LIMIT {MAX_RANKED_HITS + 1}"
    rows: list[dict[str, Any]] = []
    await cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT FROM search_pages WHERE {matches}", given, prepare=False)
    plan = await cursor.fetchone()
    if plan is not None and plan["QUERY PLAN"][0]["Plan"]["Plan Rows"] > _COMMON:
        rows = await _rank(cursor, asked, first, given)
    if not rows or rows[0]["num"] < asked.enough:
        rows = await _rank(cursor, asked, some, given)
        if rows and rows[0]["num"] > MAX_RANKED_HITS:
            # By the index on attention, whatever the planner believes about the words.
            await cursor.execute(_WALK, {"others": "off"})
            rows = await _rank(cursor, asked, walk, given)
            await cursor.execute(_WALK, {"others": "on"})
    return [(row["id"], row["score"]) for row in rows]


_WALK = "SELECT set_config('enable_bitmapscan', %(others)s, true), set_config('enable_sort', %(others)s, true)"


async def _rank(
    cursor: AsyncCursor[dict[str, Any]], asked: _CandidateQuery, hits: str, given: dict[str, Any]
) -> list[dict[str, Any]]:
    # Planned anew each time: what is best depends on how common the words are.
    await cursor.execute(
        f"WITH hits AS MATERIALIZED ({hits}) SELECT id, (SELECT count(*) FROM hits) AS num,"
        f" {1 - _ATTENTION} * {asked.relevance} + {_ATTENTION} * attention AS score"
        " FROM hits ORDER BY score DESC, id LIMIT %(wanted)s",
        given,
        prepare=False,
    )
    return await cursor.fetchall()


# In 0..1.
_RELEVANCE = "least(1.0, ts_rank('{0, 0.3, 0.6, 1.0}', head, %(any_of)s::tsquery) * 1.6)"
_ROWS = """
    SELECT p.id, p.session_id, p.page_id, p.url, p.domain, p.title, p.topics, p.highlights, p.content_key,
           p.first_visited_at, p.last_visited_at, p.dwell_ms, s.title AS session_title
    FROM search_pages p JOIN browsing_sessions s ON s.id = p.session_id AND s.deleted_at IS NULL
    WHERE p.id = ANY(%(hits)s)
"""


async def page_texts(connection: Connection, user_id: uuid.UUID, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Page texts by key."""
    cursor = await connection.execute(
        "SELECT content_key, left(text, 20000) FROM page_contents WHERE user_id = %s AND content_key = ANY(%s)",
        [user_id, list(keys)],
    )
    return dict(await cursor.fetchall())


def snippet(asked: str, title: str | None, highlights: Sequence[str], text: str) -> Snippet:
    """The passage that shows best why a page was found: a marked one, else the text, else the title."""
    wanted = query_terms(asked)
    for passage in highlights:
        places = _mark_ranges(passage[:SNIPPET_CHARS], wanted)
        if places:
            return Snippet(passage[:SNIPPET_CHARS], "highlight", places)
    if text:
        lowered = _folded_aligned(text)
        at = min((i for i in (lowered.find(term) for term in wanted) if i >= 0), default=None)
        if at is not None:
            start = _word_start(text, max(0, at - SNIPPET_CHARS // 3))
            passage = " ".join(text[start : start + SNIPPET_CHARS].split())
            return Snippet(passage, "text", _mark_ranges(passage, wanted))
    shown = title or ""
    places = _mark_ranges(shown, wanted)
    if not places and text:
        passage = " ".join(text[:SNIPPET_CHARS].split())
        return Snippet(passage, "text", _mark_ranges(passage, wanted))
    return Snippet(shown, "title", places)


def _folded_aligned(text: str) -> str:
    """`text` case folded, character for character: places in it are places in the original."""
    folded = fold_text(text)
    return folded if len(folded) == len(text) else "".join(_fold_char(c) for c in text)


def _fold_char(char: str) -> str:
    folded = fold_text(char)
    return folded if len(folded) == 1 else char


def _word_start(text: str, at: int) -> int:
    if at == 0:
        return 0
    space = text.find(" ", at, at + 30)
    return space + 1 if space >= 0 else at


def _mark_ranges(text: str, wanted: Sequence[str]) -> tuple[tuple[int, int], ...]:
    lowered = _folded_aligned(text)
    found: list[tuple[int, int]] = []
    for term in wanted:
        at = lowered.find(term)
        while at >= 0 and len(found) < 50:
            found.append((at, at + len(term)))
            at = lowered.find(term, at + len(term))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
