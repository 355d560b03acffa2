"""Request and response bodies of map versions, edits, maps over several sessions, and threads."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from models.mindmap.joint_maps import MAX_SESSIONS
from models.schemas.common import Body, EditReportReply, MindmapReply, Reply, Time, Title

MAX_OPERATIONS = 100
# PostgreSQL's JSON holds no NUL.
Label = Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00]*$")]
NodeId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]


# --- edits ------------------------------------------------------------------------------------------------------


class OperationBody(Body):
    """One edit. Which fields it needs depends on `op`.

    rename: node_id, label · merge: node_ids (into the first), label? · split: node_id, member_ids, label ·
    move: node_id, parent_id · pin: node_id, pinned?, position? · hide: node_id, hidden? ·
    add_node: parent_id?, type?, label, description? · add_edge: source, target, label? · remove_edge: source, target ·
    label_edge: source, target, label · delete: node_id · undo · redo
    """

    op: Literal[
        "rename", "merge", "split", "move", "pin", "hide", "add_node", "add_edge", "remove_edge", "label_edge",
        "delete", "undo", "redo",
    ]  # fmt: skip
    op_id: Annotated[
        NodeId | None, Field(description="The client's id of this edit: sending it again changes nothing")
    ] = None
    node_id: NodeId | None = None
    node_ids: Annotated[list[NodeId] | None, Field(max_length=50)] = None
    member_ids: Annotated[list[NodeId] | None, Field(max_length=2_000)] = None
    parent_id: NodeId | None = None
    source: NodeId | None = None
    target: NodeId | None = None
    type: Literal["topic", "subtopic", "page"] | None = None
    label: Label | None = None
    description: Label | None = None
    pinned: bool | None = None
    hidden: bool | None = None
    position: PositionBody | None = None


class PositionBody(Body):
    """A place in the 3-D view, in its world units."""

    x: float = Field(ge=-10_000, le=10_000)
    y: float = Field(ge=-10_000, le=10_000)
    z: float = Field(default=0.0, ge=-10_000, le=10_000)


class EditsBody(Body):
    """1 to 100 edits, made in order. With `expected_seq` or `version` the request fails when somebody was faster."""

    operations: Annotated[list[OperationBody], Field(min_length=1, max_length=MAX_OPERATIONS)]
    expected_seq: int | None = Field(default=None, ge=0, description="`edits.seq` of the map the client shows")
    version: int | None = Field(default=None, ge=1, description="The version the client shows")


class ExpectedSeqBody(Body):
    """See EditsBody."""

    expected_seq: int | None = Field(default=None, ge=0)


class EditsReply(Reply):
    """The map after the edits, and one report for each of them, in order."""

    mindmap: MindmapReply
    reports: list[EditReportReply]


class LogEntryReply(Reply):
    """One line of the log."""

    seq: int
    entry: dict[str, Any]
    created_at: Time
    in_effect: bool = Field(description="False for what was undone, and for undo and redo themselves")
    report: EditReportReply | None = Field(default=None, description="What became of it on the version shown")


class EditLogReply(Reply):
    """The log, newest first."""

    edits: list[LogEntryReply]
    seq: int
    num_in_effect: int
    can_undo: bool
    can_redo: bool


# --- versions ---------------------------------------------------------------------------------------------------


class VersionReply(Reply):
    """One version. `cost_usd` is what the providers charged for it."""

    number: int
    is_current: bool
    provider: str
    model: str | None = None
    cost_usd: float
    input_digest: str
    scorecard: dict[str, Any]
    coverage: dict[str, Any]
    title: str
    num_topics: int
    num_pages: int
    edits_seq: int
    edits_not_applied: list[EditReportReply]
    restored_from: int | None = None
    created_at: Time
    data: dict[str, Any] | None = None


class VersionEnvelope(Reply):
    """`{"version": …}`"""

    version: VersionReply


class VersionList(Reply):
    """Newest first."""

    versions: list[VersionReply]
    total: int


class ChangeReply(Reply):
    """One difference in words; `why` where the maps tell."""

    kind: str
    sentence: str
    why: str = ""
    node_ids: list[str]


class DiffReply(Reply):
    """The changes from version `old` to version `new`, topics first."""

    old: int
    new: int
    changes: list[ChangeReply]


# --- maps over several sessions ---------------------------------------------------------------------------------


class JointMapBody(Body):
    """Either `session_ids`, or a range of dates (sessions started in `since` ≤ t < `until`), not both."""

    title: Title | None = None
    session_ids: Annotated[list[uuid.UUID], Field(min_length=1, max_length=MAX_SESSIONS)] | None = None
    since: datetime | None = None
    until: datetime | None = None


class JointMapReply(Reply):
    """A map over several sessions; `data` once it is made."""

    id: str
    title: str | None = None
    status: Literal["pending", "generating", "completed", "failed"]
    stage: str | None = None
    percent: int
    error_message: str | None = None
    session_ids: list[str]
    since: Time | None = None
    until: Time | None = None
    provider: str | None = None
    data: dict[str, Any] | None = None
    created_at: Time
    updated_at: Time


class JointMapEnvelope(Reply):
    """`{"map": …}`"""

    map: JointMapReply


class JointMapList(Reply):
    """Newest first, without `data`."""

    maps: list[JointMapReply]
    total: int


# --- threads ----------------------------------------------------------------------------------------------------


class ThreadMemberReply(Reply):
    """A topic of one session in a thread. `linked_by` says whether a person put it there."""

    session_id: str
    session_title: str | None = None
    started_at: Time
    topic_id: str
    label: str
    confidence: float
    linked_by: Literal["trailmind", "user"]


class ThreadReply(Reply):
    """A subject that came back: topics of at least two sessions, earliest first, and the words they share."""

    id: str
    label: str
    confidence: float
    terms: list[str]
    members: list[ThreadMemberReply]


class ThreadList(Reply):
    """Threads, the longest first."""

    threads: list[ThreadReply]
    total: int


class TopicRef(Body):
    """A topic of one session's map."""

    session_id: uuid.UUID
    topic_id: NodeId


class LinkBody(Body):
    """Two topics that are one subject."""

    topic: TopicRef
    other: TopicRef


OperationBody.model_rebuild()
