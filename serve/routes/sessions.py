"""Browsing sessions: start, list, read, rename, pause, resume, stop, delete, restore."""

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

from cluster.maps.notifications import DELETED, notify
from models.accounts.erasure_receipts import add_receipt, cancel_session_receipt
from models.accounts.legal_holds import require_no_hold
from models.accounts.logins import ClientProgram
from models.accounts.users import User, require_active_user
from models.billing.policy import TooManySessions, load_policy
from models.database import Connection
from models.errors import BadRequest, IllegalTransition, NotFound, split_reason
from models.jobs import cancel_purge, enqueue_purge
from models.lifecycle.forget import RESTORE_S
from models.lifecycle.interrupted_maps import resume_restored_session
from models.lifecycle.state import pause_session, resume_session, start_session
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
from models.recording.titles import is_automatic_title
from models.schemas.sessions import SessionEnvelope, SessionList, SessionReply, SessionStart, SessionUpdate
from serve.auth.login import client_program
from serve.dependencies import CurrentUserId, DbConnection, DbSession, State
from serve.state import AppState

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
MAX_LIMIT = 100
#: Concurrent recordings of programs that do not name themselves: a bound for runaway programs.
MAX_UNNAMED_RECORDINGS = 10
#: In the reply to a deletion: the id of its receipt.
RECEIPT_HEADER = "X-Trailmind-Receipt"


def session_reply(session: BrowsingSession, **live: Any) -> SessionReply:
    """The session as API resource. `live` overrides the stored counts of a session that is still recording."""
    counts: dict[str, Any] = {
        "page_count": session.num_pages,
        "highlight_count": session.num_highlights,
        "event_count": session.num_events,
        "dwell_ms": session.dwell_ms,
    } | live
    return SessionReply(
        id=str(session.id),
        title=session.title,
        description=session.description,
        summary=session.summary,
        session_status=session.status,
        started_at=session.started_at,
        ended_at=session.ended_at,
        created_at=session.created_at,
        updated_at=session.updated_at,
        keywords=session.keywords,
        error_message=split_reason(session.failure_reason)[1],
        local_only=session.is_local_only,
        deletes_at=session.deletes_at,
        **counts,
    )


async def _live_reply(connection: Connection, session: BrowsingSession) -> SessionReply:
    """The session with its stored counts, or while it records with those of its events so far."""
    if session.status not in OPEN_STATUSES:
        return session_reply(session)
    timeline = await load_timeline(connection, session.id)
    return session_reply(
        session,
        page_count=len({visit.page_id for visit in timeline.visits}),
        highlight_count=len(timeline.highlights),
        event_count=timeline.num_events,
        dwell_ms=timeline.dwell_ms,
    )


async def _envelope(connection: Connection, session: BrowsingSession) -> SessionEnvelope:
    return SessionEnvelope(session=await _live_reply(connection, session))


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
    """Make room for one more recording.

    Raises TooManySessions if the plan allows no more and the client can retry. Programs that do not name themselves,
    such as v1 clients, have no limit of a plan: they cannot handle an error, and a recording that the server ends for
    them refuses their events and their Stop from then on. Only beyond `MAX_UNNAMED_RECORDINGS`, which no person
    reaches, their oldest recordings are stopped.
    """
    # The row lock serializes concurrent starts of one user.
    await db.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    policy = await load_policy(db, user, state.settings.default_plan)
    allowed = policy.max_recordings
    if allowed is not None and not can_retry:
        allowed = max(allowed, MAX_UNNAMED_RECORDINGS)
    if allowed is None:
        return
    running = await running_sessions(db, user.id)
    if len(running) < allowed:
        return
    if can_retry:
        raise TooManySessions(policy.plan.name, allowed)
    for session_id in running[: len(running) - allowed + 1]:
        # The session may have been stopped concurrently.
        with contextlib.suppress(IllegalTransition, NotFound):
            await state.shards.stop(session_id, user.id)
        await notify(state.valkey, session_id, "session", {"session_status": SessionStatus.PROCESSING})


def _title_source(title: str | None) -> str | None:
    if not title:
        return None
    return "generated" if is_automatic_title(title) else "user"


@router.post("/start", status_code=201, response_model_exclude_none=True)
async def start(
    user_id: CurrentUserId,
    state: State,
    db: DbSession,
    connection: DbConnection,
    request: Request,
    body: Annotated[SessionStart | None, Body()] = None,
) -> SessionEnvelope:
    """Start a recording. With a `client_session_id` that exists already, the reply is that session.

    Beyond the number of concurrent recordings of the plan, a start with `X-Trailmind-Client` or a `client_session_id`
    is rejected with 409 `CONCURRENT_SESSION_LIMIT`. Other programs have no such limit; their eleventh recording stops
    the oldest.
    """
    user = await require_active_user(db, user_id)
    options = body or SessionStart()
    if state.settings.session_limits_enabled:
        existing = await _session_by_client_id(db, user_id, options.client_session_id)
        if existing is not None:
            return await _envelope(connection, existing)
        can_retry = options.client_session_id is not None or client_program(request) is not ClientProgram.OTHER
        await enforce_session_limit(state, db, user, can_retry=can_retry)
    now = datetime.now(UTC)
    session = BrowsingSession(
        user_id=user_id,
        title=options.title or None,
        title_source=_title_source(options.title),
        client_session_id=options.client_session_id,
        is_local_only=options.local_only,
        started_at=now,
        created_at=now,
        updated_at=now,
    )
    try:
        # A savepoint: the connection of the request's transaction stays usable after a duplicate.
        async with db.begin_nested():
            db.add(session)
            await db.flush()
            await start_session(connection, session.id)
    except IntegrityError:
        existing = await _session_by_client_id(db, user_id, options.client_session_id)
        if existing is None:
            raise
        return await _envelope(connection, existing)
    await db.commit()
    return SessionEnvelope(session=session_reply(session))


@router.get("", response_model_exclude_none=True)
async def list_sessions(
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    sort: Annotated[str, Query(max_length=50)] = "started_at:desc",
    status: Annotated[SessionStatus | None, Query()] = None,
    since: Annotated[datetime | None, Query(description="Started at or after")] = None,
    until: Annotated[datetime | None, Query(description="Started before")] = None,
    keyword: Annotated[str | None, Query(max_length=100)] = None,
    domain: Annotated[str | None, Query(max_length=2_000, description="A visited domain, with its subdomains")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Text in a title, a summary or a highlight")] = None,
) -> SessionList:
    """The caller's sessions, newest first; oldest first with `sort=started_at:asc`."""
    if "\x00" in (keyword or "") + (text or ""):
        raise BadRequest("contains a NUL character")
    try:
        host = normalize_domain(domain) if domain else None
    except ValueError as error:
        raise BadRequest(f"domain: {error}") from None
    filters = session_filters(user_id, status=status, since=since, until=until, keyword=keyword, domain=host, text=text)
    order_by = (
        (BrowsingSession.started_at.asc(), BrowsingSession.id.asc())
        if sort.replace(" ", ":").lower().endswith(":asc")
        else (BrowsingSession.started_at.desc(), BrowsingSession.id.desc())
    )
    total = await db.scalar(select(func.count()).select_from(BrowsingSession).where(*filters)) or 0
    sessions = await db.scalars(select(BrowsingSession).where(*filters).order_by(*order_by).limit(limit).offset(offset))
    return SessionList(sessions=[await _live_reply(connection, session) for session in sessions], total=total)


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
    """Change title or description, or report excluded pages; absent fields stay unchanged."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    if body.title is not None:
        session.title, session.title_source = body.title, "user"
    if body.description is not None:
        session.description = body.description
    if body.local_only is not None:
        session.is_local_only = body.local_only
    if body.excluded_on_device is not None:
        # Cumulative: a report that arrives late or twice changes nothing.
        session.num_excluded_on_device = max(session.num_excluded_on_device, body.excluded_on_device)
    await db.flush()
    envelope = await _envelope(connection, session)
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
    """Resume a recording."""
    return await _change_status(resume_session, session_id, user_id, db, connection, state)


@router.post("/{session_id}/stop", response_model_exclude_none=True)
async def stop(session_id: str, user_id: CurrentUserId, db: DbSession, state: State) -> SessionEnvelope:
    """Stop the recording; its map is queued in the same transaction."""
    parsed_id = parse_session_id(session_id)
    await state.shards.stop(parsed_id, user_id)
    session = await owned_session(db, parsed_id, user_id)
    await notify(state.valkey, parsed_id, "session", {"session_status": session.status})
    return SessionEnvelope(session=session_reply(session))


@router.delete("/{session_id}", status_code=204)
async def delete_session(
    session_id: str, user_id: CurrentUserId, state: State, db: DbSession, connection: DbConnection
) -> Response:
    """Delete a session. All routes treat it as deleted at once; its rows are deleted after the time to restore it.

    The header `X-Trailmind-Receipt` is the id of the receipt, which `GET /v1/receipts/{receipt_id}` completes with what
    was deleted.
    """
    session = await owned_session(db, parse_session_id(session_id), user_id)
    await require_no_hold(connection, user_id)
    session.deleted_at = datetime.now(UTC)
    await db.flush()
    receipt_id = await add_receipt(connection, user_id, "session", [session.id], None)
    await enqueue_purge(connection, str(session.id), delay_s=RESTORE_S)
    await db.commit()
    await notify(state.valkey, session.id, "session", {"session_status": DELETED})
    return Response(status_code=204, headers={RECEIPT_HEADER: str(receipt_id)})


@router.post("/{session_id}/restore", response_model_exclude_none=True)
async def restore_session(
    session_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> SessionEnvelope:
    """Restore a deleted session, while that is possible."""
    session = await db.get(BrowsingSession, parse_session_id(session_id))
    if session is None or session.user_id != user_id:
        # Raises NotFound for a deleted session of another user, so that its existence is not revealed.
        await owned_session(db, parse_session_id(session_id), user_id)
        raise BadRequest("session cannot be restored")
    session.deleted_at = None
    await cancel_session_receipt(connection, user_id, session.id)
    await cancel_purge(connection, session.id)
    await db.flush()
    await resume_restored_session(connection, session.id)
    envelope = await _envelope(connection, session)
    await db.commit()
    return envelope
