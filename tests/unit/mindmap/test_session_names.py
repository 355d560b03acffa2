"""The generated title and summary of a map follow its topics through edits; the user's own title does not."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.document.edit_layout import apply_edits
from models.mindmap.document import CORE_ID, MindmapDocument, Node
from models.mindmap.operations import EDIT_LOG_ADAPTER, operations_in_effect
from models.mindmap.reused_labels import without_reused_labels
from models.mindmap.validation import validate_document
from tests.support.map_sessions import make_session
from tests.unit.mindmap.test_user_labels import BAKERY
from tests.unit.mindmap.test_user_labels import compose as compose_with_labels

PAGES = make_session(per_subject=5)
MAP = build_map(PAGES)
FIRST, SECOND, THIRD = [node for node in MAP.nodes if node.type == "topic"]


def apply(*operations: dict[str, Any], on: MindmapDocument = MAP) -> MindmapDocument:
    log = EDIT_LOG_ADAPTER.validate_python([{"op_id": str(i), **each} for i, each in enumerate(operations)])
    document, reports = apply_edits(on, operations_in_effect(log))
    assert all(report.status in ("applied", "adapted") for report in reports)
    return document


def core(document: MindmapDocument) -> Node:
    node = document.node(CORE_ID)
    assert node is not None
    return node


def texts(document: MindmapDocument) -> list[str]:
    """Everything that names the session by its topics."""
    return [document.title, core(document).label, document.summary, core(document).data.description or ""]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"op": "rename", "node_id": FIRST.id, "label": "Grandmother"}, ("Grandmother", SECOND.label, THIRD.label)),
        ({"op": "hide", "node_id": FIRST.id}, (SECOND.label, THIRD.label)),
        ({"op": "delete", "node_id": FIRST.id}, (SECOND.label, THIRD.label)),
        ({"op": "move", "node_id": FIRST.id, "parent_id": SECOND.id}, (SECOND.label, THIRD.label)),
        ({"op": "merge", "node_ids": [SECOND.id, FIRST.id], "label": "Both"}, ("Both", THIRD.label)),
    ],
)
def test_title_and_summary_follow_edits_of_topics(edit: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert all(FIRST.label in text for text in texts(MAP))
    document = apply(edit)
    assert validate_document(document, PAGES) == []
    assert document.title == core(document).label
    assert document.summary == core(document).data.description
    for text in texts(document):
        assert FIRST.label not in text
        assert all(label in text for label in expected)
    # What the title was made of is counted, too.
    num_pages = sum(node.type == "page" and not node.data.hidden for node in document.nodes)
    assert document.summary.startswith(f"{num_pages} pages on ")


def test_other_edits_and_those_taken_back_change_neither() -> None:
    page = next(node for node in MAP.nodes if node.type == "page")
    assert texts(apply({"op": "rename", "node_id": page.id, "label": "My page"})) == texts(MAP)
    hidden = {"op": "hide", "node_id": FIRST.id}
    assert texts(apply(hidden, {**hidden, "hidden": False})) == texts(MAP)
    everything = [{"op": "hide", "node_id": topic.id} for topic in (FIRST, SECOND, THIRD)]
    assert texts(apply(*everything)) == texts(MAP)


def test_a_title_of_the_user_stays_and_the_summary_follows() -> None:
    rename = {"op": "rename", "node_id": FIRST.id, "label": "Grandmother"}
    for document in (
        apply(rename, on=build_map(PAGES, title="My afternoon")),
        apply({"op": "rename", "node_id": CORE_ID, "label": "My afternoon"}, rename),
    ):
        assert (document.title, core(document).label) == ("My afternoon", "My afternoon")
        assert "Grandmother" in document.summary
        assert FIRST.label not in document.summary


def test_the_sentences_of_a_model_stay() -> None:
    data = core(MAP).data.model_copy(update={"description": "An afternoon of reading."})
    nodes = tuple(n.model_copy(update={"data": data}) if n.id == CORE_ID else n for n in MAP.nodes)
    written = MAP.model_copy(update={"title": "Reading", "summary": "An afternoon of reading.", "nodes": nodes})
    document = apply({"op": "rename", "node_id": FIRST.id, "label": "Grandmother"}, on=written)
    assert (document.title, document.summary) == (written.title, written.summary)
    assert core(document).data.description == "An afternoon of reading."


def test_forgetting_a_reused_label_keeps_the_names_of_the_edits() -> None:
    document = apply({"op": "rename", "node_id": "t_chess", "label": "My club"}, on=compose_with_labels(BAKERY))
    assert document.title.startswith("Our bakery")
    rest = without_reused_labels(document, {"session 1"})
    assert (rest.title, core(rest).label) == ("Sourdough and My club", "Sourdough and My club")
