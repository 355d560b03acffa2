"""A user's edits on a map, as operations that can be replayed on later versions of it.

The edits of a map are an append-only log. `operations_in_effect` resolves undo and redo; `apply_operations` replays
the rest on any version of the map. An operation names nodes by id and carries the pages that its topics held when it
was made (`with_anchors`), so that it can find a topic whose id has changed. Every operation gets a report: applied,
adapted, or not applied with a reason.

Replay is deterministic: the same document and operations give the same result. Layouts are not computed here;
`cluster.mindmap.document.edit_layout.apply_edits` does both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from models.mindmap.document import MAX_LABEL_CHARS, MindmapDocument, Node, NodeData, NodeType, Position
from models.mindmap.editable import EditableMap
from models.mindmap.operations import (
    AddEdge,
    AddNode,
    Delete,
    Hide,
    LabelEdge,
    Merge,
    Move,
    Operation,
    Pin,
    RemoveEdge,
    Rename,
    Split,
)
from models.text import shorten, strip_markup


@dataclass(frozen=True, slots=True)
class EditReport:
    """What became of one operation. `node_id` is the node it ended on, if any; the sentence is for the user.

    `reason` is the key in `REJECTION_REASONS` of why it was not applied, for clients that speak other languages.
    """

    op_id: str
    op: str
    status: Literal["applied", "adapted", "not_applied"]
    sentence: str
    node_id: str | None = None
    reason: str | None = None


#: Why an operation was not applied: a stable word for programs, and the sentence for people.
REJECTION_REASONS = {
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


def rejection(op_id: str, op: str, reason: str) -> EditReport:
    """The report of an operation that was not applied, for a reason of `REJECTION_REASONS`."""
    return EditReport(op_id, op, "not_applied", REJECTION_REASONS[reason], reason=reason)


class _OperationRejected(Exception):
    """The one argument is a key of `REJECTION_REASONS`."""


def with_anchors(document: MindmapDocument, operation: Operation) -> Operation:
    """`operation` with the pages of every topic it names, so that it can be replayed when ids have changed."""
    tree = EditableMap(document)
    named = (*operation.referenced_node_ids(), *(operation.member_ids if isinstance(operation, Split) else ()))
    anchors = {
        node_id: tuple(tree.descendant_pages(node_id))[:200]
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
            found, adapted = _resolve_nodes(tree, operation)
            node_id, remark = _HANDLERS[operation.op](tree, operation, found)
        except _OperationRejected as reason:
            reports.append(rejection(operation.op_id, operation.op, str(reason)))
            continue
        sentence = " ".join(part for part in ("Applied.", adapted, remark) if part)
        status: Literal["applied", "adapted"] = "adapted" if adapted or remark else "applied"
        reports.append(EditReport(operation.op_id, operation.op, status, sentence, node_id))
    for gone in tree.remove_empty_topics():
        reports = [_with_note(r, gone) if r.node_id == gone else r for r in reports]
    return tree.to_document(), reports


def _with_note(report: EditReport, gone: str) -> EditReport:
    sentence = f"{report.sentence} The topic became empty and was removed."
    return EditReport(report.op_id, report.op, "adapted", sentence, gone)


def _resolve_nodes(tree: EditableMap, operation: Operation) -> tuple[dict[str, str], str]:
    """Where the nodes an operation names are on this map, and a remark when they had to be looked for."""
    found: dict[str, str] = {}
    moved = False
    for node_id in operation.referenced_node_ids():
        if node_id in tree.nodes:
            found[node_id] = node_id
            continue
        if tree.merged_into.get(node_id) in tree.nodes:
            found[node_id] = tree.merged_into[node_id]
            moved = True
            continue
        again = tree.most_similar_group(operation.anchors.get(node_id, ()))
        if again is None:
            raise _OperationRejected("gone")
        found[node_id] = again
        moved = True
    return found, "The topic was drawn anew; the edit went to the one that holds most of its pages." if moved else ""


def _clean_label(label: str) -> tuple[str, str]:
    text = strip_markup(label)
    if not text:
        raise _OperationRejected("label_empty")
    short = shorten(text, MAX_LABEL_CHARS)
    return short, "" if short == label.strip() else "The label was cleaned or shortened."


def _rename(tree: EditableMap, edit: Rename, at: dict[str, str]) -> tuple[str, str]:
    label, remark = _clean_label(edit.label)
    node = tree.nodes[at[edit.node_id]]
    tree.update_node(node, label=label, data=node.data.model_copy(update={"label_by": "user"}))
    if node.type == "core":
        tree.title = label
    return node.id, remark


def _merge(tree: EditableMap, edit: Merge, at: dict[str, str]) -> tuple[str, str]:
    ids = list(dict.fromkeys(at[node_id] for node_id in edit.node_ids))
    kinds = {tree.nodes[node_id].type for node_id in ids}
    if len(ids) < 2:
        raise _OperationRejected("already_one")
    if not kinds <= {"topic", "subtopic"} or len(kinds) > 1:
        raise _OperationRejected("unlike")
    label, remark = _clean_label(edit.label) if edit.label is not None else ("", "")
    for other in ids[1:]:
        tree.merge_groups(ids[0], other)
    if label:
        node = tree.nodes[ids[0]]
        tree.update_node(node, label=label, data=node.data.model_copy(update={"label_by": "user"}))
    return ids[0], remark


def _split(tree: EditableMap, edit: Split, at: dict[str, str]) -> tuple[str, str]:
    source = tree.nodes[at[edit.node_id]]
    if source.type not in ("topic", "subtopic"):
        raise _OperationRejected("only_topics_split")
    label, remark = _clean_label(edit.label)
    inside = set(tree.descendants(source.id))
    members = [m for m in dict.fromkeys(edit.member_ids) if m in inside]
    if source.type == "subtopic":
        members = [m for m in members if tree.nodes[m].type == "page"]
    members = [m for m in members if not (set(tree.ancestors(m)) & set(members))]
    if not members:
        raise _OperationRejected("nothing_to_split")
    if not set(tree.descendant_pages(source.id)) - {p for m in members for p in (m, *tree.descendant_pages(m))}:
        raise _OperationRejected("nothing_left")
    new_id = new_node_id(edit.op_id)
    if new_id in tree.nodes:
        raise _OperationRejected("already_applied")
    data = NodeData(origin="user", label_by="user", evidence=())
    node = Node(id=new_id, label=label, type=source.type, size=40, color=source.color, data=data)
    tree.insert_node(node, tree.parent[source.id], after=source.id)
    for member in members:
        tree.move_node(member, new_id)
    lost = len(set(edit.member_ids)) - len(members)
    if lost:
        remark = f"{remark} {lost} of the pages named were not in it any more.".strip()
    return new_id, remark


_ALLOWED_PARENTS: dict[NodeType, tuple[NodeType, ...]] = {
    "topic": ("core",),
    "subtopic": ("topic",),
    "page": ("topic", "subtopic"),
    "core": (),
}


def _move(tree: EditableMap, edit: Move, at: dict[str, str]) -> tuple[str, str]:
    node, target = tree.nodes[at[edit.node_id]], tree.nodes[at[edit.parent_id]]
    if node.type == "core" or node.id == target.id:
        raise _OperationRejected("cannot_move")
    if target.id in tree.descendants(node.id):
        raise _OperationRejected("into_itself")
    if node.type == "subtopic" and target.type == "core":
        tree.set_type(node.id, "topic")
        tree.move_node(node.id, target.id)
        return node.id, "It became a topic."
    if node.type == "topic" and target.type == "topic":
        tree.flatten(node.id)
        tree.set_type(node.id, "subtopic")
        tree.move_node(node.id, target.id)
        return node.id, "It became a part of that topic."
    is_note = node.type == "page" and node.data.origin == "user"
    if target.type not in _ALLOWED_PARENTS[node.type] and not (is_note and target.type == "core"):
        raise _OperationRejected("wrong_place")
    tree.move_node(node.id, target.id)
    return node.id, ""


def _pin(tree: EditableMap, edit: Pin, at: dict[str, str]) -> tuple[str, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_stays")
    position, remark = node.position, ""
    if edit.pinned and edit.position is not None:
        position = edit.position.clamped(490, 280, 300)
        remark = "" if position == edit.position else "The place was moved into view."
        dx, dy, dz = (position.x - node.position.x, position.y - node.position.y, position.z - node.position.z)
        for below in tree.descendants(node.id):  # What hangs on a node goes with it.
            one = tree.nodes[below]
            if not one.data.pinned:
                at_now = Position(x=one.position.x + dx, y=one.position.y + dy, z=one.position.z + dz)
                tree.update_node(one, position=at_now.clamped(490, 280, 300))
    tree.update_node(node, position=position, data=node.data.model_copy(update={"pinned": edit.pinned}))
    return node.id, remark


def _hide(tree: EditableMap, edit: Hide, at: dict[str, str]) -> tuple[str, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_hidden")
    for node_id in (node.id, *tree.descendants(node.id)):
        one = tree.nodes[node_id]
        tree.update_node(one, data=one.data.model_copy(update={"hidden": edit.hidden}))
    return node.id, ""


def _add_node(tree: EditableMap, edit: AddNode, at: dict[str, str]) -> tuple[str, str]:
    label, remark = _clean_label(edit.label)
    parent = tree.nodes[at[edit.parent_id]]
    allowed = parent.type in _ALLOWED_PARENTS[edit.type] or (edit.type == "page" and parent.type == "core")
    if not allowed:
        raise _OperationRejected("wrong_place")
    new_id = new_node_id(edit.op_id)
    if new_id in tree.nodes:
        raise _OperationRejected("already_applied")
    about = shorten(strip_markup(edit.description or ""), 280) or None
    data = NodeData(origin="user", label_by="user", description=about)
    size = {"topic": 40.0, "subtopic": 30.0, "page": 20.0}[edit.type]
    tree.insert_node(Node(id=new_id, label=label, type=edit.type, size=size, color=parent.color, data=data), parent.id)
    return new_id, remark


def _add_edge(tree: EditableMap, edit: AddEdge, at: dict[str, str]) -> tuple[str | None, str]:
    source, target = at[edit.source], at[edit.target]
    if source == target:
        raise _OperationRejected("same_node")
    label = _clean_label(edit.label)[0] if edit.label else None
    if tree.are_connected(source, target):
        raise _OperationRejected("already_joined")
    tree.connect(source, target, label)
    return source, ""


def _remove_edge(tree: EditableMap, edit: RemoveEdge, at: dict[str, str]) -> tuple[str | None, str]:
    if not tree.disconnect(at[edit.source], at[edit.target]):
        raise _OperationRejected("no_connection")
    return at[edit.source], ""


def _label_edge(tree: EditableMap, edit: LabelEdge, at: dict[str, str]) -> tuple[str | None, str]:
    label, remark = _clean_label(edit.label)
    if not tree.relabel_edge(at[edit.source], at[edit.target], label):
        raise _OperationRejected("no_connection")
    return at[edit.source], remark


def _delete(tree: EditableMap, edit: Delete, at: dict[str, str]) -> tuple[str | None, str]:
    node = tree.nodes[at[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_deleted")
    num = len([p for p in (node.id, *tree.descendants(node.id)) if tree.nodes[p].data.page_id])
    tree.delete_subtree(node.id)
    return None, "" if num <= 1 else f"{num} pages went with it and are now listed as left out."


_HANDLERS: dict[str, Callable[..., tuple[str | None, str]]] = {
    "rename": _rename, "merge": _merge, "split": _split, "move": _move, "pin": _pin, "hide": _hide,
    "add_node": _add_node, "add_edge": _add_edge, "remove_edge": _remove_edge, "label_edge": _label_edge,
    "delete": _delete,
}  # fmt: skip
