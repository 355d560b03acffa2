"""Request and response bodies of search, sharing and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from models.schemas.common import Body, Reply, Time

ExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png", "csv"]


class Mark(Reply):
    """Characters `[start, end)` of the snippet that were searched for."""

    start: int
    end: int


class SearchHit(Reply):
    """One page of one session. `snippet` is plain text: mark it up with `marks`, do not parse it as HTML."""

    session_id: str
    session_title: str | None = None
    page_id: str
    url: str
    domain: str
    title: str | None = None
    topics: list[str]
    highlights: list[str] = Field(description="Passages marked on this page that match, or the first three")
    snippet: str
    snippet_from: Literal["text", "highlight", "title"]
    marks: list[Mark]
    first_visited_at: Time
    last_visited_at: Time
    dwell_ms: int
    score: float


class SearchReply(Reply):
    """Best first. `is_indexing`: older sessions are still being added, ask again in a moment."""

    results: list[SearchHit]
    has_more: bool
    is_indexing: bool
    took_ms: float


class ShareCreate(Body):
    """How much to show, and for how long."""

    shows: Literal["map", "pages", "highlights"] = Field(
        default="map", description="`map`: topics only; `pages`: also pages and addresses; `highlights`: also passages"
    )
    expires_in_days: Annotated[int, Field(ge=1, le=365)] = 30


class ShareReply(Reply):
    """A link that works, for everybody who has it, until it is over or taken back."""

    id: str
    session_id: str
    url: str
    api_url: str
    shows: Literal["map", "pages", "highlights"]
    created_at: Time
    expires_at: Time


class ShareEnvelope(Reply):
    """`{"share": …}`"""

    share: ShareReply


class ShareList(Reply):
    """The links that work, newest first."""

    shares: list[ShareReply]


class SharedSession(Reply):
    """What a share link shows."""

    title: str | None = None
    summary: str | None = None
    shows: Literal["map", "pages", "highlights"]
    started_at: Time
    ended_at: Time | None = None
    dwell_ms: int
    expires_at: Time
    mindmap: dict[str, Any] = Field(description="The map: `nodes`, `edges`, `layout`, `layouts`")
