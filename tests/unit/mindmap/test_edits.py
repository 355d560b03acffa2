"""Map edits: each is applied as documented, replayed on regenerated maps, and always reported."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.mindmap.build import build_map
from cluster.mindmap.document.edit_layout import apply_edits
from models.mindmap.document import MindmapDocument, Point
from models.mindmap.edits import REJECTION_REASONS, with_anchors
from models.mindmap.operations import EDIT_LOG_ADAPTER, LogEntry, Operation, Redo, Rename, Undo, operations_in_effect
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from models.urls import page_id
from tests.support.map_sessions import make_page, make_session

PAGES = make_session(per_subject=8)
MAP = build_map(PAGES)
TOPICS = [node.id for node in MAP.nodes if node.type == "topic"]
PARTS = [node.id for node in MAP.nodes if node.type == "subtopic"]
LEAVES = [node.id for node in MAP.nodes if node.type == "page"]


def apply(
    *operations: dict[str, Any], on: MindmapDocument = MAP, pages: list[CapturedPage] = PAGES
) -> tuple[MindmapDocument, list[Any]]:
    parsed = EDIT_LOG_ADAPTER.validate_python([{"op_id": str(i), **o} for i, o in enumerate(operations)])
    document, reports = apply_edits(on, operations_in_effect(parsed))
    assert validate_document(document, pages) == []
    assert len(reports) == len(operations)
    return document, reports


def test_rename_keeps_every_sign_and_removes_invisible_characters() -> None:
    document, [report] = apply({"op": "rename", "node_id": TOPICS[0], "label": "My <i>bread</i> **2**"})
    node = document.node(TOPICS[0])
    assert node is not None
    assert node.label == "My <i>bread</i> **2**"
    assert report.status == "applied"
    document, [report] = apply({"op": "rename", "node_id": TOPICS[0], "label": "My\u202e \u200bbread"})
    node = document.node(TOPICS[0])
    assert node is not None
    assert node.label == "My bread"
    assert report.status == "adapted"


def test_an_edit_of_a_merged_topic_applies_to_the_merge_target() -> None:
    document, reports = apply(
        {"op": "merge", "node_ids": TOPICS[:2], "label": "Both"},
        {"op": "rename", "node_id": TOPICS[1], "label": "Both of them"},
    )
    node = document.node(TOPICS[0])
    assert node is not None
    assert node.label == "Both of them"
    assert document.node(TOPICS[1]) is None
    assert [r.status for r in reports] == ["applied", "adapted"]
    assert document.coverage.on_map == len(PAGES)


def test_an_edit_of_a_deleted_merge_target_is_reported_as_not_applied() -> None:
    _, reports = apply(
        {"op": "merge", "node_ids": TOPICS[:2]},
        {"op": "delete", "node_id": TOPICS[0]},
        {"op": "rename", "node_id": TOPICS[1], "label": "Gone"},
    )
    assert [r.status for r in reports] == ["applied", "adapted", "not_applied"]


def test_split_moves_pages_to_a_new_topic() -> None:
    members = [p for p in LEAVES if TOPICS[0] in _ancestors(MAP, p)][:3]
    document, [report] = apply({"op": "split", "node_id": TOPICS[0], "member_ids": members, "label": "Three"})
    assert report.node_id is not None
    assert sorted(document.children()[report.node_id]) == sorted(members)


def test_move_pages_and_topics() -> None:
    document, reports = apply(
        {"op": "move", "node_id": LEAVES[0], "parent_id": TOPICS[2]},
        {"op": "move", "node_id": TOPICS[1], "parent_id": TOPICS[0]},
        {"op": "move", "node_id": TOPICS[0], "parent_id": TOPICS[1]},
    )
    assert document.parents()[LEAVES[0]] == TOPICS[2]
    assert document.parents()[TOPICS[1]] == TOPICS[0]
    assert [r.status for r in reports] == ["applied", "adapted", "not_applied"]


def test_pin_hide_and_delete() -> None:
    document, reports = apply(
        {"op": "pin", "node_id": LEAVES[0], "position": {"x": 9999, "y": 10, "z": 5}},
        {"op": "hide", "node_id": LEAVES[1]},
        {"op": "delete", "node_id": TOPICS[2]},
        {"op": "delete", "node_id": "core"},
    )
    pinned, hidden = document.node(LEAVES[0]), document.node(LEAVES[1])
    assert pinned is not None
    assert (pinned.position.x, pinned.position.y) == (490, 10)
    assert hidden is not None
    assert hidden.data.hidden
    assert {page.reason for page in document.excluded_pages} == {"deleted_by_user"}
    assert document.coverage.on_map + document.coverage.num_excluded == len(PAGES)
    assert [r.status for r in reports] == ["adapted", "applied", "adapted", "not_applied"]


def test_pinning_a_topic_moves_its_pages() -> None:
    document, _ = apply({"op": "pin", "node_id": TOPICS[0], "position": {"x": 380, "y": -200, "z": 0}})
    topic = document.node(TOPICS[0])
    assert topic is not None
    assert (topic.position.x, topic.position.y) == (380, -200)
    for node_id in [n for n in LEAVES if TOPICS[0] in _ancestors(document, n)]:
        page = document.node(node_id)
        assert page is not None
        assert abs(page.position.x - 380) < 200
        assert page.position.y < 50


def test_a_place_beside_one_parent_is_kept_until_the_node_moves_to_another() -> None:
    place = {"op": "place", "node_id": LEAVES[0], "layout": "tree", "offset": {"x": 80, "y": -30.5}}
    in_radial = {**place, "layout": "radial", "offset": {"x": -4, "y": 9}}
    document, _ = apply(place, in_radial)
    placed = document.node(LEAVES[0])
    assert placed is not None
    assert placed.data.places == {"tree": Point(x=80, y=-30.5), "radial": Point(x=-4, y=9)}
    assert MindmapDocument.from_json(document.to_json()) == document
    for reset, left in (
        ({"op": "place", "node_id": LEAVES[0], "layout": "tree"}, {"radial": Point(x=-4, y=9)}),
        ({"op": "place", "node_id": LEAVES[0]}, None),
        ({"op": "move", "node_id": LEAVES[0], "parent_id": TOPICS[-1]}, None),
    ):
        node = apply(place, in_radial, reset)[0].node(LEAVES[0])
        assert node is not None
        assert node.data.places == left
    regenerated, [report] = apply(place, on=_regenerated(3, keep=True), pages=REGENERATIONS[3])
    kept = regenerated.node(LEAVES[0])
    assert kept is not None
    assert (report.status, kept.data.places) == ("applied", {"tree": Point(x=80, y=-30.5)})
    _, [report] = apply({"op": "place", "node_id": "core", "layout": "tree", "offset": {"x": 1, "y": 1}})
    assert report.reason == "core_stays"


def test_user_nodes_and_edges() -> None:
    document, reports = apply(
        {"op": "add_node", "parent_id": "core", "type": "topic", "label": "Ideas"},
        {"op": "add_edge", "source": TOPICS[0], "target": TOPICS[2], "label": "see also"},
        {"op": "label_edge", "source": TOPICS[2], "target": TOPICS[0], "label": "both rise"},
        {"op": "remove_edge", "source": LEAVES[0], "target": LEAVES[-1]},
        {"op": "add_node", "parent_id": LEAVES[0], "type": "topic", "label": "nowhere"},
    )
    own = document.node(reports[0].node_id)
    assert own is not None
    assert own.data.origin == "user"
    [edge] = [e for e in document.edges if e.origin == "user"]
    assert edge.label == "both rise"
    assert [r.status for r in reports] == ["applied", "applied", "applied", "not_applied", "not_applied"]
    assert all(r.sentence for r in reports)


def test_undo_and_redo() -> None:
    first, second, third = (Rename(op_id=str(i), node_id="core", label=str(i)) for i in range(3))
    assert operations_in_effect([first, second, Undo()]) == [first]
    assert operations_in_effect([first, second, Undo(), Redo()]) == [first, second]
    assert operations_in_effect([first, second, Undo(), third, Redo()]) == [first, third]
    assert operations_in_effect([Undo(), Redo(), first, Undo(), Undo(), Redo()]) == [first]


def test_an_edit_finds_its_topic_by_pages_when_ids_have_changed() -> None:
    edit = with_anchors(MAP, Rename(op_id="a", node_id=TOPICS[0], label="Kept"))
    regenerated = build_map(PAGES[3:])
    assert regenerated.node(TOPICS[0]) is None
    document, [report] = apply_edits(regenerated, [edit])
    assert report.status == "adapted"
    kept = [node for node in document.nodes if node.label == "Kept"]
    assert len(kept) == 1


def test_regeneration_keeps_ids_of_the_same_topics() -> None:
    extra = make_page("https://new.example/bread", "Bread yeast", "Bread with yeast and flour in the oven. " * 5)
    regenerated = build_map([*PAGES, extra], previous=MAP)
    assert set(TOPICS) <= {node.id for node in regenerated.nodes}


def _ancestors(document: MindmapDocument, node_id: str) -> set[str]:
    parents, ancestors = document.parents(), set()
    while node_id in parents:
        node_id = parents[node_id]
        ancestors.add(node_id)
    return ancestors


ANY_ID = st.sampled_from([*TOPICS, *PARTS, *LEAVES[:6], "core", "unknown"])
LABEL = st.one_of(st.sampled_from(["Mine", "<b>x</b>", "", "  ", "한국어 제목", "a" * 300]), st.text(max_size=30))


KINDS = [
    "rename",
    "merge",
    "split",
    "move",
    "pin",
    "place",
    "hide",
    "add_node",
    "add_edge",
    "remove_edge",
    "delete",
    "undo",
    "redo",
]


@st.composite
def operations(draw: st.DrawFn) -> list[LogEntry]:
    entries: list[dict[str, Any]] = []
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(KINDS))
        op: dict[str, Any] = {"op": kind} if kind in ("undo", "redo") else {"op": kind, "op_id": f"op{i}"}
        if kind in ("rename", "split", "pin", "place", "hide", "delete", "move"):
            op["node_id"] = draw(ANY_ID)
        if kind == "place" and draw(st.booleans()):
            op["layout"] = draw(st.sampled_from(["tree", "radial"]))
            op["offset"] = {"x": draw(st.integers(-900, 900)), "y": draw(st.integers(-900, 900))}
        if kind in ("rename", "split", "add_node"):
            op["label"] = draw(LABEL)
        if kind == "merge":
            op["node_ids"] = draw(st.lists(ANY_ID, min_size=2, max_size=4))
        if kind == "split":
            op["member_ids"] = draw(st.lists(ANY_ID, min_size=1, max_size=5))
        if kind in ("move", "add_node"):
            op["parent_id"] = draw(ANY_ID)
        if kind == "add_node":
            op["type"] = draw(st.sampled_from(["topic", "subtopic", "page"]))
        if kind.endswith("_edge"):
            op["source"], op["target"] = draw(ANY_ID), draw(ANY_ID)
        entries.append(op)
    return EDIT_LOG_ADAPTER.validate_python(entries)


REGENERATIONS: list[list[CapturedPage]] = [
    PAGES,
    PAGES[5:],
    PAGES[:11],
    PAGES[::2],
    [
        *PAGES,
        *(make_page(f"https://more.example/{i}", f"Chess pawn {i}", "chess pawn endgame rook " * 9) for i in range(5)),
    ],
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=operations(), which=st.integers(0, len(REGENERATIONS) - 1), keep=st.booleans())
def test_any_edits_on_any_regeneration(log: list[LogEntry], which: int, keep: bool) -> None:
    edits: list[Operation] = [with_anchors(MAP, op) for op in operations_in_effect(log)]
    pages = REGENERATIONS[which]
    regenerated = _regenerated(which, keep)
    document, reports = apply_edits(regenerated, edits)
    assert validate_document(document, pages) == []
    assert [r.op_id for r in reports] == [op.op_id for op in edits]
    assert all(r.sentence for r in reports)
    twice, _ = apply_edits(regenerated, edits)
    assert twice.to_bytes() == document.to_bytes()


_CACHE: dict[tuple[int, bool], MindmapDocument] = {}


def _regenerated(which: int, keep: bool) -> MindmapDocument:
    if (which, keep) not in _CACHE:
        _CACHE[which, keep] = build_map(REGENERATIONS[which], previous=MAP if keep else None)
    return _CACHE[which, keep]


def test_the_log_rejects_unknown_operations() -> None:
    with pytest.raises(ValueError, match="expected tags"):
        EDIT_LOG_ADAPTER.validate_python([{"op": "explode", "op_id": "1"}])


def test_the_dashboard_translates_every_rejection_reason() -> None:
    catalogue = Path(__file__).parents[3] / "clients/dashboard/src/i18n/ko.ts"
    korean = catalogue.read_text().split("refused: {", 1)[1].split("},", 1)[0]
    assert set(re.findall(r"(\w+): \"", korean)) == set(REJECTION_REASONS)


def test_edits_find_a_page_whose_id_has_changed() -> None:
    """A page that is known by another address, or by other rules for addresses, keeps its edits, in both directions."""
    page = LEAVES[0]
    renamed = [replace(p, page_id="p_00000000000000aa", former_ids=(page,)) if p.page_id == page else p for p in PAGES]
    remade = build_map(renamed)
    log = EDIT_LOG_ADAPTER.validate_python(
        [
            {"op": "rename", "op_id": "1", "node_id": page, "label": "Mine"},
            {"op": "add_edge", "op_id": "2", "source": page, "target": LEAVES[5]},
            {"op": "delete", "op_id": "3", "node_id": LEAVES[6]},
        ]
    )
    document, reports = apply_edits(remade, operations_in_effect(log))
    assert [report.status for report in reports] == ["applied"] * 3
    node = document.node("p_00000000000000aa")
    assert node is not None
    assert node.label == "Mine"
    back = EDIT_LOG_ADAPTER.validate_python(
        [{"op": "rename", "op_id": "1", "node_id": page_id(MAP.node(page).data.urls[0]), "label": "Again"}]  # type: ignore[union-attr]
    )
    former = build_map([replace(p, page_id="p_00000000000000bb") if p.page_id == page else p for p in PAGES])
    restored, [report] = apply_edits(former, operations_in_effect(back))
    assert report.status == "applied"
    assert restored.node("p_00000000000000bb").label == "Again"  # type: ignore[union-attr]
