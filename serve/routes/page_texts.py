"""The captured text of one page of a session, so that a page can be read after it has changed or disappeared."""

from __future__ import annotations

from fastapi import APIRouter

from models.database import Connection
from models.errors import NotFound
from models.recording.browsing_sessions import BrowsingSession, owned_session, parse_session_id
from models.recording.timeline import build_timeline, captured_pages
from models.recording.timeline_snapshots import load_snapshot, page_details
from models.recording.timeline_store import from_epoch_ms, load_contents, load_events, load_span
from models.schemas.page_texts import MarkedPassage, PageTextReply
from serve.dependencies import CurrentUserId, DbConnection, DbSession

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["events"])


@router.get("/pages/{page_id}", response_model_exclude_none=True)
async def read_page(
    session_id: str, page_id: str, user_id: CurrentUserId, db: DbSession, connection: DbConnection
) -> PageTextReply:
    """The captured text of a page, with the passages highlighted in it. 404 if the session has no such page."""
    session = await owned_session(db, parse_session_id(session_id), user_id)
    return await page_text(connection, session, page_id)


async def page_text(connection: Connection, session: BrowsingSession, page_id: str) -> PageTextReply:
    """The captured text of a page of the session. Raises NotFound."""
    events = await load_events(connection, session.id)
    snapshot = await load_snapshot(connection, session.id)
    timeline = snapshot.timeline if snapshot else build_timeline(events, await load_span(connection, session.id))
    visits = [visit for visit in timeline.visits if visit.page_id == page_id]
    if not visits:
        raise NotFound("the session has no such page")
    keys = [visit.content_key for visit in visits if visit.content_key]
    contents = await load_contents(connection, session.user_id, keys)
    (page,) = (each for each in captured_pages(timeline, contents) if each.page_id == page_id)
    visit_keys = {visit.key for visit in visits}
    known = snapshot.details if snapshot else page_details(events, visit_keys)
    details = [known[visit.key] for visit in visits if visit.key in known]
    return PageTextReply(
        page_id=page_id,
        url=page.url,
        title=page.title,
        language=next((each.language for each in details if each.language), None),
        first_visited_at=from_epoch_ms(visits[0].started_ms),
        text=page.text,
        is_truncated=any(each.is_truncated for each in details),
        highlights=[
            MarkedPassage(
                id=highlight.key,
                text=highlight.text,
                prefix=highlight.prefix,
                suffix=highlight.suffix,
                color=highlight.color,
                note=highlight.note,
            )
            for highlight in timeline.highlights
            if highlight.page_id == page_id
        ],
    )
