"""Request and response bodies. Optional fields are omitted, never null; times end in `Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

MAX_TITLE_CHARS = 200
#: argon2 takes any length; this only keeps a megabyte of password from being hashed.
MAX_PASSWORD_CHARS = 1024

# One @, no spaces, a dot somewhere in the domain. `.local` is fine; whether the box exists only a mail can tell.
_EMAIL = re.compile(r"^[^@\s\x00-\x1f\"<>(),;:\\\[\]]+@[^@\s\x00-\x1f\"<>(),;:\\\[\]]+\.[^@\s.\x00-\x1f]+$")


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _email(value: str) -> str:
    value = value.strip()
    if len(value) > 254 or not _EMAIL.match(value) or ".." in value:
        raise ValueError("is not an e-mail address")
    return value


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    return value


Time = Annotated[datetime, PlainSerializer(_utc, return_type=str, when_used="json")]
Email = Annotated[str, AfterValidator(_email)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=MAX_PASSWORD_CHARS), AfterValidator(_no_nul)]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_CHARS), AfterValidator(_no_nul)]
Description = Annotated[str, StringConstraints(max_length=5_000), AfterValidator(_no_nul)]


class Body(BaseModel):
    """A request body: unknown fields are ignored, as the reference does."""

    model_config = ConfigDict(extra="ignore")


class Reply(BaseModel):
    """A response body."""

    model_config = ConfigDict(from_attributes=True)


class ErrorDetail(Reply):
    """What went wrong, for people (`message`) and for programs (`code`)."""

    message: str
    code: str
    details: list[dict[str, str]] | None = None


class ErrorReply(Reply):
    """The shape of every error."""

    error: ErrorDetail


# --- accounts ---------------------------------------------------------------------------------------------------


class MessageReply(Reply):
    """A sentence."""

    message: str


# --- sessions ---------------------------------------------------------------------------------------------------


class SessionStart(Body):
    """All optional; the reference's clients send no body."""

    title: Title | None = None
    client_session_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None


class SessionUpdate(Body):
    """What is absent or null stays as it is; an empty string empties the field."""

    title: Title | None = None
    description: Description | None = None


class SessionReply(Reply):
    """A browsing session. The counts are live while it records."""

    id: str
    title: str | None = None
    description: str | None = None
    summary: str | None = None
    session_status: Literal["recording", "paused", "processing", "completed", "failed"]
    started_at: Time
    ended_at: Time | None = None
    created_at: Time
    updated_at: Time
    page_count: int | None = None
    highlight_count: int | None = None
    event_count: int | None = None
    dwell_ms: int | None = None
    keywords: list[str] | None = None
    error_message: str | None = None
    deletes_at: Time | None = Field(
        default=None, description="When the plan lets the session go; absent while it is kept"
    )


class SessionEnvelope(Reply):
    """`{"session": …}`"""

    session: SessionReply


class SessionList(Reply):
    """One page of sessions and how many there are in all."""

    sessions: list[SessionReply]
    total: int


# --- events -----------------------------------------------------------------------------------------------------


class EventBody(BaseModel):
    """One event. Unknown fields and types are kept as they are.

    `content` is the text of a visited page, `text` that of a highlight. `event_id` (or, without one, the event's own
    bytes) makes sending it twice harmless.
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
    """What became of one event."""

    event_id: str | None = None
    verdict: Literal["stored", "duplicate", "excluded", "invalid"]
    reason: str | None = None


class EventsReply(Reply):
    """`stored + duplicate + excluded + invalid = total`; `processed` need not be sent again."""

    processed: int
    total: int
    stored: int
    duplicate: int
    excluded: int
    invalid: int
    verdicts: list[Verdict]


class PageVisitReply(Reply):
    """One stay on one page. `duration_ms` is active time."""

    id: str
    url: str
    title: str | None = None
    visited_at: Time
    duration_ms: int
    max_scroll_depth: float
    page_id: str
    is_revisit: bool


class HighlightReply(Reply):
    """A marked passage."""

    id: str
    text: str
    selector: str | None = None
    color: str
    note: str | None = None
    url: str | None = None
    page_visit_id: str | None = None
    created_at: Time


class EventsList(Reply):
    """Visits and highlights of one page of the list; `total` counts both, or the kind asked for."""

    page_visits: list[PageVisitReply]
    highlights: list[HighlightReply]
    total: int


class EventStats(Reply):
    """The clients' four numbers."""

    total_events: int
    page_visits: int
    highlights: int
    unique_urls: int


class TimelineVisit(PageVisitReply):
    """A visit with the passages marked during it."""

    ended_at: Time
    highlights: list[HighlightReply]


class Pause(Reply):
    """The recording was paused; without `ended_at` it still is, or was stopped so."""

    started_at: Time
    ended_at: Time | None = None


class TimelineReply(Reply):
    """The session in the order it happened. `clock_skew_ms` was added to every time the client gave."""

    visits: list[TimelineVisit]
    highlights: list[HighlightReply] = Field(description="Marked on pages never visited in this session")
    pauses: list[Pause]
    dwell_ms: int
    clock_skew_ms: int


# --- maps -------------------------------------------------------------------------------------------------------


class GenerateBody(Body):
    """`force` makes a new version even when nothing changed."""

    force: bool = False


class EditReportReply(Reply):
    """What became of one edit; `sentence` is for the user, in English."""

    op_id: str
    op: str
    status: Literal["applied", "adapted", "not_applied"]
    sentence: str
    node_id: str | None = None
    reason: str | None = Field(default=None, description="Why it was not applied, as a word that stays the same")


class EditsState(Reply):
    """The edits the map carries: `seq` goes into `expected_seq`; `not_applied` could not be kept on this version."""

    seq: int
    num_in_effect: int
    can_undo: bool
    can_redo: bool
    not_applied: list[EditReportReply]


class MindmapReply(Reply):
    """How far a map is, and, once completed, the map (`data`)."""

    id: str
    session_id: str
    status: Literal["pending", "generating", "completed", "failed"]
    stage: str | None = None
    percent: int | None = None
    version: int | None = None
    provider: str | None = None
    data: dict[str, Any] | None = None
    edits: EditsState | None = None
    error_message: str | None = None
    created_at: Time
    updated_at: Time


class MindmapEnvelope(Reply):
    """`{"mindmap": …}`"""

    mindmap: MindmapReply


class PictureLink(Reply):
    """A link that needs no login."""

    url: str
    expires_at: Time


class HealthReply(Reply):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyReply(Reply):
    """Every part we need answers; `checks` maps each to `ok` or to a sentence."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
