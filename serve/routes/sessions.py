"""Browsing sessions: start, list, read, name, pause, resume, stop, delete."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.notifications import notify
from models.accounts.logins import ClientProgram
from models.accounts.users import User, require_active_user
from models.billing.plans import TooManySessions, current_plan
from models.database import Connection
from models.errors import BadRequest, IllegalTransition, NotFound
from models.jobs import enqueue_purge
from models.mindmap.state import pause_session, resume_session, start_session
from models.recording.browsing_sessions import (
    OPEN_STATUSES,
    BrowsingSession,
    SessionStatus,
    owned_session,
    parse_session_id,
    running_sessions,
)
from models.recording.exclusions import normalize_domain
from models.recording.session_filters import session_filters
from models.recording.timeline_store import load_timeline
from models.schemas.sessions import SessionEnvelope, SessionList, SessionReply, SessionStart, SessionUpdate
from serve.auth.login import client_program
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
MAX_LIMIT = 100
#: A deleted session can be brought back for this long; then every row of it goes.
UNDO_S = 15 * 60


def session_reply(found: BrowsingSession, **live: Any) -> SessionReply:
    """The session as the clients read it. `live` replaces the counts of a session that still records."""
    facts: dict[str, Any] = {
        "page_count": found.num_pages,
        "highlight_count": found.num_highlights,
        "event_count": found.num_events,
        "dwell_ms": found.dwell_ms,
    } | live
    return SessionReply(
        id=str(found.id),
        title=found.title,
        description=found.description,
        summary=found.summary,
        session_status=found.status,
        started_at=found.started_at,
        ended_at=found.ended_at,
        created_at=found.created_at,
        updated_at=found.updated_at,
        keywords=found.keywords,
        error_message=found.failure_reason,
        deletes_at=found.deletes_at,
        **facts,
    )


async def _envelope(connection: Connection, found: BrowsingSession) -> SessionEnvelope:
    if found.status not in OPEN_STATUSES:
        return SessionEnvelope(session=session_reply(found))
    line = await load_timeline(connection, found.id)
    return SessionEnvelope(
        session=session_reply(
            found,
            page_count=len({v.page_id for v in line.visits}),
            highlight_count=len(line.highlights),
            event_count=line.num_events,
            dwell_ms=line.dwell_ms,
        )
    )


async def _session_by_client_id(
    db: AsyncSession, user_id: uuid.UUID, client_session_id: str | None
) -> BrowsingSession | None:
    if client_session_id is None:
        return None
    return await db.scalar(
        select(BrowsingSession).where(
            BrowsingSession.user_id == user_id, BrowsingSession.client_session_id == client_session_id
        )
    )


async def enforce_session_limit(state: AppState, db: AsyncSession, user: User, *, can_retry: bool) -> None:
    """See to it that one more recording is within the plan, or raise TooManySessions.

    A program that can wait and ask again is refused. The reference's extension would only show an error, with the
    other recording out of its reach: for it the oldest one is stopped, as its user would have to.
    """
    # Of two starts at once the second waits for what the first does.
    await db.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    plan = (await current_plan(db, user, default=state.settings.limits.default_plan)).plan
    allowed = plan.max_concurrent_sessions
    if allowed is None:
        return
    running = await running_sessions(db, user.id)
    if len(running) < allowed:
        return
    if can_retry:
        raise TooManySessions(plan.name, allowed)
    for session_id in running[: len(running) - allowed + 1]:
        # Stopped in between by somebody else is as good.
        with contextlib.suppress(IllegalTransition, NotFound):
            await state.shards.stop(session_id, user.id)
        await notify(state.valkey, session_id, "session", {"session_status": SessionStatus.PROCESSING})


@router.post("/start", status_code=201, response_model_exclude_none=True)
async def start(
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    request: Request,
    body: Annotated[SessionStart | None, Body()] = None,
) -> SessionEnvelope:
    """Begin a recording. With a `client_session_id` that exists already, that session is answered.

    Beyond what the plan allows at once, a start that names its program (`X-Trailmind-Client`) or has a
    `client_session_id` is refused with 409 `CONCURRENT_SESSION_LIMIT`; any other stops the oldest recording.
    """
    user = await require_active_user(db, user_id)
    wanted = body or SessionStart()
    if state.settings.session_limits_enabled:
        known = await _session_by_client_id(db, user_id, wanted.client_session_id)
        if known is not None:
            return await _envelope(connection, known)
        speaks_up = wanted.client_session_id is not None or client_program(request) is not ClientProgram.OTHER
        await enforce_session_limit(state, db, user, can_retry=speaks_up)
    now = datetime.now(UTC)
    begun = BrowsingSession(
        user_id=user_id,
        title=wanted.title or None,
        title_source="user" if wanted.title else None,
        client_session_id=wanted.client_session_id,
        started_at=now,
        created_at=now,
        updated_at=now,
    )
    try:
        # A savepoint: the connection of the request's transaction stays usable after a duplicate.
        async with db.begin_nested():
            db.add(begun)
            await db.flush()
            await start_session(connection, begun.id)
    except IntegrityError:
        known = await _session_by_client_id(db, user_id, wanted.client_session_id)
        if known is None:
            raise
        return await _envelope(connection, known)
    await db.commit()
    return SessionEnvelope(session=session_reply(begun))


@router.get("", response_model_exclude_none=True)
async def list_sessions(
    user_id: CurrentUserId,
    db: DbSession,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    sort: Annotated[str, Query(max_length=50)] = "started_at:desc",
    status: Annotated[SessionStatus | None, Query()] = None,
    since: Annotated[datetime | None, Query(description="Started at or after")] = None,
    until: Annotated[datetime | None, Query(description="Started before")] = None,
    keyword: Annotated[str | None, Query(max_length=100)] = None,
    domain: Annotated[str | None, Query(max_length=2_000, description="Visited, it or a subdomain")] = None,
    text: Annotated[str | None, Query(max_length=200, description="In a title, a summary or a marked passage")] = None,
) -> SessionList:
    """The caller's sessions, newest first; `sort=started_at:asc` turns that round."""
    if "\x00" in (keyword or "") + (text or ""):
        raise BadRequest("contains a NUL character")
    try:
        host = normalize_domain(domain) if domain else None
    except ValueError as error:
        raise BadRequest(f"domain: {error}") from None
    mine = session_filters(user_id, status=status, since=since, until=until, keyword=keyword, domain=host, text=text)
    order_by = (
        (BrowsingSession.started_at.asc(), BrowsingSession.id.asc())
        if sort.replace(" ", ":").lower().endswith(":asc")
        else (BrowsingSession.started_at.desc(), BrowsingSession.id.desc())
    )
    total = await db.scalar(select(func.count()).select_from(BrowsingSession).where(*mine)) or 0
    found = await db.scalars(select(BrowsingSession).where(*mine).order_by(*order_by).limit(limit).offset(offset))
    return SessionList(sessions=[session_reply(s) for s in found], total=total)


@router.get("/{session_id}", response_model_exclude_none=True)
async def get_session(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> SessionEnvelope:
    """One session."""
    return await _envelope(connection, await owned_session(db, parse_session_id(session_id), user_id))


@router.put("/{session_id}", response_model_exclude_none=True)
@router.patch("/{session_id}", response_model_exclude_none=True)
async def update_session(
    session_id: str, body: SessionUpdate, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> SessionEnvelope:
    """Rename or describe; what is absent stays."""
    found = await owned_session(db, parse_session_id(session_id), user_id)
    if body.title is not None:
        found.title, found.title_source = body.title, "user"
    if body.description is not None:
        found.description = body.description
    await db.flush()
    envelope = await _envelope(connection, found)
    await db.commit()
    return envelope


async def _change_status(
    change: Callable[[Connection, uuid.UUID], Awaitable[None]],
    session_id: str,
    user_id: uuid.UUID,
    db: AsyncSession,
    connection: Connection,
    state: AppState,
) -> SessionEnvelope:
    session = await owned_session(db, parse_session_id(session_id), user_id)
    await change(connection, session.id)
    await db.refresh(session)
    envelope = await _envelope(connection, session)
    await db.commit()
    await notify(state.valkey, session.id, "session", {"session_status": session.status})
    return envelope


@router.patch("/{session_id}/pause", response_model_exclude_none=True)
async def pause(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> SessionEnvelope:
    """Pause a recording."""
    return await _change_status(pause_session, session_id, user_id, db, connection, state)


@router.patch("/{session_id}/resume", response_model_exclude_none=True)
async def resume(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection, state: State
) -> SessionEnvelope:
    """Go on recording."""
    return await _change_status(resume_session, session_id, user_id, db, connection, state)


@router.post("/{session_id}/stop", response_model_exclude_none=True)
async def stop(session_id: str, user_id: CurrentUserId, db: DbSession, state: State) -> SessionEnvelope:
    """End the recording; its map is ordered in the same transaction."""
    wanted = parse_session_id(session_id)
    await state.shards.stop(wanted, user_id)
    found = await owned_session(db, wanted, user_id)
    await notify(state.valkey, wanted, "session", {"session_status": found.status})
    return SessionEnvelope(session=session_reply(found))


@router.delete("/{session_id}", status_code=204)
async def delete_session(session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> Response:
    """Delete a session. It is gone for every route at once, and from the database when the undo time is over."""
    found = await owned_session(db, parse_session_id(session_id), user_id)
    found.deleted_at = datetime.now(UTC)
    await db.flush()
    await enqueue_purge(connection, str(found.id), delay_s=UNDO_S)
    await db.commit()
    return Response(status_code=204)


@router.post("/{session_id}/restore", response_model_exclude_none=True)
async def restore_session(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> SessionEnvelope:
    """Take a deletion back, while that is possible."""
    found = await db.get(BrowsingSession, parse_session_id(session_id))
    if found is None or found.user_id != user_id:
        # Somebody else's deleted session is nobody's business, so both are 404.
        await owned_session(db, parse_session_id(session_id), user_id)
        raise BadRequest("session cannot be restored")
    found.deleted_at = None
    await db.flush()
    envelope = await _envelope(connection, found)
    await db.commit()
    return envelope
