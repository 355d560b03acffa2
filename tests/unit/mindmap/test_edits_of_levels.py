"""Edits of maps whose sub-topics have sub-topics. The dashboard applies the same cases (`clients/dashboard/test`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mindmap.document import CORE_ID, Coverage, Edge, MindmapDocument, Node, NodeData, NodeType
from models.mindmap.edits import apply_operations, new_node_id
from models.mindmap.operations import EDIT_LOG_ADAPTER, operations_in_effect
from models.mindmap.validation import validate_document

TYPES: dict[str, NodeType] = {"c": "core", "t": "topic", "s": "subtopic", "p": "page"}
CASES = json.loads((Path(__file__).parent / "edits_of_levels.json").read_bytes())


def document(tree: Mapping[str, Sequence[str]]) -> MindmapDocument:
    """A map with the children of every node; the first letter of an id is that of its type."""
    ids = [CORE_ID, *(child for children in tree.values() for child in children)]
    nodes = [
        Node(
            id=node_id,
            label=node_id,
            type=TYPES[node_id[0]],
            size=40,
            color="#3B82F6",
            data=NodeData(page_id=node_id if node_id[0] == "p" else None),
        )
        for node_id in ids
    ]
    edges = [Edge(source=parent, target=child) for parent, children in tree.items() for child in children]
    num_pages = sum(node.type == "page" for node in nodes)
    return MindmapDocument(
        nodes=tuple(nodes), edges=tuple(edges), coverage=Coverage(captured=num_pages, on_map=num_pages)
    )


def tree_of(edited: MindmapDocument) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The children and the type of every node; a new one is called "new"."""

    def name(node_id: str) -> str:
        return "new" if node_id == new_node_id("new") else node_id

    children = {name(node_id): [name(child) for child in below] for node_id, below in edited.children().items()}
    return children, {name(node.id): node.type for node in edited.nodes}


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_an_edit_of_three_levels_gives_the_documented_tree(case: dict[str, Any]) -> None:
    [operation] = operations_in_effect(EDIT_LOG_ADAPTER.validate_python([{"op_id": "new", **case["operation"]}]))
    edited, [report] = apply_operations(document(CASES["tree"]), [operation])
    children, types = tree_of(edited)
    assert (report.status == "not_applied") == (case["tree"] is None), report
    assert children == (case["tree"] or CASES["tree"])
    assert types == {
        node_id: case.get("types", {}).get(node_id) or TYPES[node_id[0]]
        for node_id in (CORE_ID, *(child for below in children.values() for child in below))
    }


ANY_ID = st.sampled_from(
    [CORE_ID, *(child for children in CASES["tree"].values() for child in children), *map(new_node_id, ("0", "1", "2"))]
)


@st.composite
def edits_of_the_tree(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Moves, merges, splits and new nodes; later ones also name nodes that earlier ones made."""
    edits = []
    for number in range(draw(st.integers(1, 6))):
        one, other = draw(ANY_ID), draw(ANY_ID)
        values = {
            "move": {"node_id": one, "parent_id": other},
            "merge": {"node_ids": [one, other]},
            "split": {"node_id": one, "member_ids": [other, draw(ANY_ID)], "label": "Split"},
            "add_node": {"parent_id": one, "type": draw(st.sampled_from(["subtopic", "page"])), "label": "Added"},
        }
        op = draw(st.sampled_from(sorted(values)))
        edits.append({"op": op, "op_id": str(number), **values[op]})
    return edits


@settings(max_examples=400, deadline=None)
@given(edits=edits_of_the_tree())
def test_edits_never_make_a_fourth_level(edits: list[dict[str, Any]]) -> None:
    log = operations_in_effect(EDIT_LOG_ADAPTER.validate_python(edits))
    edited, _ = apply_operations(document(CASES["tree"]), log)
    codes = {problem.code for problem in validate_document(edited, [])}
    assert codes.isdisjoint({"bad_parent", "cycle", "unreachable", "too_deep", "dangling_edge", "duplicate_edge"})
