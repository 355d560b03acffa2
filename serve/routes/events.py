"""Event ingestion, and the timeline derived from events."""

from __future__ import annotations

import contextlib
import uuid
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from models.database import Connection
from models.errors import BadRequest
from models.recording.browsing_sessions import owned_session, parse_session_id
from models.recording.ingest import events_reply
from models.recording.timeline import HighlightRecord, VisitRecord
from models.recording.timeline_store import from_epoch_ms, load_span, load_timeline
from models.schemas.events import EventsBody, EventsReply
from models.schemas.timeline import (
    Away,
    EventsList,
    EventStats,
    HighlightReply,
    PageVisitReply,
    Pause,
    QuoteSelector,
    TimelineReply,
    TimelineVisit,
)
from serve.auth.authorization import authorize
from serve.dependencies import CurrentUserId, DbConnection, DbSession, app_state
from serve.event_parser import INLINE_BYTES
from telemetry.metrics import EVENT_VERDICTS, EVENTS_RECEIVED

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["events"])
_encode = msgspec.json.encode


@router.post(
    "/events",
    response_model=EventsReply,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": EventsBody.model_json_schema(ref_template="#/$defs/{model}")}},
        },
        "security": [{"bearer": []}],
    },
)
async def post_events(session_id: str, request: Request) -> Response:
    """Store a batch of events. With a 200 reply, every event that is not `invalid` or `excluded` is committed."""
    return Response(await store_events(request, session_id), media_type="application/json")


async def store_events(request: Request, session_id: str) -> bytes:
    """Store the batch in the body of `request`; return the encoded answer.

    Raises as `authorize` and `parse_batch` do, and what the shard refuses the batch with.
    """
    # The hot path: no dependency injection, no validation by Pydantic, and the reply is encoded once.
    state = app_state(request)
    user_id = (await authorize(state, request)).user_id
    parsed_id = parse_session_id(session_id, error_type=BadRequest)
    length = request.headers.get("content-length", "")
    is_large = not length.isdigit() or int(length) > INLINE_BYTES
    async with state.event_parser.room_for_large_body(user_id) if is_large else contextlib.nullcontext():
        batch = await state.event_parser.parse(await request.body(), user_id=user_id, session_id=parsed_id)
    outcome = await state.shards.save(batch)
    if outcome.error is not None:
        raise outcome.error
    reply = events_reply(batch, outcome.duplicates, outcome.excluded)
    for verdict in EVENT_VERDICTS:
        if reply[verdict]:
            EVENTS_RECEIVED.labels(verdict=verdict).inc(reply[verdict])
    return _encode(reply)


def visit_fields(visit: VisitRecord) -> dict[str, Any]:
    """A visit as API resource."""
    return {
        "id": visit.key,
        "url": visit.url,
        "title": visit.title,
        "visited_at": from_epoch_ms(visit.started_ms),
        "duration_ms": visit.dwell_ms,
        "max_scroll_depth": visit.max_scroll_depth,
        "page_id": visit.page_id,
        "is_revisit": visit.is_revisit,
    } | _rare_fields(visit)


def _rare_fields(visit: VisitRecord) -> dict[str, Any]:
    """What few visits have: absent, not null, in exports too."""
    fields: dict[str, Any] = {}
    if (origin := visit.origin) is not None:
        fields |= {"opened_from": origin.visit_key} if origin.visit_key else {"referrer": origin.referrer or ""}
    if visit.http_status is not None:
        fields["http_status"] = visit.http_status
    if visit.text_missing is not None:
        fields["text_missing"] = visit.text_missing
    return fields


def highlight_reply(highlight: HighlightRecord) -> HighlightReply:
    """A highlight as API resource."""
    return HighlightReply(
        id=highlight.key,
        text=highlight.text,
        selector=highlight.selector,
        color=highlight.color,
        note=highlight.note,
        url=highlight.url,
        page_visit_id=highlight.visit_key,
        anchor=QuoteSelector(exact=highlight.text, prefix=highlight.prefix, suffix=highlight.suffix)
        if highlight.prefix or highlight.suffix
        else None,
        created_at=from_epoch_ms(highlight.occurred_ms),
    )


async def _timeline(db: AsyncSession, connection: Connection, session_id: str, user_id: uuid.UUID) -> Any:
    session = await owned_session(db, parse_session_id(session_id), user_id)
    return await load_timeline(connection, session.id)


@router.get("/events", response_model_exclude_none=True)
async def list_events(
    session_id: str,
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    type: Annotated[Literal["page_visit", "highlight"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    sort: Annotated[str, Query(max_length=50)] = "occurred_at:desc",
) -> EventsList:
    """Visits and highlights by time, newest first unless `sort` ends in `:asc`."""
    timeline = await _timeline(db, connection, session_id, user_id)
    entries: list[VisitRecord | HighlightRecord] = []
    if type != "highlight":
        entries += timeline.visits
    if type != "page_visit":
        entries += timeline.highlights
    entries.sort(key=lambda e: (e.started_ms if isinstance(e, VisitRecord) else e.occurred_ms, e.key))
    if not sort.lower().endswith(":asc"):
        entries.reverse()
    page = entries[offset : offset + limit]
    return EventsList(
        page_visits=[PageVisitReply(**visit_fields(e)) for e in page if isinstance(e, VisitRecord)],
        highlights=[highlight_reply(e) for e in page if isinstance(e, HighlightRecord)],
        total=len(entries),
    )


@router.get("/events/stats")
async def event_stats(session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> EventStats:
    """The number of events, visits, highlights and distinct pages."""
    timeline = await _timeline(db, connection, session_id, user_id)
    return EventStats(
        total_events=timeline.num_events,
        page_visits=timeline.num_page_visits,
        highlights=timeline.num_highlights,
        unique_urls=timeline.num_unique_urls,
    )


@router.get("/timeline", response_model_exclude_none=True)
async def get_timeline(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> TimelineReply:
    """The whole session in chronological order, highlights below their visits."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    timeline, span = await load_timeline(connection, session.id), await load_span(connection, session.id)
    by_visit: dict[str | None, list[HighlightReply]] = {}
    for highlight in timeline.highlights:
        by_visit.setdefault(highlight.visit_key, []).append(highlight_reply(highlight))
    return TimelineReply(
        visits=[
            TimelineVisit(**visit_fields(v), ended_at=from_epoch_ms(v.ended_ms), highlights=by_visit.get(v.key, []))
            for v in timeline.visits
        ],
        highlights=by_visit.get(None, []),
        pauses=[
            Pause(started_at=from_epoch_ms(begun), ended_at=from_epoch_ms(ended) if ended is not None else None)
            for begun, ended in span.pauses
        ],
        away=[
            Away(
                reason=away.reason,
                started_at=from_epoch_ms(away.started_ms),
                ended_at=from_epoch_ms(away.ended_ms) if away.ended_ms is not None else None,
            )
            for away in timeline.away
        ],
        dwell_ms=timeline.dwell_ms,
        clock_skew_ms=timeline.clock_skew_ms,
        num_unreadable_events=timeline.num_unreadable,
    )
