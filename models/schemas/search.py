"""Response bodies of search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.schemas.base import Reply, Time


class Mark(Reply):
    """Characters `[start, end)` of the snippet that match the query."""

    start: int
    end: int


class SearchHit(Reply):
    """One page of one session. `snippet` is plain text: mark it up with `marks`, do not parse it as HTML."""

    session_id: str
    session_title: str | None = None
    session_started_at: Time
    page_id: str
    url: str
    domain: str
    title: str | None = None
    topics: list[str]
    highlights: list[str] = Field(description="Highlighted passages of this page, at most three")
    snippet: str
    snippet_from: Literal["text", "highlight", "title"]
    marks: list[Mark]
    first_visited_at: Time
    last_visited_at: Time
    dwell_ms: int
    score: float


class SearchReply(Reply):
    """Results, best first. `is_indexing`: older sessions are still being indexed; search again in a moment."""

    results: list[SearchHit]
    has_more: bool
    is_indexing: bool
    took_ms: float
