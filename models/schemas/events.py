"""Request and response bodies of event ingestion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.schemas.base import Body, Reply


class EventBody(BaseModel):
    """One event. Unknown fields and types are stored unchanged.

    `content` is the text of a visited page, `text` that of a highlight. A `page_update` corrects title and text of the
    `page_visit` whose `event_id` is its `metadata.visit_id`. Sending an event again is safe: duplicates are recognized
    by `event_id`, or without one by the bytes of the event.
    """

    model_config = ConfigDict(extra="allow")
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(examples=["page_visit"])
    timestamp: int = Field(description="UTC epoch milliseconds, by the client's clock", examples=[1760000000000])
    event_id: str | None = None
    seq: int | None = None
    url: str | None = None
    title: str | None = None
    content: str | None = None
    text: str | None = None
    metadata: Any = None


class EventsBody(Body):
    """1 to 1,000 events, at most 4 MB."""

    events: list[EventBody] = Field(min_length=1, max_length=1_000)


class Verdict(Reply):
    """The outcome of one event."""

    event_id: str | None = None
    verdict: Literal["stored", "duplicate", "excluded", "invalid"]
    reason: str | None = None


class EventsReply(Reply):
    """`stored + duplicate + excluded + invalid = total`. Events counted by `processed` need not be sent again."""

    processed: int
    total: int
    stored: int
    duplicate: int
    excluded: int
    invalid: int
    verdicts: list[Verdict]
