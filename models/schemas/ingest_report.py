"""Response bodies of the ingest report (`/receipt`): what happened to every event of a session."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class InvalidReason(Reply):
    """A reason why events were not stored, and the number of those events."""

    reason: str
    count: int


class ErrorPages(Reply):
    """Stored visits that the site answered with an error page."""

    http_status: int
    count: int


class Gap(Reply):
    """A range of sequence numbers of which no event arrived, both ends included."""

    first: int
    last: int


class ReceiptReply(Reply):
    """The outcome of all events that a session's client sent. `seen = stored + duplicate + excluded + invalid`."""

    session_id: str
    seen: int
    stored: int
    duplicate: int
    excluded: int = Field(description="Excluded by the server")
    excluded_on_device: int = Field(description="Never sent: excluded by the client, by its own report")
    invalid: int
    by_type: dict[str, int] = Field(description="Stored events")
    excluded_by: list[InvalidReason]
    invalid_because: list[InvalidReason]
    error_pages: list[ErrorPages] = Field(
        description="Stored visits of error pages by HTTP status, as far as the client recorded it"
    )
    gaps: list[Gap] = Field(description="The first thousand; empty when the client sends no sequence numbers")
    missing: int = Field(description="How many sequence numbers are missing")
    last_seq: int | None = None
    first_event_at: Time | None = None
    last_event_at: Time | None = None


class ReceiptEnvelope(Reply):
    """`{"receipt": …}`"""

    receipt: ReceiptReply
