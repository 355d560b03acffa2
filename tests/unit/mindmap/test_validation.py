"""Validation rejects every corrupted map; errors of a provider's outline are corrected."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import CrossLink, Outline, OutlineTopic
from cluster.mindmap.pages.features import page_features
from models.mindmap.document import Evidence, MindmapDocument
from models.mindmap.validation import validate_document
from tests.support.map_sessions import make_session, sample_map, sample_pages

NAME = "01-money-and-stars"
Data = dict[str, Any]


Corruption = Callable[[Data, random.Random], None]
CORRUPTIONS: list[Corruption] = []


def corruption(function: Corruption) -> Corruption:
    """Add a way to break a map to `CORRUPTIONS`."""
    CORRUPTIONS.append(function)
    return function


def _nodes(data: Data, kind: str) -> list[Data]:
    return [node for node in data["nodes"] if node["type"] == kind]


@corruption
def _foreign_page(data: Data, rng: random.Random) -> None:
    page = rng.choice(_nodes(data, "page"))
    page["data"]["page_id"] = "p_0123456789abcdef"


@corruption
def _unknown_evidence(data: Data, rng: random.Random) -> None:
    rng.choice(_nodes(data, rng.choice(["topic", "page"])))["data"]["evidence"][0]["page_id"] = "p_ffffffffffffffff"


@corruption
def _invented_quote(data: Data, rng: random.Random) -> None:
    quote = rng.choice(_nodes(data, rng.choice(["topic", "subtopic", "page"])))["data"]["evidence"][0]
    quote["quote"] = quote["quote"][: len(quote["quote"]) // 2] + " which is not in the page"


@corruption
def _invented_time(data: Data, rng: random.Random) -> None:
    rng.choice(_nodes(data, "page"))["data"]["evidence"][0]["visited_at_ms"] = [1]


@corruption
def _no_evidence(data: Data, rng: random.Random) -> None:
    rng.choice(_nodes(data, rng.choice(["topic", "page"])))["data"]["evidence"] = []


@corruption
def _cycle(data: Data, rng: random.Random) -> None:
    part = rng.choice(_nodes(data, "subtopic"))["id"]
    edge = next(e for e in data["edges"] if e["target"] == part and e["kind"] == "contains")
    edge["source"] = next(e["target"] for e in data["edges"] if e["source"] == part)


@corruption
def _two_parents(data: Data, rng: random.Random) -> None:
    page, topic = rng.choice(_nodes(data, "page"))["id"], rng.choice(_nodes(data, "topic"))["id"]
    data["edges"].append({"source": topic, "target": page, "weight": 0.5, "kind": "contains"})


@corruption
def _orphan(data: Data, rng: random.Random) -> None:
    target = rng.choice(data["nodes"][1:])["id"]
    data["edges"] = [edge for edge in data["edges"] if edge["target"] != target or edge["kind"] != "contains"]


@corruption
def _dangling(data: Data, rng: random.Random) -> None:
    rng.choice(data["edges"])[rng.choice(["source", "target"])] = "nowhere"


@corruption
def _self_edge(data: Data, rng: random.Random) -> None:
    node = rng.choice(data["nodes"])["id"]
    data["edges"].append({"source": node, "target": node, "weight": 0.5, "kind": "cross"})


@corruption
def _repeated_edge(data: Data, rng: random.Random) -> None:
    data["edges"].append(copy.deepcopy(rng.choice(data["edges"])))


@corruption
def _repeated_node(data: Data, rng: random.Random) -> None:
    data["nodes"].append(copy.deepcopy(rng.choice(data["nodes"])))


@corruption
def _lost_page(data: Data, rng: random.Random) -> None:
    page = rng.choice(_nodes(data, "page"))
    data["nodes"].remove(page)
    data["edges"] = [edge for edge in data["edges"] if page["id"] not in (edge["source"], edge["target"])]


@corruption
def _page_in_both_places(data: Data, rng: random.Random) -> None:
    page = rng.choice(_nodes(data, "page"))
    data["left_out"].append({"page_id": page["id"], "reason": "login", "sentence": "A sign-in page."})


@corruption
def _left_out_without_reason(data: Data, rng: random.Random) -> None:
    rng.choice(data["left_out"])[rng.choice(["reason", "sentence"])] = ""


@corruption
def _long_label(data: Data, rng: random.Random) -> None:
    rng.choice(data["nodes"])["label"] = "word " * 30


@corruption
def _label_with_invisible_characters(data: Data, rng: random.Random) -> None:
    bad = ["x\u202ey", "x\u200by", "x\u200cy", "a\nb", "a  b", "a\x1bb", "hidden\U000e0041", "", "  "]
    rng.choice(data["nodes"])["label"] = rng.choice(bad)


@corruption
def _description_with_invisible_characters(data: Data, rng: random.Random) -> None:
    rng.choice(data["nodes"])["data"]["description"] = "See\u202e this."


@corruption
def _same_labels(data: Data, rng: random.Random) -> None:
    topics = _nodes(data, "topic")
    topics[0]["label"] = topics[1]["label"].upper()


@corruption
def _unsafe_link(data: Data, rng: random.Random) -> None:
    rng.choice(_nodes(data, "page"))["data"]["urls"] = ["javascript:alert(1)"]


@corruption
def _no_core(data: Data, rng: random.Random) -> None:
    data["nodes"] = data["nodes"][1:]


@corruption
def _second_core(data: Data, rng: random.Random) -> None:
    rng.choice(data["nodes"][1:])["type"] = "core"


@corruption
def _wrong_kind(data: Data, rng: random.Random) -> None:
    rng.choice(_nodes(data, "page"))["type"] = rng.choice(["topic", "planet"])


@corruption
def _impossible_number(data: Data, rng: random.Random) -> None:
    node = rng.choice(data["nodes"])
    field = rng.choice(["size", "x"])
    value = rng.choice([float("nan"), float("inf"), -5.0, 1e9])
    if field == "size":
        node["size"] = value
    else:
        node["position"]["x"] = value if value != -5.0 else -5000.0


@corruption
def _bad_weight(data: Data, rng: random.Random) -> None:
    rng.choice(data["edges"])["weight"] = rng.choice([-0.1, 7.0, float("nan"), "heavy"])


@corruption
def _half_a_layout(data: Data, rng: random.Random) -> None:
    data["layouts"]["tree"].popitem()


@corruption
def _wrong_coverage(data: Data, rng: random.Random) -> None:
    data["coverage"][rng.choice(["captured", "on_map", "left_out"])] += 1


@corruption
def _bad_color(data: Data, rng: random.Random) -> None:
    rng.choice(data["nodes"])["color"] = "red;background:url(x)"


@corruption
def _bad_id(data: Data, rng: random.Random) -> None:
    node = rng.choice(_nodes(data, "topic"))
    old, new = node["id"], "a b<c>"
    node["id"] = new
    for edge in data["edges"]:
        for end in ("source", "target"):
            edge[end] = new if edge[end] == old else edge[end]


@corruption
def _missing_part(data: Data, rng: random.Random) -> None:
    del rng.choice(data["nodes"])[rng.choice(["id", "label", "type", "size"])]


def test_a_thousand_corrupted_maps_are_all_rejected() -> None:
    pages = sample_pages(NAME)
    good = sample_map(NAME).to_json()
    assert validate_document(MindmapDocument.from_json(good), pages) == []
    assert len(CORRUPTIONS) >= 28
    for seed in range(1000):
        rng = random.Random(seed)
        data = copy.deepcopy(good)
        corrupt = CORRUPTIONS[seed % len(CORRUPTIONS)]
        corrupt(data, rng)
        try:
            document = MindmapDocument.from_json(data)
        except ValidationError:
            continue
        assert validate_document(document, pages), (seed, corrupt.__name__)


def test_problems_never_repeat_page_text() -> None:
    data = sample_map(NAME).to_json()
    secret = data["nodes"][5]["label"]
    data["nodes"][5]["label"] = secret + "\u202e"
    problems = validate_document(MindmapDocument.from_json(data), sample_pages(NAME))
    assert problems
    assert all(secret not in problem.sentence and secret not in problem.subject for problem in problems)


PAGES = make_session(per_subject=5)


@pytest.fixture
def outline() -> Outline:
    return build_outline([page_features(page) for page in PAGES])


def composed(outline: Outline) -> MindmapDocument:
    document = compose_document(outline, PAGES, provider="openai", session_title=None)
    assert validate_document(document, PAGES) == []
    return document


def test_unknown_and_repeated_pages_are_dropped_and_reported(outline: Outline) -> None:
    first, second, *rest = outline.topics
    pages = first.all_page_ids()
    bad = replace(second, page_ids=(*second.page_ids, "p_made_up", pages[0]))
    document = composed(replace(outline, topics=(first, bad, *rest)))
    assert len(document.notes) == 2
    assert document.parents()[pages[0]] in {first.id, *(part.id for part in first.subtopics)}


def test_pages_missing_from_the_outline_are_excluded(outline: Outline) -> None:
    document = composed(replace(outline, topics=outline.topics[1:]))
    gone = set(outline.topics[0].all_page_ids())
    assert {page.page_id for page in document.excluded_pages if page.reason == "not_placed"} == gone
    assert document.coverage.ratio == 1.0


def test_quotes_that_are_not_in_the_page_are_removed(outline: Outline) -> None:
    first, *rest = outline.topics
    page = first.all_page_ids()[0]
    invented = Evidence(page_id=page, field="text", quote="This is not in the page.")
    document = composed(replace(outline, topics=(replace(first, evidence=(invented,)), *rest)))
    node = document.node(first.id)
    assert node is not None
    assert invented.quote not in {quote.quote for quote in node.data.evidence}
    assert document.scorecard.grounding < 1.0 or node.data.evidence


def test_labels_are_cleaned_shortened_and_unique(outline: Outline) -> None:
    labels = ["<b>Same</b>", "Same", "Much too long " * 20]
    topics = tuple(replace(topic, label=label) for topic, label in zip(outline.topics, labels, strict=True))
    shown = [node.label for node in composed(replace(outline, topics=topics)).nodes if node.type == "topic"]
    assert shown[0] == "Same"
    assert len(set(shown)) == 3
    assert max(len(label) for label in shown) <= 48


def test_empty_topics_deep_nesting_and_invalid_links_are_corrected(outline: Outline) -> None:
    first, second, third = outline.topics
    empty = OutlineTopic("t_empty", "Nothing", "", (), ())
    deep = replace(second, subtopics=(replace(third, subtopics=(first,)),), page_ids=second.all_page_ids())
    links = (
        CrossLink(deep.id, "nowhere", 1.0),
        CrossLink(deep.id, deep.id, 1.0),
        CrossLink(PAGES[0].page_id, PAGES[1].page_id, 99.0, ("<i>x</i>",), "<b>y</b>"),
        CrossLink(PAGES[1].page_id, PAGES[0].page_id, 0.5),
    )
    document = composed(replace(outline, topics=(empty, deep), cross_links=links))
    assert len([edge for edge in document.edges if edge.kind == "cross"]) == 1
    assert document.coverage.on_map == len(PAGES)


def test_duplicate_and_invalid_ids_are_replaced(outline: Outline) -> None:
    ids = ["core", PAGES[0].page_id, "x y <z>"]
    topics = tuple(replace(topic, id=bad) for topic, bad in zip(outline.topics, ids, strict=True))
    composed(replace(outline, topics=topics))
