"""What a person may change on a map, as operations that outlive the map they were made on.

A map's edits are a log. `effective` reads undo and redo out of it; `apply_operations` replays what is left on any
version of the map. An operation names nodes by id, and carries the pages a topic held when it was edited (`anchored`
notes them), so that it still finds its topic when a new version has drawn it anew. Every operation gets a report:
applied, adapted, or not applied and why. Nothing is dropped in silence.

Replaying is deterministic: the same document and operations give the same result. Layouts are not computed here
(`cluster.mindmap.document.edit_layout.apply_edits` does both).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from models.mindmap.document import MAX_LABEL_CHARS, MindmapDocument, Node, NodeData, NodeType, Position
from models.mindmap.editable import EditableMap
from models.mindmap.operations import (
    LOG,
    AddEdge,
    AddNode,
    Delete,
    Hide,
    LabelEdge,
    LogEntry,
    Merge,
    Move,
    Operation,
    Pin,
    Redo,
    RemoveEdge,
    Rename,
    Split,
    Undo,
    effective,
)
from models.text import shorten, strip_markup


@dataclass(frozen=True, slots=True)
class EditReport:
    """What became of one operation. `node_id` is the node it ended on, if any; the sentence is for the user.

    `reason` is the key in `REFUSALS` of why it was not applied, for clients that speak other languages.
    """

    op_id: str
    op: str
    status: Literal["applied", "adapted", "not_applied"]
    sentence: str
    node_id: str | None = None
    reason: str | None = None


#: Why an operation was not applied: a stable word for programs, and the sentence for people.
REFUSALS = {
    "gone": "What was edited is no longer on the map.",
    "label_empty": "The label is empty.",
    "already_one": "These topics are already one.",
    "unlike": "Only topics can be merged with topics, and sub-topics with sub-topics.",
    "only_topics_split": "Only a topic can be split.",
    "nothing_to_split": "None of the pages to split off is in that topic any more.",
    "nothing_left": "Nothing would be left in the topic.",
    "already_applied": "An edit with this id was already applied.",
    "cannot_move": "That node cannot be moved there.",
    "into_itself": "A topic cannot be moved into itself.",
    "wrong_place": "A node of this kind cannot stand there.",
    "core_stays": "The core stays in the middle.",
    "core_hidden": "The core cannot be hidden.",
    "same_node": "An edge joins two different nodes.",
    "already_joined": "These two are already joined.",
    "no_connection": "There is no such connection on this map.",
    "core_deleted": "The core cannot be deleted.",
    "does_not_fit": "The edits do not fit this version.",
    "nothing_to_undo": "There is nothing to undo.",
    "nothing_to_redo": "There is nothing to redo.",
}


def refusal(op_id: str, op: str, reason: str) -> EditReport:
    """The report of an operation that was not applied, for a reason of `REFUSALS`."""
    return EditReport(op_id, op, "not_applied", REFUSALS[reason], reason=reason)


class _CannotApply(Exception):
    """The one argument is a key of `REFUSALS`."""


def anchored(document: MindmapDocument, operation: Operation) -> Operation:
    """`operation` with the pages of every topic it names, so that it can be replayed when ids have changed."""
    tree = EditableMap(document)
    named = (*operation.subjects(), *(operation.member_ids if isinstance(operation, Split) else ()))
    anchors = {
        node_id: tuple(tree.pages_below(node_id))[:200]
        for node_id in named
        if node_id in tree.nodes and tree.nodes[node_id].type in ("topic", "subtopic")
    }
    return operation.model_copy(update={"anchors": {**anchors, **operation.anchors}})


def new_node_id(op_id: str) -> str:
    """The id of the node an operation makes: the same on every replay."""
    return "u_" + hashlib.blake2b(op_id.encode("utf-8", "replace"), digest_size=8).hexdigest()


def apply_operations(
    document: MindmapDocument, operations: Sequence[Operation]
) -> tuple[MindmapDocument, list[EditReport]]:
    """`document` after `operations`, and one report for each of them, in order.

    Operations should be replayed on a version without edits. Layout positions of new nodes are left at the origin.
    """
    tree = EditableMap(document)
    reports = []
    for operation in operations:
        try:
            found, adapted = _resolved(tree, operation)
            node_id, remark = _APPLY[operation.op](tree, operation, found)
        except _CannotApply as reason:
            reports.append(refusal(operation.op_id, operation.op, str(reason)))
            continue
        sentence = " ".join(part for part in ("Applied.", adapted, remark) if part)
        status: Literal["applied", "adapted"] = "adapted" if adapted or remark else "applied"
        reports.append(EditReport(operation.op_id, operation.op, status, sentence, node_id))
    for gone in tree.drop_empty_topics():
        reports = [_noted(r, gone) if r.node_id == gone else r for r in reports]
    return tree.document(), reports


def _noted(report: EditReport, gone: str) -> EditReport:
    sentence = f"{report.sentence} The topic became empty and was removed."
    return EditReport(report.op_id, report.op, "adapted", sentence, gone)


def _resolved(tree: EditableMap, operation: Operation) -> tuple[dict[str, str], str]:
    """Where the nodes an operation names are on this map, and a remark when they had to be looked for."""
    found: dict[str, str] = {}
    moved = False
    for node_id in operation.subjects():
        if node_id in tree.nodes:
            found[node_id] = node_id
            continue
        if tree.merged.get(node_id) in tree.nodes:
            found[node_id] = tree.merged[node_id]
            moved = True
            continue
        again = tree.group_like(operation.anchors.get(node_id, ()))
        if again is None:
            raise _CannotApply("gone")
        found[node_id] = again
        moved = True
    return found, "The topic was drawn anew; the edit went to the one that holds most of its pages." if moved else ""


def _clean(label: str) -> tuple[str, str]:
    text = strip_markup(label)
    if not text:
        raise _CannotApply("label_empty")
    short = shorten(text, MAX_LABEL_CHARS)
    return short, "" if short == label.strip() else "The label was cleaned or shortened."


def _rename(tree: EditableMap, edit: Rename, at: dict[str, str]) -> tuple[str, str]:
    label, remark = _clean(edit.label)
    node = tree.nodes[at[edit.node_id]]
    tree.put(node, label=label, data=node.data.model_copy(update={"label_by": "user"}))
    if node.type == "core":
        tree.title = label
    return node.id, remark


def _merge(tree: EditableMap, edit: Merge, at: dict[str, str]) -> tuple[str, str]:
    ids = list(dict.fromkeys(at[node_id] for node_id in edit.node_ids))
    kinds = {tree.nodes[node_id].type for node_id in ids}
    if len(ids) < 2:
        raise _CannotApply("already_one")
    if not kinds <= {"topic", "subtopic"} or len(kinds) > 1:
        raise _CannotApply("unlike")
    label, remark = _clean(edit.label) if edit.label is not None else ("", "")
    for other in ids[1:]:
        tree.merge(ids[0], other)
    if label:
        node = tree.nodes[ids[0]]
        tree.put(node, label=label, data=node.data.model_copy(update={"label_by": "user"}))
    return ids[0], remark


def _split(tree: EditableMap, edit: Split, at: dict[str, str]) -> tuple[str, str]:
    source = tree.nodes[at[edit.node_id]]
    if source.type not in ("topic", "subtopic"):
        raise _CannotApply("only_topics_split")
    label, remark = _clean(edit.label)
    inside = set(tree.below(source.id))
    members = [m for m in dict.fromkeys(edit.member_ids) if m in inside]
    if source.type == "subtopic":
        members = [m for m in members if tree.nodes[m].type == "page"]
    members = [m for m in members if not (set(tree.ancestors(m)) & set(members))]
    if not members:
        raise _CannotApply("nothing_to_split")
    if not set(tree.pages_below(source.id)) - {p for m in members for p in (m, *tree.pages_below(m))}:
        raise _CannotApply("nothing_left")
    new_id = new_node_id(edit.op_id)
    if new_id in tree.nodes:
        raise _CannotApply("already_applied")
    data = NodeData(origin="user", label_by="user", evidence=())
    node = Node(id=new_id, label=label, type=source.type, size=40, color=source.color, data=data)
    tree.insert(node, tree.parent[source.id], after=source.id)
    for member in members:
        tree.move(member, new_id)
    lost = len(set(edit.member_ids)) - len(members)
    if lost:
        remark = f"{remark} {lost} of the pages named were not in it any more.".strip()
    return new_id, remark


_UNDER: dict[NodeType, tuple[NodeType, ...]] = {
    "topic": ("core",),
    "subtopic": ("topic",),
    "page": ("topic", "subtopic"),
    "core": (),
}


def _move(tree: EditableMap, edit: Move, at: dict[str, str]) -> tuple[str, str]:
    node, target = tree.nodes[at[edit.node_id]], tree.nodes[at[edit.parent_id]]
    if node.type == "core" or node.id == target.id:
        raise _CannotApply("cannot_move")
    if target.id in tree.below(node.id):
        raise _CannotApply("into_itself")
    if node.type == "subtopic" and target.type == "core":
        tree.retype(node.id, "topic")
        tree.move(node.id, target.id)
        return node.id, "It became a topic."
    if node.type == "topic" and target.type == "topic":
        tree.flatten(node.id)
        tree.retype(node.id, "subtopic")
        tree.move(node.id, target.id)
        return node.id, "It became a part of that topic."
    is_note = node.type == "page" and node.data.origin == "user"
    if target.type not in _UNDER[node.type] and not (is_note and target.type == "core"):
        raise _CannotApply("wrong_place")
    tree.move(node.id, target.id)
    return node.id, ""


def _pin(tree: EditableMap, edit: Pin, at: dict[str, str]) -> tuple[str, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _CannotApply("core_stays")
    position, remark = node.position, ""
    if edit.pinned and edit.position is not None:
        position = edit.position.clamped(490, 280, 300)
        remark = "" if position == edit.position else "The place was moved into view."
        dx, dy, dz = (position.x - node.position.x, position.y - node.position.y, position.z - node.position.z)
        for below in tree.below(node.id):  # What hangs on a node goes with it.
            one = tree.nodes[below]
            if not one.data.pinned:
                at_now = Position(x=one.position.x + dx, y=one.position.y + dy, z=one.position.z + dz)
                tree.put(one, position=at_now.clamped(490, 280, 300))
    tree.put(node, position=position, data=node.data.model_copy(update={"pinned": edit.pinned}))
    return node.id, remark


def _hide(tree: EditableMap, edit: Hide, at: dict[str, str]) -> tuple[str, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _CannotApply("core_hidden")
    for node_id in (node.id, *tree.below(node.id)):
        one = tree.nodes[node_id]
        tree.put(one, data=one.data.model_copy(update={"hidden": edit.hidden}))
    return node.id, ""


def _add_node(tree: EditableMap, edit: AddNode, at: dict[str, str]) -> tuple[str, str]:
    label, remark = _clean(edit.label)
    parent = tree.nodes[at[edit.parent_id]]
    allowed = parent.type in _UNDER[edit.type] or (edit.type == "page" and parent.type == "core")
    if not allowed:
        raise _CannotApply("wrong_place")
    new_id = new_node_id(edit.op_id)
    if new_id in tree.nodes:
        raise _CannotApply("already_applied")
    about = shorten(strip_markup(edit.description or ""), 280) or None
    data = NodeData(origin="user", label_by="user", description=about)
    size = {"topic": 40.0, "subtopic": 30.0, "page": 20.0}[edit.type]
    tree.insert(Node(id=new_id, label=label, type=edit.type, size=size, color=parent.color, data=data), parent.id)
    return new_id, remark


def _add_edge(tree: EditableMap, edit: AddEdge, at: dict[str, str]) -> tuple[str | None, str]:
    source, target = at[edit.source], at[edit.target]
    if source == target:
        raise _CannotApply("same_node")
    label = _clean(edit.label)[0] if edit.label else None
    if tree.joined(source, target):
        raise _CannotApply("already_joined")
    tree.join(source, target, label)
    return source, ""


def _remove_edge(tree: EditableMap, edit: RemoveEdge, at: dict[str, str]) -> tuple[str | None, str]:
    if not tree.unjoin(at[edit.source], at[edit.target]):
        raise _CannotApply("no_connection")
    return at[edit.source], ""


def _label_edge(tree: EditableMap, edit: LabelEdge, at: dict[str, str]) -> tuple[str | None, str]:
    label, remark = _clean(edit.label)
    if not tree.relabel_edge(at[edit.source], at[edit.target], label):
        raise _CannotApply("no_connection")
    return at[edit.source], remark


def _delete(tree: EditableMap, edit: Delete, at: dict[str, str]) -> tuple[str | None, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _CannotApply("core_deleted")
    num = len([p for p in (node.id, *tree.below(node.id)) if tree.nodes[p].data.page_id])
    tree.delete(node.id)
    return None, "" if num <= 1 else f"{num} pages went with it and are now listed as left out."


_APPLY: dict[str, Callable[..., tuple[str | None, str]]] = {
    "rename": _rename, "merge": _merge, "split": _split, "move": _move, "pin": _pin, "hide": _hide,
    "add_node": _add_node, "add_edge": _add_edge, "remove_edge": _remove_edge, "label_edge": _label_edge,
    "delete": _delete,
}  # fmt: skip

__all__ = [
    "LOG",
    "REFUSALS",
    "AddEdge",
    "AddNode",
    "Delete",
    "EditReport",
    "Hide",
    "LabelEdge",
    "LogEntry",
    "Merge",
    "Move",
    "Operation",
    "Pin",
    "Redo",
    "RemoveEdge",
    "Rename",
    "Split",
    "Undo",
    "anchored",
    "apply_operations",
    "effective",
    "new_node_id",
    "refusal",
]  # fmt: skip
