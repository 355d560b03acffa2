"""Request and response bodies of map edits and their log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from models.mindmap.document import FlatLayoutName
from models.schemas.base import Body, Reply, Time
from models.schemas.mindmaps import EditReportReply, MindmapReply

MAX_OPERATIONS = 100
# PostgreSQL's JSON holds no NUL.
Label = Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00]*$")]
NodeId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]


class PositionBody(Body):
    """A position in the 3-D view, in its world units."""

    x: float = Field(ge=-10_000, le=10_000)
    y: float = Field(ge=-10_000, le=10_000)
    z: float = Field(default=0.0, ge=-10_000, le=10_000)


class OffsetBody(Body):
    """An offset in a flat layout, in pixels; y grows downwards."""

    x: float = Field(ge=-10_000, le=10_000)
    y: float = Field(ge=-10_000, le=10_000)


class OperationBody(Body):
    """One edit. Which fields it needs depends on `op`.

    rename: node_id, label · merge: node_ids (into the first), label? · split: node_id, member_ids, label ·
    move: node_id, parent_id · pin: node_id, pinned?, position? · place: node_id, layout?, offset? ·
    hide: node_id, hidden? ·
    add_node: parent_id?, type?, label, description? · add_edge: source, target, label? · remove_edge: source, target ·
    label_edge: source, target, label · delete: node_id · undo · redo
    """

    op: Literal[
        "rename", "merge", "split", "move", "pin", "place", "hide", "add_node", "add_edge", "remove_edge",
        "label_edge", "delete", "undo", "redo",
    ]  # fmt: skip
    op_id: Annotated[
        NodeId | None, Field(description="The client's id of this edit; sending it again changes nothing")
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
    layout: Annotated[FlatLayoutName | None, Field(description="The flat layout that `offset` is in")] = None
    offset: Annotated[
        OffsetBody | None, Field(description="From the node's parent; none: the automatic place again")
    ] = None


class EditsBody(Body):
    """1 to 100 edits, applied in order. With `expected_seq` or `version`, the request fails if the map has changed."""

    operations: Annotated[list[OperationBody], Field(min_length=1, max_length=MAX_OPERATIONS)]
    expected_seq: int | None = Field(default=None, ge=0, description="`edits.seq` of the map the client shows")
    version: int | None = Field(default=None, ge=1, description="The version the client shows")


class ExpectedSeqBody(Body):
    """With `expected_seq`, the request fails if the map has changed."""

    expected_seq: int | None = Field(default=None, ge=0)


class EditsReply(Reply):
    """The map after the edits, and one report for each of them, in order."""

    mindmap: MindmapReply
    reports: list[EditReportReply]


class LogEntryReply(Reply):
    """One entry of the edit log."""

    seq: int
    entry: dict[str, Any]
    created_at: Time
    in_effect: bool = Field(description="False for undone edits, and for undo and redo themselves")
    report: EditReportReply | None = Field(default=None, description="Its outcome on the current version")


class EditLogReply(Reply):
    """The edit log, newest first."""

    edits: list[LogEntryReply]
    seq: int
    num_in_effect: int
    can_undo: bool
    can_redo: bool
