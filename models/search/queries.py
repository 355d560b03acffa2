"""Queries on the search index.

A page matches by its words (`head`: title, highlights, topics and address; `body`: the head with the page's text) or by
a part of its head (trigrams). Matches in the head rank first, attention second; the text is searched only if the heads
do not fill the result with better pages already. A rare query has few hits, and all of them are ranked. A common query
has more than a user will read: the pages with the most attention are scanned from the top until enough of them match.
"""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import AsyncCursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal, Placeholder

from models.database import Connection
from models.search.forgiving import ForgivingTerm, forgiving_terms, has_word_like, least_similarity, meant_terms
from models.search.words import fold_text, fold_with_positions, lexeme_prefix, query_terms, tsquery_text

#: A query with more hits counts as common; up to so many hits are ranked.
MAX_RANKED_HITS = 2_000
#: At least so many hits of a common query are ranked.
_MIN_RANKED_HITS = 50
#: If the planner expects more hits than this, the pages with the most attention are scanned first: so many of them, and
#: fewer when texts are searched, which are stored apart from their rows and cost more to read.
_COMMON = 5_000
_FIRST_PAGES, _FIRST_TEXTS = 1_000, 300
#: Weight of attention in the score; relevance has the rest.
_ATTENTION = 0.4
SNIPPET_CHARS = 240
#: A run of more characters is not a word but an address, or a script without spaces.
_MAX_WORD_CHARS: Final = 30
_SPACE: Final = re.compile(r"\s+")

# Compiling a query takes longer than running it, and a sequential scan reads the pages of all users.
CONFIGURE_PLANNER: Final = "SELECT set_config('jit', 'off', true), set_config('enable_seqscan', 'off', true)"
# Makes the planner scan by the index on attention, whatever it estimates for the words.
SWITCH_SORTING_PLANS: Final = (
    "SELECT set_config('enable_bitmapscan', %(state)s, true), set_config('enable_sort', %(state)s, true)"
)
READ_HITS: Final = """
    SELECT p.id, p.session_id, p.page_id, p.url, p.domain, p.title, p.topics, p.highlights, p.content_key,
           p.first_visited_at, p.last_visited_at, p.dwell_ms, s.title AS session_title,
           s.started_at AS session_started_at
    FROM search_pages p JOIN browsing_sessions s ON s.id = p.session_id AND s.deleted_at IS NULL
    WHERE p.id = ANY(%(hits)s)
"""
READ_PAGE_TEXTS: Final = """
    SELECT content_key, left(text, 20000) FROM page_contents
    WHERE user_id = %(user)s AND content_key = ANY(%(content_keys)s)
"""

# The planner expects more similar pages than there are: it would walk the index on attention and compare every page.
CONFIGURE_SIMILARITY: Final = """
    SELECT set_config('pg_trgm.word_similarity_threshold', %(similarity)s, true),
        set_config('enable_indexscan', 'off', true)
"""
ALLOW_INDEX_SCANS: Final = "SELECT set_config('enable_indexscan', 'on', true)"

# The statements below depend on the filters and on the number of words: they are composed of these parts.
_SOME_HITS = SQL("SELECT id, attention, head FROM search_pages WHERE {matches} LIMIT {limit}")
_HITS_BY_ATTENTION = SQL(
    "SELECT id, attention, head FROM search_pages WHERE {matches} ORDER BY attention DESC LIMIT {limit}"
)
_HITS_AMONG_FIRST_PAGES = SQL(
    "SELECT id, attention, head FROM (SELECT * FROM search_pages WHERE user_id = %(user)s ORDER BY attention DESC"
    " LIMIT {num_pages}) search_pages WHERE {matches} LIMIT {limit}"
)
_EXPLAIN_HITS = SQL("EXPLAIN (FORMAT JSON) SELECT FROM search_pages WHERE {matches}")
#: Candidates of the forgiving search, whose words are compared one by one.
_MAX_FORGIVING_HITS = 200
_FORGIVING_HITS = SQL(
    "SELECT id, attention, title, topics, highlights, url{flags} FROM search_pages WHERE {matches}"
    " ORDER BY attention DESC LIMIT {limit}"
)
_RANK_HITS = SQL(
    "WITH hits AS MATERIALIZED ({hits}) SELECT id, (SELECT count(*) FROM hits) AS num,"
    " {relevance_weight} * {relevance} + {attention_weight} * attention AS score"
    " FROM hits ORDER BY score DESC, id LIMIT %(num_rows)s"
)
_HEAD_MATCHES = SQL("head @@ %(all_words)s::tsquery")
_BODY_MATCHES = SQL("body @@ %(all_words)s::tsquery")
# In 0..1. Every word counts for itself: the index does not know their distance.
_RELEVANCE = SQL("least(1.0, ts_rank('{0, 0.3, 0.6, 1.0}', head, %(any_word)s::tsquery) * 1.6)")
_NOT_RELEVANT = SQL("0")


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Conditions that a hit must meet. `since` and `until` bound its visits."""

    session_id: uuid.UUID | None = None
    domain: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    has_highlight: bool | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage, its source (`highlight`, `text` or `title`), and the `[start, end)` ranges in it that match."""

    text: str
    source: str
    marks: tuple[tuple[int, int], ...]


def _conditions(filters: SearchFilters) -> tuple[list[LiteralString], dict[str, Any]]:
    """The filters as SQL conditions and their parameters."""
    conditions: list[LiteralString] = ["user_id = %(user)s"]
    parameters: dict[str, Any] = {}
    if filters.session_id is not None:
        conditions.append("session_id = %(session)s")
        parameters["session"] = filters.session_id
    if filters.domain is not None:
        # Reversed, an index finds a domain together with its subdomains.
        conditions.append("(reverse(domain) = %(domain)s OR reverse(domain) LIKE %(subdomain)s)")
        reversed_domain = filters.domain[::-1]
        parameters |= {"domain": reversed_domain, "subdomain": _like_literal(reversed_domain) + ".%"}
    if filters.since is not None:
        conditions.append("last_visited_at >= %(since)s")
        parameters["since"] = filters.since
    if filters.until is not None:
        conditions.append("first_visited_at < %(until)s")
        parameters["until"] = filters.until
    if filters.has_highlight is not None:
        conditions.append("cardinality(highlights) > 0" if filters.has_highlight else "cardinality(highlights) = 0")
    return conditions, parameters


def _like_literal(text: str) -> str:
    """`text` as a LIKE pattern that matches itself only."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def search(
    connection: Connection,
    user_id: uuid.UUID,
    text: str,
    filters: SearchFilters,
    *,
    limit: int,
    offset: int,
    has_old_rows: bool = False,
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of the best hits, best first, and whether there are more. No rows for a query without a word.

    `has_old_rows`: some rows of the user may be of an index version before 5, whose words have no prefix.
    """
    prefixes = (lexeme_prefix(user_id), "") if has_old_rows else (lexeme_prefix(user_id),)
    all_words = tsquery_text(text, prefixes)
    if all_words is None:
        return [], False
    conditions, parameters = _conditions(filters)
    num_rows = offset + limit + 1
    parameters |= {
        "user": user_id,
        "all_words": all_words,
        "any_word": all_words.replace(" & ", " | "),
        "num_rows": num_rows,
    }
    parts = query_terms(text)
    is_in_page: SQL | Composed = _BODY_MATCHES
    # Trigrams need three characters; shorter parts of words are words to the other indexes.
    if all(len(part) >= 3 for part in parts):
        # One LIKE each: an index does not support `LIKE ALL(array)`.
        names = [f"part{i}" for i in range(len(parts))]
        is_partial = SQL(" AND ").join(SQL("partial LIKE {}").format(Placeholder(name)) for name in names)
        is_in_page = SQL("({}) OR {}").format(is_partial, _BODY_MATCHES)
        parameters |= {name: f"%{_like_literal(part)}%" for name, part in zip(names, parts, strict=True)}
    filter_sql = SQL(" AND ").join(map(SQL, conditions))
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(CONFIGURE_PLANNER)
        head_query = _CandidateQuery(
            _both(filter_sql, _HEAD_MATCHES), _RELEVANCE, max(_MIN_RANKED_HITS, num_rows), _FIRST_PAGES
        )
        best = await _top_hits(cursor, head_query, parameters)
        if len(best) < num_rows or best[-1][1] < _ATTENTION:
            # A match in the text alone scores at most the weight of attention.
            page_query = _CandidateQuery(_both(filter_sql, is_in_page), _NOT_RELEVANT, num_rows, _FIRST_TEXTS)
            scores = dict(await _top_hits(cursor, page_query, parameters)) | dict(best)
            best = sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:num_rows]
        if not best:
            best = (await _forgiving_hits(cursor, filter_sql, forgiving_terms(text, prefixes), parameters))[:num_rows]
        page_scores = dict(best[offset:num_rows])
        await cursor.execute(READ_HITS, {"hits": list(page_scores)})
        rows = [row | {"score": page_scores[row["id"]]} for row in await cursor.fetchall()]
    rows.sort(key=lambda row: (-row["score"], -row["last_visited_at"].timestamp(), row["id"]))
    return rows[:limit], len(best) == num_rows


async def _forgiving_hits(
    cursor: AsyncCursor[dict[str, Any]], filter_sql: Composed, terms: list[ForgivingTerm], parameters: dict[str, Any]
) -> list[tuple[uuid.UUID, float]]:
    """Hits for a query without a match as typed: a word may have one error, and Korean may lack a space."""
    if not terms:
        return []
    conditions, flags = [], []
    for i, term in enumerate(terms):
        parameters[f"term{i}"] = term.tsquery
        as_typed = SQL("body @@ {}::tsquery").format(Placeholder(f"term{i}"))
        if term.typo is None:
            conditions.append(as_typed)
            continue
        parameters[f"typo{i}"] = term.typo
        alternatives = [as_typed, SQL("{} <%% partial").format(Placeholder(f"typo{i}"))]
        if term.exchanged is not None:
            parameters[f"exchanged{i}"] = term.exchanged
            alternatives.append(SQL("head @@ {}::tsquery").format(Placeholder(f"exchanged{i}")))
        conditions.append(SQL("({})").format(SQL(" OR ").join(alternatives)))
        flags.append((term.typo, SQL("{} AS {}").format(as_typed, Identifier(f"typed{i}")), f"typed{i}"))
    await cursor.execute(CONFIGURE_SIMILARITY, {"similarity": least_similarity(terms)})
    statement = _FORGIVING_HITS.format(
        flags=SQL("").join(SQL(", {}").format(flag) for _, flag, _ in flags),
        matches=_both(filter_sql, SQL(" AND ").join(conditions)),
        limit=Literal(_MAX_FORGIVING_HITS),
    )
    await cursor.execute(statement, parameters, prepare=False)
    rows = await cursor.fetchall()
    await cursor.execute(ALLOW_INDEX_SCANS)
    hits = []
    for row in rows:
        own, others = [row["title"] or "", *row["highlights"]], [*row["topics"], row["url"]]
        if all(row[name] or has_word_like(typo, [*own, *others]) for typo, _, name in flags):
            # A page is more relevant by its own words than by those of its topic.
            num_own = sum(has_word_like(typo, own) for typo, _, _ in flags)
            relevance = num_own / len(flags) if flags else 0.0
            hits.append((row["id"], (1 - _ATTENTION) * relevance + _ATTENTION * row["attention"]))
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))


def _both(filter_sql: Composed, matches: SQL | Composed) -> Composed:
    return SQL("{} AND ({})").format(filter_sql, matches)


@dataclass(frozen=True, slots=True)
class _CandidateQuery:
    """A search for hits: their condition and relevance in SQL, how many are enough, how many pages to scan first."""

    matches: Composed
    relevance: SQL
    num_enough: int
    num_first_pages: int


async def _top_hits(
    cursor: AsyncCursor[dict[str, Any]], query: _CandidateQuery, parameters: dict[str, Any]
) -> list[tuple[uuid.UUID, float]]:
    """The ids and scores of the best pages that match, best first."""
    limit = Literal(query.num_enough)
    rows: list[dict[str, Any]] = []
    await cursor.execute(_EXPLAIN_HITS.format(matches=query.matches), parameters, prepare=False)
    plan = await cursor.fetchone()
    if plan is not None and plan["QUERY PLAN"][0]["Plan"]["Plan Rows"] > _COMMON:
        among_first = _HITS_AMONG_FIRST_PAGES.format(
            num_pages=Literal(query.num_first_pages), matches=query.matches, limit=limit
        )
        rows = await _rank(cursor, query, among_first, parameters)
    if not rows or rows[0]["num"] < query.num_enough:
        some = _SOME_HITS.format(matches=query.matches, limit=Literal(MAX_RANKED_HITS + 1))
        rows = await _rank(cursor, query, some, parameters)
        if rows and rows[0]["num"] > MAX_RANKED_HITS:
            await cursor.execute(SWITCH_SORTING_PLANS, {"state": "off"})
            by_attention = _HITS_BY_ATTENTION.format(matches=query.matches, limit=limit)
            rows = await _rank(cursor, query, by_attention, parameters)
            await cursor.execute(SWITCH_SORTING_PLANS, {"state": "on"})
    return [(row["id"], row["score"]) for row in rows]


async def _rank(
    cursor: AsyncCursor[dict[str, Any]], query: _CandidateQuery, hits: Composed, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    statement = _RANK_HITS.format(
        hits=hits,
        relevance=query.relevance,
        relevance_weight=Literal(1 - _ATTENTION),
        attention_weight=Literal(_ATTENTION),
    )
    # Planned anew each time: the best plan depends on how common the words are.
    await cursor.execute(statement, parameters, prepare=False)
    return await cursor.fetchall()


async def page_texts(connection: Connection, user_id: uuid.UUID, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The texts of pages by content key."""
    cursor = await connection.execute(READ_PAGE_TEXTS, {"user": user_id, "content_keys": list(keys)})
    return dict(await cursor.fetchall())


def snippet(query: str, title: str | None, highlights: Sequence[str], text: str, topics: Sequence[str] = ()) -> Snippet:
    """The passage that best shows why a page matches: a highlight, else a part of the text, else the title."""
    folded_text = functools.cache(lambda: fold_text(text))
    terms = meant_terms(query, [title or "", *highlights, *topics], folded_text)
    for highlight in highlights:
        passage = _words_from(highlight, 0)
        marks = _mark_ranges(passage, terms)
        if marks:
            return Snippet(passage, "highlight", marks)
    if text:
        folded = folded_text()
        first = min((i for i in (folded.find(term) for term in terms) if i >= 0), default=None)
        if first is not None:
            if len(folded) != len(text):
                first = fold_with_positions(text)[1][first]
            start = _word_start(text, max(0, first - SNIPPET_CHARS // 3))
            passage = " ".join(_words_from(text, start).split())
            return Snippet(passage, "text", _mark_ranges(passage, terms))
    shown_title = title or ""
    marks = _mark_ranges(shown_title, terms)
    if not marks and text:
        passage = " ".join(_words_from(text, 0).split())
        return Snippet(passage, "text", _mark_ranges(passage, terms))
    return Snippet(shown_title, "title", marks)


def _word_start(text: str, index: int) -> int:
    """The start of the word at or after `index`; `index` in scripts that put no space between words."""
    if index == 0 or text[index - 1].isspace():
        return index
    space = _SPACE.search(text, index, index + _MAX_WORD_CHARS)
    return space.end() if space else index


def _words_from(text: str, start: int) -> str:
    """Up to SNIPPET_CHARS characters of `text`. The last word is whole, where the script puts spaces between words.

    Korean particles are part of the word that they follow, so that a cut between the two reads as another word.
    """
    end = start + SNIPPET_CHARS
    passage = text[start:end]
    if end >= len(text) or text[end].isspace():
        return passage
    last_spaces = [space.start() for space in _SPACE.finditer(passage, len(passage) - _MAX_WORD_CHARS)]
    return passage[: last_spaces[-1]] if last_spaces else passage


def _mark_ranges(text: str, terms: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The disjoint `[start, end)` ranges of `text` that match a term, in order; about 50 at most."""
    folded, positions = fold_with_positions(text)
    ranges: list[tuple[int, int]] = []
    for term in terms:
        start = folded.find(term)
        while start >= 0 and len(ranges) < 50:
            end = start + len(term)
            last = positions[end - 1]  # Its whole character: the marks behind it too.
            ranges.append((positions[start], next(at for at in positions[end:] if at > last)))
            start = folded.find(term, end)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
