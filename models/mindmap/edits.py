"""A user's edits on a map, as operations that can be replayed on later versions of it.

The edits of a map are an append-only log. `operations_in_effect` resolves undo and redo; `apply_operations` replays
the rest on any version of the map. An operation names nodes by id and carries the pages that its topics held when it
was made (`with_anchors`), so that it can find a topic whose id has changed. A page whose id has changed is found by the
ids that it had (`NodeData.former_page_ids`). Every operation gets a report: applied,
adapted, or not applied with a reason.

Replay is deterministic: the same document and operations give the same result. Layouts are not computed here;
`cluster.mindmap.document.edit_layout.apply_edits` does both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from models.mindmap.document import (
    MAX_LABEL_CHARS,
    MAX_TOPIC_LEVELS,
    MindmapDocument,
    Node,
    NodeData,
    NodeType,
    Position,
)
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
    Place,
    RemoveEdge,
    Rename,
    Split,
)
from models.text import collapse_whitespace, shorten


@dataclass(frozen=True, slots=True)
class EditReport:
    """The result of one operation. `node_id` is the node it was applied to or created, if any.

    `adapted` means applied in a changed form; `sentence` tells the user how. `reason` is the key in
    `REJECTION_REASONS` of an operation that was not applied, for clients in other languages.
    """

    op_id: str
    op: str
    status: Literal["applied", "adapted", "not_applied"]
    sentence: str
    node_id: str | None = None
    reason: str | None = None


#: Why an operation was not applied: a stable key for programs, and a sentence for the user.
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

#: Positions that a pinned node may have, as absolute values; slightly inside of what `validate_document` allows.
_MAX_PINNED_X, _MAX_PINNED_Y, _MAX_PINNED_Z = 490, 280, 300
_MAX_ANCHOR_PAGES = 200
_MAX_DESCRIPTION_CHARS = 280
_MAX_TYPED_CHARS = 4000
_NEW_NODE_SIZES: dict[NodeType, float] = {"topic": 40.0, "subtopic": 30.0, "page": 20.0}


def rejection(op_id: str, op: str, reason: str) -> EditReport:
    """The report of an operation that was not applied. Raises `KeyError` unless `reason` is in `REJECTION_REASONS`."""
    return EditReport(op_id, op, "not_applied", REJECTION_REASONS[reason], reason=reason)


class _OperationRejected(Exception):
    """An operation cannot be applied; its argument is a key of `REJECTION_REASONS`."""


def with_anchors(document: MindmapDocument, operation: Operation) -> Operation:
    """`operation` with the pages of every topic it names, so that it can be replayed when topic ids have changed.

    Anchors that the operation already has are kept.
    """
    tree = EditableMap(document)
    named = (*operation.referenced_node_ids(), *(operation.member_ids if isinstance(operation, Split) else ()))
    anchors = {
        node_id: tuple(tree.descendant_pages(node_id))[:_MAX_ANCHOR_PAGES]
        for node_id in named
        if node_id in tree.nodes and tree.nodes[node_id].type in ("topic", "subtopic")
    }
    return operation.model_copy(update={"anchors": {**anchors, **operation.anchors}})


def new_node_id(op_id: str) -> str:
    """The id of the node that an operation creates: the same on every replay."""
    return "u_" + hashlib.blake2b(op_id.encode("utf-8", "replace"), digest_size=8).hexdigest()


def apply_operations(
    document: MindmapDocument, operations: Sequence[Operation]
) -> tuple[MindmapDocument, list[EditReport]]:
    """`document` (a version without edits) after `operations`, and one report per operation, in order.

    New nodes are at the origin: layouts are not computed here. Never raises for an operation that does not fit; its
    report says why it was not applied.
    """
    tree = EditableMap(document)
    reports = []
    for recorded in operations:
        operation = recorded.with_ids(tree.former_ids) if tree.former_ids else recorded
        try:
            node_ids, lookup_remark = _resolve_nodes(tree, operation)
            node_id, remark = _HANDLERS[operation.op](tree, operation, node_ids)
        except _OperationRejected as rejected:
            reports.append(rejection(operation.op_id, operation.op, str(rejected)))
            continue
        remarks = [text for text in (lookup_remark, remark) if text]
        sentence = " ".join(["Applied.", *remarks])
        reports.append(
            EditReport(operation.op_id, operation.op, "adapted" if remarks else "applied", sentence, node_id)
        )
    for removed_id in tree.remove_empty_topics():
        reports = [_with_note(report) if report.node_id == removed_id else report for report in reports]
    return tree.to_document(), reports


def _with_note(report: EditReport) -> EditReport:
    """The report of an operation whose topic was removed because it has no pages left."""
    sentence = f"{report.sentence} The topic became empty and was removed."
    return replace(report, status="adapted", sentence=sentence, reason=None)


def _resolve_nodes(tree: EditableMap, operation: Operation) -> tuple[dict[str, str], str]:
    """The ids on this map of the nodes that an operation names, and a remark if one of them has another id.

    A node is found by its id, else as the target of an earlier merge, else by the pages that it held. Raises
    `_OperationRejected` if a node is not found.
    """
    resolved: dict[str, str] = {}
    for node_id in operation.referenced_node_ids():
        if node_id in tree.nodes:
            resolved[node_id] = node_id
            continue
        target = tree.merged_into.get(node_id)
        if target not in tree.nodes:
            target = tree.most_similar_group(operation.anchors.get(node_id, ()))
        if target is None:
            raise _OperationRejected("gone")
        resolved[node_id] = target
    if all(node_id == target for node_id, target in resolved.items()):
        return resolved, ""
    return resolved, "The topic was drawn anew; the edit went to the one that holds most of its pages."


def _clean_label(label: str) -> tuple[str, str]:
    """A label as one line of valid length, and a remark if it was changed."""
    text = collapse_whitespace(label[:_MAX_TYPED_CHARS])
    if not text:
        raise _OperationRejected("label_empty")
    short = shorten(text, MAX_LABEL_CHARS)
    return short, "" if short == label.strip() else "The label was cleaned or shortened."


#: What the handler of an operation returns: the node id for the report, and a remark if the operation was adapted.
#: Its argument `ids` maps the node ids of the operation to those of the map.
_Result = tuple[str | None, str]


def _rename(tree: EditableMap, edit: Rename, ids: dict[str, str]) -> _Result:
    label, remark = _clean_label(edit.label)
    node = tree.nodes[ids[edit.node_id]]
    _set_label(tree, node, label)
    if node.type == "core":
        tree.title = label
    return node.id, remark


def _set_label(tree: EditableMap, node: Node, label: str) -> None:
    named = node.data.model_copy(update={"label_by": "user", "reused_from": None})
    tree.update_node(node, label=label, data=named)


def _merge(tree: EditableMap, edit: Merge, ids: dict[str, str]) -> _Result:
    target_id, *source_ids = dict.fromkeys(ids[node_id] for node_id in edit.node_ids)
    node_types = {tree.nodes[node_id].type for node_id in (target_id, *source_ids)}
    if not source_ids:
        raise _OperationRejected("already_one")
    if not node_types <= {"topic", "subtopic"} or len(node_types) > 1:
        raise _OperationRejected("unlike")
    label, remark = _clean_label(edit.label) if edit.label is not None else ("", "")
    for source_id in source_ids:
        tree.merge_groups(target_id, source_id)
    remark = _joined(remark, _limit_levels(tree, target_id))
    if label:
        _set_label(tree, tree.nodes[target_id], label)
    return target_id, remark


def _limit_levels(tree: EditableMap, node_id: str) -> str:
    """Merge what is now too deep below a node into what it is part of; a remark if there is any."""
    return "A fourth level of topics was merged into the third." if tree.flatten(node_id, MAX_TOPIC_LEVELS) else ""


def _joined(*remarks: str) -> str:
    return " ".join(filter(None, remarks))


def _split(tree: EditableMap, edit: Split, ids: dict[str, str]) -> _Result:
    source = tree.nodes[ids[edit.node_id]]
    if source.type not in ("topic", "subtopic"):
        raise _OperationRejected("only_topics_split")
    label, remark = _clean_label(edit.label)
    members = _members_to_split(tree, source, edit.member_ids)
    if not members:
        raise _OperationRejected("nothing_to_split")
    moved_pages = {page for member in members for page in (member, *tree.descendant_pages(member))}
    if not set(tree.descendant_pages(source.id)) - moved_pages:
        raise _OperationRejected("nothing_left")
    new_id = _unused_node_id(tree, edit.op_id)
    data = NodeData(origin="user", label_by="user", evidence=())
    node = Node(id=new_id, label=label, type=source.type, size=40, color=source.color, data=data)
    tree.insert_node(node, tree.parent[source.id], after=source.id)
    for member in members:
        tree.move_node(member, new_id)
    num_missing = len(set(edit.member_ids)) - len(members)
    if num_missing:
        remark = _joined(remark, f"{num_missing} of the pages named were not in it any more.")
    return new_id, remark


def _members_to_split(tree: EditableMap, source: Node, member_ids: Sequence[str]) -> list[str]:
    """The ids that are below `source`, without those below another of them."""
    descendants = set(tree.descendants(source.id))
    members = [member for member in dict.fromkeys(member_ids) if member in descendants]
    return [member for member in members if not set(tree.ancestors(member)) & set(members)]


def _unused_node_id(tree: EditableMap, op_id: str) -> str:
    node_id = new_node_id(op_id)
    if node_id in tree.nodes:
        raise _OperationRejected("already_applied")
    return node_id


_ALLOWED_PARENTS: dict[NodeType, tuple[NodeType, ...]] = {
    "topic": ("core",),
    "subtopic": ("topic", "subtopic"),
    "page": ("topic", "subtopic"),
    "core": (),
}


def _can_hold(tree: EditableMap, parent: Node, node_type: NodeType) -> bool:
    """Whether a node of this type can stand below `parent`."""
    has_room = node_type != "subtopic" or tree.level(parent.id) < MAX_TOPIC_LEVELS
    return parent.type in _ALLOWED_PARENTS[node_type] and has_room


def _move(tree: EditableMap, edit: Move, ids: dict[str, str]) -> _Result:
    node, target = tree.nodes[ids[edit.node_id]], tree.nodes[ids[edit.parent_id]]
    if node.type == "core" or node.id == target.id:
        raise _OperationRejected("cannot_move")
    if target.id in tree.descendants(node.id):
        raise _OperationRejected("into_itself")
    remark = ""
    if node.type == "subtopic" and target.type == "core":
        tree.set_type(node.id, "topic")
        remark = "It became a topic."
    elif node.type == "topic" and target.type == "topic":
        # Edits that were stored when a sub-topic could have no parts give the same map as then.
        tree.flatten(node.id)
        tree.set_type(node.id, "subtopic")
        remark = "It became a part of that topic."
    else:
        is_user_page = node.type == "page" and node.data.origin == "user"
        if not _can_hold(tree, target, node.type) and not (is_user_page and target.type == "core"):
            raise _OperationRejected("wrong_place")
    tree.move_node(node.id, target.id)
    return node.id, _joined(remark, _limit_levels(tree, node.id))


def _pin(tree: EditableMap, edit: Pin, ids: dict[str, str]) -> _Result:
    node = tree.nodes[ids[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_stays")
    position, remark = node.position, ""
    if edit.pinned and edit.position is not None:
        position = _in_view(edit.position)
        remark = "" if position == edit.position else "The place was moved into view."
        _shift_descendants(tree, node, position)
    tree.update_node(node, position=position, data=node.data.model_copy(update={"pinned": edit.pinned}))
    return node.id, remark


def _place(tree: EditableMap, edit: Place, ids: dict[str, str]) -> _Result:
    node = tree.nodes[ids[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_stays")
    places = {layout: place for layout, place in (node.data.places or {}).items() if edit.layout not in (layout, None)}
    if edit.layout is not None and edit.offset is not None:
        places[edit.layout] = edit.offset
    tree.update_data(node, places=places or None)
    return node.id, ""


def _shift_descendants(tree: EditableMap, node: Node, position: Position) -> None:
    """Move everything below `node` that is not pinned by the same distance as `node`."""
    dx, dy, dz = position.x - node.position.x, position.y - node.position.y, position.z - node.position.z
    for node_id in tree.descendants(node.id):
        descendant = tree.nodes[node_id]
        if not descendant.data.pinned:
            old = descendant.position
            tree.update_node(descendant, position=_in_view(Position(x=old.x + dx, y=old.y + dy, z=old.z + dz)))


def _in_view(position: Position) -> Position:
    return position.clamped(_MAX_PINNED_X, _MAX_PINNED_Y, _MAX_PINNED_Z)


def _hide(tree: EditableMap, edit: Hide, ids: dict[str, str]) -> _Result:
    node = tree.nodes[ids[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_hidden")
    for node_id in (node.id, *tree.descendants(node.id)):
        tree.update_data(tree.nodes[node_id], hidden=edit.hidden)
    return node.id, ""


def _add_node(tree: EditableMap, edit: AddNode, ids: dict[str, str]) -> _Result:
    label, remark = _clean_label(edit.label)
    parent = tree.nodes[ids[edit.parent_id]]
    if not _can_hold(tree, parent, edit.type) and not (edit.type == "page" and parent.type == "core"):
        raise _OperationRejected("wrong_place")
    new_id = _unused_node_id(tree, edit.op_id)
    description = (
        shorten(collapse_whitespace((edit.description or "")[:_MAX_TYPED_CHARS]), _MAX_DESCRIPTION_CHARS) or None
    )
    data = NodeData(origin="user", label_by="user", description=description)
    size = _NEW_NODE_SIZES[edit.type]
    tree.insert_node(Node(id=new_id, label=label, type=edit.type, size=size, color=parent.color, data=data), parent.id)
    return new_id, remark


def _add_edge(tree: EditableMap, edit: AddEdge, ids: dict[str, str]) -> _Result:
    source, target = ids[edit.source], ids[edit.target]
    if source == target:
        raise _OperationRejected("same_node")
    label = _clean_label(edit.label)[0] if edit.label else None
    if tree.are_connected(source, target):
        raise _OperationRejected("already_joined")
    tree.connect(source, target, label)
    return source, ""


def _remove_edge(tree: EditableMap, edit: RemoveEdge, ids: dict[str, str]) -> _Result:
    if not tree.disconnect(ids[edit.source], ids[edit.target]):
        raise _OperationRejected("no_connection")
    return ids[edit.source], ""


def _label_edge(tree: EditableMap, edit: LabelEdge, ids: dict[str, str]) -> _Result:
    label, remark = _clean_label(edit.label)
    if not tree.relabel_edge(ids[edit.source], ids[edit.target], label):
        raise _OperationRejected("no_connection")
    return ids[edit.source], remark


def _delete(tree: EditableMap, edit: Delete, ids: dict[str, str]) -> _Result:
    node = tree.nodes[ids[edit.node_id]]
    if node.type == "core":
        raise _OperationRejected("core_deleted")
    subtree = (node.id, *tree.descendants(node.id))
    num_pages = sum(1 for node_id in subtree if tree.nodes[node_id].data.page_id)
    tree.delete_subtree(node.id)
    return None, "" if num_pages <= 1 else f"{num_pages} pages went with it and are now listed as left out."


_HANDLERS: dict[str, Callable[..., _Result]] = {
    "rename": _rename,
    "merge": _merge,
    "split": _split,
    "move": _move,
    "pin": _pin,
    "place": _place,
    "hide": _hide,
    "add_node": _add_node,
    "add_edge": _add_edge,
    "remove_edge": _remove_edge,
    "label_edge": _label_edge,
    "delete": _delete,
}
