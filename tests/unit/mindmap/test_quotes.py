"""Which sentences stand on a map as quotes for a label."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.evidence import label_evidence, quote_problems
from cluster.mindmap.pages.features import page_features
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage

MENTION = "Three rest days are planned in the week right before the race."
NAMED = "The race starts at nine at the boathouse and follows the lake for a whole round."


@pytest.mark.parametrize(
    ("label", "quote", "field", "problems"),
    [
        ("Race", NAMED, "text", []),
        ("Race", MENTION, "text", ["mention"]),
        ("Lumbar strain", "Lumbar strain, explained by a doctor", "title", []),
        ("Doctor", "Lumbar strain, explained by a doctor", "title", ["mention"]),
        ("ZFS snapshots", "Snapshots are sent to a second server.", "text", ["not_named"]),
        ("공제", "소득공제는 총급여에 따라 다르다.", "text", []),
        ("Apnea", "It can miss mild apnea.", "text", ["points_elsewhere"]),
        ("Ingress", "kubernetes - How does an ingress work?", "title", []),
        ("Twelve weeks", "Twelve weeks from zero to a half marathon", "title", ["label_without_subject"]),
    ],
)
def test_a_quote_bears_a_label_out(label: str, quote: str, field: str, problems: list[str]) -> None:
    assert quote_problems(label, quote, field) == problems


def _pages(*texts: str) -> list[CapturedPage]:
    return [
        CapturedPage(f"p_{i}", f"https://{i}.example/", f"Page {i}", text, dwell_ms=60_000)
        for i, text in enumerate(texts)
    ]


def test_quotes_that_only_mention_the_label_give_way() -> None:
    features = [page_features(page) for page in _pages(f"{MENTION}\n{NAMED}", MENTION)]
    assert [evidence.quote for evidence in label_evidence("Race", features)] == [NAMED]
    # Where no quote is better, one is shown: every label has its evidence.
    assert [evidence.quote for evidence in label_evidence("Race", features[1:])] == [MENTION]


def test_a_label_kept_from_the_version_before_has_its_own_quotes() -> None:
    pages = [
        CapturedPage("p_0", "https://0.example/", "Sourdough starter care", "Feed it every day.", dwell_ms=60_000),
        CapturedPage("p_1", "https://1.example/", "Starter ratio, sourdough", "Flour and water.", dwell_ms=60_000),
    ]
    features = [page_features(page) for page in pages]

    def document(label: str, previous: MindmapDocument | None = None) -> MindmapDocument:
        whole = build_outline(features)
        topic = replace(
            whole.topics[0],
            label=label,
            page_ids=("p_0", "p_1"),
            subtopics=(),
            evidence=label_evidence(label, features),
        )
        return compose_document(
            replace(whole, topics=(topic,)), pages, provider="local", session_title=None, previous=previous
        )

    second = document("Ratio", previous=document("Sourdough starter care"))
    [topic] = [node for node in second.nodes if node.type == "topic"]
    assert topic.label == "Sourdough starter care"
    quotes = [evidence.quote for evidence in topic.data.evidence if evidence.supports == "label"]
    assert quotes == ["Sourdough starter care"]
