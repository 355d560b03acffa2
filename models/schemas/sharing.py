"""Request and response bodies of share links."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from models.schemas.base import Body, Reply, Time


class ShareCreate(Body):
    """What to share, and for how long."""

    shows: Literal["map", "pages", "highlights"] = Field(
        default="map", description="`map`: topics only; `pages`: also pages and addresses; `highlights`: also passages"
    )
    expires_in_days: Annotated[int, Field(ge=1, le=365)] = 30


class ShareReply(Reply):
    """A link that works without a login until it expires or is revoked."""

    id: str
    session_id: str | None = None
    map_id: str | None = Field(default=None, description="The map over several sessions that the link shows")
    url: str
    api_url: str
    shows: Literal["map", "pages", "highlights"]
    created_at: Time
    expires_at: Time


class ShareEnvelope(Reply):
    """`{"share": …}`"""

    share: ShareReply


class ShareList(Reply):
    """The active links, newest first."""

    shares: list[ShareReply]


class SharedSession(Reply):
    """The shared part of a session, or of a map over several sessions."""

    title: str | None = None
    summary: str | None = None
    shows: Literal["map", "pages", "highlights"]
    started_at: Time = Field(description="Of several sessions the first start")
    ended_at: Time | None = Field(default=None, description="Of several sessions the last end")
    dwell_ms: int
    expires_at: Time
    mindmap: dict[str, Any] = Field(description="The map: `nodes`, `edges`, `layout`, `layouts`")
