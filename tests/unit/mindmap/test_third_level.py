"""Sub-topics of sub-topics: where a long topic has them, and everything that draws, edits and remakes such a map."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.clustering.communities import MIN_PAGES_FOR_THIRD_LEVEL
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.live.live_map import LiveMap, regroup
from cluster.mindmap.outline.comparison import keep_better
from cluster.mindmap.outline.label_checks import PageWording, label_problems
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline, OutlineTopic
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from cluster.mindmap.render.images import to_svg
from cluster.mindmap.text.meaning import sentence_encoder
from cluster.providers.prompting.merge import apply_outline_draft
from cluster.providers.prompting.outline_parts import split_outline
from cluster.providers.prompting.prompts import PromptAliases, outline_prompt, unmarked
from cluster.providers.prompting.responses import OutlineDraft
from models.mindmap.document import MAX_TOPIC_LEVELS, MindmapDocument
from models.mindmap.operations import EDIT_LOG_ADAPTER, operations_in_effect
from models.mindmap.validation import validate_document
from tests.support.map_sessions import handbook_map, make_handbook
from tests.unit.mindmap.test_layout_and_pictures import overlapping_nodes

PAGES = make_handbook()
CAPTURED = {page.page_id: page for page in PAGES}
FEATURES = [page_features(page, sentence_encoder()) for page in PAGES]


@pytest.fixture(scope="module")
def outline() -> Outline:
    return build_outline(FEATURES, encoder=sentence_encoder())


def long_topic(outline: Outline) -> OutlineTopic:
    """The topic of the handbook."""
    return max(outline.topics, key=lambda topic: len(topic.all_page_ids()))


def levels(document: MindmapDocument) -> dict[str, int]:
    """The number of topics on the way to each topic and sub-topic, itself included."""
    parents = document.parents()
    level = {document.nodes[0].id: 0}
    for node in document.nodes[1:]:
        level[node.id] = level[parents[node.id]] + 1
    return {node.id: level[node.id] for node in document.nodes if node.type in ("topic", "subtopic")}


def third_level(document: MindmapDocument) -> list[str]:
    return [node_id for node_id, level in levels(document).items() if level == MAX_TOPIC_LEVELS]


def test_a_long_topic_has_a_third_level_with_labels_that_pass_the_checks(outline: Outline) -> None:
    topic = long_topic(outline)
    assert len(topic.all_page_ids()) >= 190
    divided = [subtopic for subtopic in topic.subtopics if subtopic.subtopics]
    assert divided
    for part, above in topic.walk():
        if above is None:
            continue
        assert not (part in topic.subtopics and part.subtopics) or len(part.all_page_ids()) >= MIN_PAGES_FOR_THIRD_LEVEL
        wordings = [PageWording(CAPTURED[page_id]) for page_id in part.all_page_ids()]
        labels_above = topic.label if above is topic else f"{topic.label} · {above.label}"
        assert label_problems(part.label, wordings, labels_above) == [], part.label
        assert part.evidence
    assert all(len(subtopic.subtopics) >= 2 for subtopic in divided)
    assert validate_document(handbook_map(), PAGES) == []


def test_chapters_are_above_their_sections(outline: Outline) -> None:
    topic = long_topic(outline)
    folders = {page.page_id: page.url.split("/")[3:5] for page in PAGES}
    for subtopic in topic.subtopics:
        chapters = {folders[page_id][0] for page_id in subtopic.all_page_ids()}
        assert len(chapters) == 1, subtopic.label
    parts = [part for part, above in topic.walk() if above in topic.subtopics]
    of_one_section = [part for part in parts if len({folders[page_id][1] for page_id in part.all_page_ids()}) == 1]
    assert len(of_one_section) >= 10


def test_layouts_of_three_levels_keep_nodes_apart() -> None:
    document = handbook_map()
    assert third_level(document)
    assert overlapping_nodes(document) == []
    for layout, apart in (("tree", 25.0), ("radial", 14.0)):
        for (_, a), (_, b) in combinations(sorted(document.layouts[layout].items()), 2):
            assert (a.x - b.x) ** 2 + (a.y - b.y) ** 2 >= apart**2
    parents = document.parents()
    points = document.layouts["radial"]

    def radius(node_id: str) -> float:
        return float((points[node_id].x ** 2 + points[node_id].y ** 2) ** 0.5)

    for node_id in third_level(document):
        pages = document.children()[node_id]
        assert radius(parents[node_id]) < radius(node_id) < min(map(radius, pages))


def test_exports_have_every_level() -> None:
    document = handbook_map()
    parents, nodes = document.parents(), {node.id: node for node in document.nodes}
    part = third_level(document)[0]
    above = nodes[parents[part]]
    lines = to_markdown(document).splitlines()
    assert lines.index(f"### {above.label}") < lines.index(f"#### {nodes[part].label}")
    for text in (to_opml(document), to_freemind(document), to_svg(document, "tree"), to_svg(document, "radial")):
        assert all(nodes[node_id].label in text for node_id in third_level(document))


@pytest.mark.parametrize(
    "change",
    [
        lambda part, above, page: {"op": "move", "node_id": page, "parent_id": part},
        lambda part, above, page: {"op": "move", "node_id": part, "parent_id": "core"},
        lambda part, above, page: {"op": "merge", "node_ids": [part, above]},
        lambda part, above, page: {"op": "split", "node_id": above, "member_ids": [part], "label": "Mine"},
        lambda part, above, page: {"op": "rename", "node_id": part, "label": "Mine"},
        lambda part, above, page: {"op": "delete", "node_id": part},
        lambda part, above, page: {"op": "add_node", "parent_id": above, "type": "subtopic", "label": "Mine"},
        lambda part, above, page: {"op": "pin", "node_id": part, "position": {"x": 90, "y": -90, "z": 0}},
    ],
)
def test_edits_of_three_levels_are_valid_and_replayed_on_the_next_version(change: Any) -> None:
    document = handbook_map()
    part = third_level(document)[0]
    last_page = document.nodes[-1].id
    log = EDIT_LOG_ADAPTER.validate_python([{"op_id": "1", **change(part, document.parents()[part], last_page)}])
    edited, [report] = apply_edits(document, operations_in_effect(log))
    assert report.status != "not_applied"
    assert validate_document(edited, PAGES) == []
    again = build_map(PAGES[:-1], previous=document)
    replayed, [report] = apply_edits(again, operations_in_effect(log))
    assert validate_document(replayed, PAGES[:-1]) == []
    if last_page not in str(log):
        assert report.status != "not_applied"


def test_a_remade_map_keeps_the_ids_of_all_levels() -> None:
    document = handbook_map()
    again = build_map(PAGES, previous=document)
    assert levels(again) == levels(document)
    assert again.scorecard.continuity == 1.0


def test_a_growing_map_places_pages_on_the_third_level(outline: Outline) -> None:
    part, above = next((part, above) for part, above in outline.walk() if above in long_topic(outline).subtopics)
    page = CAPTURED[part.page_ids[-1]]
    live = LiveMap()
    live.place_pages([each for each in PAGES if each is not page])
    live.apply_regrouping(replace(regroup(live.features(), None, None), outline=outline))
    assert validate_document(live.document, [each for each in PAGES if each is not page]) == []
    live.place_pages([page])
    assert validate_document(live.document, PAGES) == []
    parents = live.document.parents()
    named = {node.id: node.label for node in live.document.nodes}
    assert named[parents[page.page_id]] == part.label
    assert above is not None
    assert named[parents[parents[page.page_id]]] == above.label


def test_a_fourth_level_is_merged_into_the_third(outline: Outline) -> None:
    topic = long_topic(outline)
    number, divided = next((n, part) for n, part in enumerate(topic.subtopics) if part.subtopics)
    deepest = divided.subtopics[0]
    below = OutlineTopic("s_deep", "Deep", "", (), deepest.page_ids[1:])
    parts = (replace(deepest, page_ids=deepest.page_ids[:1], subtopics=(below,)), *divided.subtopics[1:])
    subtopics = [*topic.subtopics]
    subtopics[number] = replace(divided, subtopics=parts)
    deep = replace(outline, topics=(replace(topic, subtopics=tuple(subtopics)),))
    pages = [CAPTURED[page_id] for page_id in topic.all_page_ids()]
    document = compose_document(deep, pages, provider="local", session_title=None)
    assert validate_document(document, pages) == []
    assert document.node("s_deep") is None


def _draft(outline: Outline) -> tuple[OutlineDraft, PromptAliases]:
    """The answer of a model that repeats the draft that it is shown."""
    aliases = PromptAliases(outline)
    data = json.loads(unmarked(outline_prompt(outline, aliases, "en").data))
    return OutlineDraft.model_validate({"topics": data["outline"]}), aliases


def test_prompts_name_two_levels_and_the_third_stays(outline: Outline) -> None:
    draft, aliases = _draft(outline)
    assert all(not part.subtopics for topic in draft.topics for part in topic.subtopics)
    answered = apply_outline_draft(outline, draft, aliases)
    assert all(not part.subtopics for topic in answered.topics for part in topic.subtopics)
    kept = keep_better(answered, outline, FEATURES, PAGES, sentence_encoder()).outline
    labels = [part.label for part, _ in outline.walk()]
    assert [part.label for part, _ in kept.walk()] == labels
    assert sorted(kept.placed_page_ids()) == sorted(CAPTURED)


def test_a_long_outline_is_divided_with_all_its_pages(outline: Outline) -> None:
    for max_pages in (20, 60):
        parts = split_outline(outline, max_pages)
        assert all(len(part.placed_page_ids()) <= max_pages for part in parts)
        assert sorted(page for part in parts for page in part.placed_page_ids()) == sorted(CAPTURED)


def test_a_sub_topic_on_a_fourth_level_is_a_problem() -> None:
    document = handbook_map()
    part = third_level(document)[0]
    sibling = next(node_id for node_id in third_level(document) if node_id != part)
    edges = tuple(
        edge.model_copy(update={"source": part}) if edge.target == sibling and edge.kind == "contains" else edge
        for edge in document.edges
    )
    problems = validate_document(document.model_copy(update={"edges": edges}), PAGES)
    assert [(problem.code, problem.subject) for problem in problems] == [("too_deep", sibling)]
