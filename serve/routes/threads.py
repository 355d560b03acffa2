"""Threads: topics that recur across sessions."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.maps.threads import load_threads
from models.errors import BadRequest, NotFound
from models.mindmap import thread_store
from models.mindmap.versions import load_current_document
from models.recording.browsing_sessions import BrowsingSession, owned_session
from models.schemas.threads import LinkBody, ThreadList, ThreadMemberReply, ThreadReply, TopicRef
from serve.dependencies import CurrentUserId, DbConnection, DbSession

router = APIRouter(prefix="/v1/threads", tags=["mindmaps"])


@router.get("", response_model_exclude_none=True)
async def list_threads(
    user_id: CurrentUserId,
    db: DbSession,
    connection: DbConnection,
    session_id: Annotated[uuid.UUID | None, Query(description="Only threads with a topic of this session")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> ThreadList:
    """Topics that recur across the caller's latest sessions, each with a confidence."""
    threads = await load_threads(connection, user_id)
    await db.commit()
    if session_id is not None:
        threads = [thread for thread in threads if any(m["session_id"] == str(session_id) for m in thread["members"])]
    page = threads[offset : offset + limit]
    ids = {uuid.UUID(member["session_id"]) for thread in page for member in thread["members"]}
    rows = await db.execute(
        select(BrowsingSession.id, BrowsingSession.title, BrowsingSession.started_at).where(
            BrowsingSession.id.in_(ids), BrowsingSession.user_id == user_id
        )
    )
    sessions = {str(row.id): row for row in rows}
    return ThreadList(
        threads=[
            ThreadReply(
                id=thread["id"],
                label=thread["label"],
                confidence=thread["confidence"],
                terms=thread["terms"],
                members=[
                    ThreadMemberReply(
                        **member,
                        session_title=sessions[member["session_id"]].title,
                        started_at=sessions[member["session_id"]].started_at,
                    )
                    for member in thread["members"]
                    if member["session_id"] in sessions
                ],
            )
            for thread in page
        ],
        total=len(threads),
    )


async def _check_topic(db: AsyncSession, user_id: uuid.UUID, topic: TopicRef) -> None:
    """Raise NotFound unless the topic is on the map of one of the user's sessions."""
    await owned_session(db, topic.session_id, user_id)
    document = await load_current_document(db, topic.session_id) or {}
    is_topic = (node["id"] == topic.topic_id and node["type"] == "topic" for node in document.get("nodes", []))
    if not any(is_topic):
        raise NotFound("there is no such topic")


@router.post("/link", status_code=204)
async def link_topics(body: LinkBody, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> Response:
    """Link two topics of different sessions as one subject. Safe to repeat."""
    if body.topic.session_id == body.other.session_id:
        raise BadRequest("a thread joins topics of different sessions")
    await _check_topic(db, user_id, body.topic)
    await _check_topic(db, user_id, body.other)
    await thread_store.link_topics(
        connection,
        user_id,
        (body.topic.session_id, body.topic.topic_id),
        (body.other.session_id, body.other.topic_id),
    )
    await db.commit()
    return Response(status_code=204)


@router.post("/unlink", status_code=204)
async def unlink_topic(body: TopicRef, user_id: CurrentUserId, db: DbSession, connection: DbConnection) -> Response:
    """Remove a topic from its thread; it joins none until it is linked again. Safe to repeat."""
    await _check_topic(db, user_id, body)
    await thread_store.unlink_topic(connection, user_id, (body.session_id, body.topic_id))
    await db.commit()
    return Response(status_code=204)
