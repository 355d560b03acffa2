"""The edit operations on a map, as values: the entries of the edit log, and the body of an edit request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from models.mindmap.document import CORE_ID, FlatLayoutName, Point, Position

Identifier = Annotated[str, Field(min_length=1, max_length=64)]
LabelText = Annotated[str, Field(max_length=400)]


_ID_FIELDS = ("node_id", "node_ids", "member_ids", "parent_id", "source", "target")


class _Operation(BaseModel):
    """`op_id` is assigned by the client and unique within the log.

    `anchors` maps the ids of topics to the pages that they held when the operation was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    op_id: Identifier
    anchors: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def referenced_node_ids(self) -> tuple[str, ...]:
        """The ids of the nodes that must exist for the operation to be applied."""
        return ()

    def with_ids(self, current: Mapping[str, str]) -> Self:
        """The operation with each id that is a key of `current` replaced by its value."""
        changes: dict[str, object] = {}
        for name in _ID_FIELDS:
            value = getattr(self, name, None)
            if isinstance(value, str) and value in current:
                changes[name] = current[value]
            elif isinstance(value, tuple) and not current.keys().isdisjoint(value):
                changes[name] = tuple(current.get(node_id, node_id) for node_id in value)
        if any(not current.keys().isdisjoint(pages) for pages in self.anchors.values()):
            changes["anchors"] = {
                topic: tuple(current.get(page, page) for page in pages) for topic, pages in self.anchors.items()
            }
        return self.model_copy(update=changes) if changes else self


class Rename(_Operation):
    """Set the label of a node; of the core also the title of the map."""

    op: Literal["rename"] = "rename"
    node_id: Identifier
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Merge(_Operation):
    """Move the contents of `node_ids` (all topics, or all sub-topics of any level) into the first of them."""

    op: Literal["merge"] = "merge"
    node_ids: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=50)]
    label: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return self.node_ids


class Split(_Operation):
    """Move `member_ids` (pages or sub-topics) out of a topic into a new topic beside it."""

    op: Literal["split"] = "split"
    node_id: Identifier
    member_ids: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=2000)]
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Move(_Operation):
    """Move a node with its descendants below another parent."""

    op: Literal["move"] = "move"
    node_id: Identifier
    parent_id: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id, self.parent_id)


class Pin(_Operation):
    """Fix a node at its position, or at `position`; with `pinned=False` layouts may move it again."""

    op: Literal["pin"] = "pin"
    node_id: Identifier
    pinned: bool = True
    position: Position | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Place(_Operation):
    """Put a node of a flat layout at `offset` from its parent; without an offset it returns to its automatic place.

    Without `layout`, it returns to its automatic place in every flat layout. What is below the node moves with it.
    """

    op: Literal["place"] = "place"
    node_id: Identifier
    layout: FlatLayoutName | None = None
    offset: Point | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)

    @model_validator(mode="after")
    def _offset_has_layout(self) -> Self:
        if self.offset is not None and self.layout is None:
            raise ValueError("An offset needs the layout that it is in.")
        return self


class Hide(_Operation):
    """Hide a node with its descendants, or show them again with `hidden=False`."""

    op: Literal["hide"] = "hide"
    node_id: Identifier
    hidden: bool = True

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class AddNode(_Operation):
    """Add a node of the user's own: a topic, a sub-topic (below one of the first two levels), or a page (a note)."""

    op: Literal["add_node"] = "add_node"
    parent_id: Identifier = CORE_ID
    type: Literal["topic", "subtopic", "page"] = "page"
    label: LabelText
    description: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.parent_id,)


class AddEdge(_Operation):
    """Add a cross edge between two nodes that no edge connects."""

    op: Literal["add_edge"] = "add_edge"
    source: Identifier
    target: Identifier
    label: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class RemoveEdge(_Operation):
    """Remove a cross edge."""

    op: Literal["remove_edge"] = "remove_edge"
    source: Identifier
    target: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class LabelEdge(_Operation):
    """Set the label of a cross edge."""

    op: Literal["label_edge"] = "label_edge"
    source: Identifier
    target: Identifier
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class Delete(_Operation):
    """Remove a node with its descendants; captured pages among them become excluded as `deleted_by_user`."""

    op: Literal["delete"] = "delete"
    node_id: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class _Step(BaseModel):
    """`op_id` is the client's, as of an operation; None when the client gave none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    op_id: Identifier | None = None


class Undo(_Step):
    """Revert the last operation that is in effect."""

    op: Literal["undo"] = "undo"


class Redo(_Step):
    """Restore the operation that the last undo reverted, unless another operation followed."""

    op: Literal["redo"] = "redo"


Operation = Rename | Merge | Split | Move | Pin | Place | Hide | AddNode | AddEdge | RemoveEdge | LabelEdge | Delete
LogEntry = Annotated[Operation | Undo | Redo, Field(discriminator="op")]


#: Parses a JSON list of log entries, as it is stored and as `PATCH …/mindmap` receives it.
EDIT_LOG_ADAPTER: TypeAdapter[list[LogEntry]] = TypeAdapter(list[LogEntry])


def operations_in_effect(log: Iterable[LogEntry]) -> list[Operation]:
    """The operations that are in effect after all undo and redo entries of `log`, oldest first."""
    in_effect: list[Operation] = []
    undone: list[Operation] = []
    for entry in log:
        if isinstance(entry, Undo):
            if in_effect:
                undone.append(in_effect.pop())
        elif isinstance(entry, Redo):
            if undone:
                in_effect.append(undone.pop())
        else:
            in_effect.append(entry)
            undone.clear()
    return in_effect
