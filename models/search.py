"""Asking the search index.

Words are found by three indexes together: titles, topics, passages and addresses by word; page texts by word; and
parts of words in the former by trigrams. A rare word has few hits, and all are ranked. A common one has more than
anybody will look at: then the pages with the most attention are walked from the top until enough of them match.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from models.search_words import normal, question, terms

Connection = AsyncConnection[Any]
#: More hits than this and the question counts as a common one.
MANY = 1_000
#: Of a common one, so many are ranked.
_RANKED = 300
SNIPPET_CHARS = 240


@dataclass(frozen=True, slots=True)
class Filters:
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


def _conditions(filters: Filters) -> tuple[str, dict[str, Any]]:
    parts = ["user_id = %(user)s"]
    given: dict[str, Any] = {}
    if filters.session_id is not None:
        parts.append("session_id = %(session)s")
        given["session"] = filters.session_id
    if filters.domain is not None:
        parts.append("(domain = %(domain)s OR domain LIKE %(subdomain)s)")
        given |= {"domain": filters.domain, "subdomain": "%." + _literal(filters.domain)}
    if filters.since is not None:
        parts.append("last_visited_at >= %(since)s")
        given["since"] = filters.since
    if filters.until is not None:
        parts.append("first_visited_at < %(until)s")
        given["until"] = filters.until
    if filters.has_highlight is not None:
        parts.append("cardinality(highlights) " + ("> 0" if filters.has_highlight else "= 0"))
    return " AND ".join(parts), given


def _literal(text: str) -> str:
    """`text` for LIKE, standing for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def search(
    connection: Connection, user_id: uuid.UUID, text: str, filters: Filters, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], bool]:
    """Rows of the best hits, best first, and whether there are more. Nothing for a question without a word."""
    asked = question(text)
    if asked is None:
        return [], False
    where, given = _conditions(filters)
    # Trigrams need three characters; shorter parts of words are words to the other indexes.
    typed = terms(text)
    matches = "head @@ %(asked)s::tsquery OR body @@ %(asked)s::tsquery"
    if all(len(term) >= 3 for term in typed):
        # One LIKE each: an index cannot answer `LIKE ALL(array)`.
        matches += " OR (" + " AND ".join(f"partial LIKE %(part{i})s" for i in range(len(typed))) + ")"
        given |= {f"part{i}": f"%{_literal(term)}%" for i, term in enumerate(typed)}
    given |= {"user": user_id, "asked": asked, "limit": limit + 1, "offset": offset}
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Planned anew each time: what is best depends on how common the words are.
        await cursor.execute(
            f"SELECT id FROM search_pages WHERE {where} AND ({matches}) LIMIT {MANY + 1}", given, prepare=False
        )
        hits = [row["id"] for row in await cursor.fetchall()]
        if len(hits) > MANY:
            await cursor.execute("SET LOCAL enable_bitmapscan = off")
            await cursor.execute(
                f"SELECT id FROM search_pages WHERE {where} AND ({matches}) ORDER BY attention DESC LIMIT {_RANKED}",
                given,
                prepare=False,
            )
            hits = [row["id"] for row in await cursor.fetchall()]
            await cursor.execute("SET LOCAL enable_bitmapscan = on")
        await cursor.execute(_RANK, given | {"hits": hits})
        rows = await cursor.fetchall()
    return rows[:limit], len(rows) > limit


# Relevance is in 0..1 or a little more; attention decides among the equally relevant.
_RANK = """
    SELECT p.session_id, p.page_id, p.url, p.domain, p.title, p.topics, p.highlights, p.content_key,
           p.first_visited_at, p.last_visited_at, p.dwell_ms, p.user_id, s.title AS session_title, p.score
    FROM (
        SELECT *, least(1.0, ts_rank('{0, 0.3, 0.6, 1.0}', head, %(asked)s::tsquery) * 1.6) * 0.6
                  + 0.4 * attention AS score
        FROM search_pages WHERE id = ANY(%(hits)s)
    ) p JOIN browsing_sessions s ON s.id = p.session_id AND s.deleted_at IS NULL
    ORDER BY p.score DESC, p.last_visited_at DESC, p.id LIMIT %(limit)s OFFSET %(offset)s
"""


async def texts_of(connection: Connection, user_id: uuid.UUID, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Page texts by key."""
    cursor = await connection.execute(
        "SELECT content_key, left(text, 20000) FROM page_contents WHERE user_id = %s AND content_key = ANY(%s)",
        [user_id, list(keys)],
    )
    return dict(await cursor.fetchall())


def snippet(asked: str, title: str | None, highlights: Sequence[str], text: str) -> Snippet:
    """The passage that shows best why a page was found: a marked one, else the text, else the title."""
    wanted = terms(asked)
    for passage in highlights:
        places = _places(passage[:SNIPPET_CHARS], wanted)
        if places:
            return Snippet(passage[:SNIPPET_CHARS], "highlight", places)
    if text:
        lowered = _aligned(text)
        at = min((i for i in (lowered.find(term) for term in wanted) if i >= 0), default=None)
        if at is not None:
            start = _word_start(text, max(0, at - SNIPPET_CHARS // 3))
            passage = " ".join(text[start : start + SNIPPET_CHARS].split())
            return Snippet(passage, "text", _places(passage, wanted))
    shown = title or ""
    places = _places(shown, wanted)
    if not places and text:
        passage = " ".join(text[:SNIPPET_CHARS].split())
        return Snippet(passage, "text", _places(passage, wanted))
    return Snippet(shown, "title", places)


def _aligned(text: str) -> str:
    """`text` case folded, character for character: places in it are places in the original."""
    folded = normal(text)
    return folded if len(folded) == len(text) else "".join(_one(c) for c in text)


def _one(char: str) -> str:
    folded = normal(char)
    return folded if len(folded) == 1 else char


def _word_start(text: str, at: int) -> int:
    if at == 0:
        return 0
    space = text.find(" ", at, at + 30)
    return space + 1 if space >= 0 else at


def _places(text: str, wanted: Sequence[str]) -> tuple[tuple[int, int], ...]:
    lowered = _aligned(text)
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
