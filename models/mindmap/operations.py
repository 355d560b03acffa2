"""The operations a person can make on a map, as values: what is stored in the log and sent by a client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from models.mindmap.document import CORE_ID, Position

Identifier = Annotated[str, Field(min_length=1, max_length=64)]


LabelText = Annotated[str, Field(max_length=400)]


class _Operation(BaseModel):
    """`op_id` is the client's, unique within the log; `anchors` maps topic ids to pages they held when edited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    op_id: Identifier
    anchors: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def referenced_node_ids(self) -> tuple[str, ...]:
        """The nodes that must exist for this to make sense."""
        return ()


class Rename(_Operation):
    op: Literal["rename"] = "rename"
    node_id: Identifier
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Merge(_Operation):
    """Put the contents of `node_ids` (topics, or sub-topics) into the first of them."""

    op: Literal["merge"] = "merge"
    node_ids: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=50)]
    label: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return self.node_ids


class Split(_Operation):
    """Take `member_ids` (pages or sub-topics) out of a topic, into a new one beside it."""

    op: Literal["split"] = "split"
    node_id: Identifier
    member_ids: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=2000)]
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Move(_Operation):
    op: Literal["move"] = "move"
    node_id: Identifier
    parent_id: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id, self.parent_id)


class Pin(_Operation):
    """Keep a node where it is, or at `position`; `pinned=False` lets it go again."""

    op: Literal["pin"] = "pin"
    node_id: Identifier
    pinned: bool = True
    position: Position | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Hide(_Operation):
    op: Literal["hide"] = "hide"
    node_id: Identifier
    hidden: bool = True

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class AddNode(_Operation):
    """A node of the user's own: a topic under the core, a sub-topic or a note anywhere below."""

    op: Literal["add_node"] = "add_node"
    parent_id: Identifier = CORE_ID
    type: Literal["topic", "subtopic", "page"] = "page"
    label: LabelText
    description: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.parent_id,)


class AddEdge(_Operation):
    op: Literal["add_edge"] = "add_edge"
    source: Identifier
    target: Identifier
    label: LabelText | None = None

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class RemoveEdge(_Operation):
    op: Literal["remove_edge"] = "remove_edge"
    source: Identifier
    target: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class LabelEdge(_Operation):
    op: Literal["label_edge"] = "label_edge"
    source: Identifier
    target: Identifier
    label: LabelText

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.source, self.target)


class Delete(_Operation):
    """Take a node off the map; pages below it are left out as `deleted_by_user`."""

    op: Literal["delete"] = "delete"
    node_id: Identifier

    def referenced_node_ids(self) -> tuple[str, ...]:
        return (self.node_id,)


class Undo(BaseModel):
    """Takes back the last operation still in effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    op: Literal["undo"] = "undo"


class Redo(BaseModel):
    """Brings back what the last undo took, unless something new was done since."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    op: Literal["redo"] = "redo"


Operation = Rename | Merge | Split | Move | Pin | Hide | AddNode | AddEdge | RemoveEdge | LabelEdge | Delete


LogEntry = Annotated[Operation | Undo | Redo, Field(discriminator="op")]


#: Parses the log as it is stored and as `PATCH …/mindmap` receives it: a JSON list of operations.
EDIT_LOG_ADAPTER: TypeAdapter[list[LogEntry]] = TypeAdapter(list[LogEntry])


def operations_in_effect(log: Iterable[LogEntry]) -> list[Operation]:
    """The operations in effect after every undo and redo of `log`, oldest first."""
    done: list[Operation] = []
    undone: list[Operation] = []
    for entry in log:
        if isinstance(entry, Undo):
            if done:
                undone.append(done.pop())
        elif isinstance(entry, Redo):
            if undone:
                done.append(undone.pop())
        else:
            done.append(entry)
            undone.clear()
    return done
