"""Request and response bodies of threads: topics that recur across sessions."""

from __future__ import annotations

import uuid
from typing import Literal

from models.schemas.base import Body, Reply, Time
from models.schemas.map_edits import NodeId


class ThreadMemberReply(Reply):
    """A topic of one session in a thread; `linked_by` is `user` if a person linked it."""

    session_id: str
    session_title: str | None = None
    started_at: Time
    topic_id: str
    label: str
    confidence: float
    linked_by: Literal["trailmind", "user"]


class ThreadReply(Reply):
    """A recurring subject: topics of at least two sessions, earliest first, and the words they share."""

    id: str
    label: str
    confidence: float
    terms: list[str]
    members: list[ThreadMemberReply]


class ThreadList(Reply):
    """Threads, those with the most topics first."""

    threads: list[ThreadReply]
    total: int


class TopicRef(Body):
    """A topic of one session's map."""

    session_id: uuid.UUID
    topic_id: NodeId


class LinkBody(Body):
    """Two topics of the same subject."""

    topic: TopicRef
    other: TopicRef
