"""A topic keeps its label from one version to the next, unless the new label is clearly better."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.types import Outline
from cluster.mindmap.pages.features import page_features
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage

TITLES = ("Sourdough starter care", "Sourdough starter ratio", "Sourdough loaf", "Rye sourdough")
PAGES = [CapturedPage(f"p_{i}", f"https://{i}.example/", title, "A loaf. " * 30) for i, title in enumerate(TITLES)]


def outline(label: str, *, num_pages: int = 4) -> Outline:
    """One topic of all pages with this label."""
    whole = build_outline([page_features(page) for page in PAGES[:num_pages]])
    [topic] = whole.topics
    pages = tuple(page.page_id for page in PAGES[:num_pages])
    return replace(whole, title=label, topics=(replace(topic, label=label, page_ids=pages, subtopics=(), evidence=()),))


def compose(label: str, previous: MindmapDocument | None = None, provider: str = "local") -> MindmapDocument:
    return compose_document(outline(label), PAGES, provider=provider, session_title=None, previous=previous)


def topic_label(document: MindmapDocument) -> str:
    [topic] = [node for node in document.nodes if node.type == "topic"]
    return topic.label


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("Sourdough", "Starter", "Sourdough"),
        ("Starter", "Sourdough", "Sourdough"),  # Twice as many titles say it.
        ("Comments", "Sourdough", "Sourdough"),
        ("Sourdough", "Comments", "Sourdough"),
        ("Waffles", "Starter", "Starter"),  # No page has a quote for it.
    ],
)
def test_a_label_changes_only_to_one_that_is_clearly_better(before: str, after: str, shown: str) -> None:
    first = compose(before)
    second = compose(after, first)
    assert topic_label(first) == before
    assert topic_label(second) == shown
    assert shown in second.title


def test_one_more_title_of_three_is_not_clearly_better() -> None:
    first, second = (
        compose_document(
            outline(label, num_pages=3), PAGES[:3], provider="local", session_title=None, previous=previous
        )
        for label, previous in (("Starter", None), ("Sourdough", compose("Starter")))
    )
    assert topic_label(first) == topic_label(second) == "Starter"


def test_labels_of_another_provider_are_not_kept() -> None:
    assert topic_label(compose("Starter", compose("Sourdough"), provider="openai")) == "Starter"


def test_a_label_that_another_topic_has_is_not_kept() -> None:
    whole = outline("Starter")
    [topic] = whole.topics
    first, second = topic.page_ids[:2], topic.page_ids[2:]
    previous = compose_document(
        replace(whole, topics=(replace(topic, label="Sourdough", page_ids=first),)),
        PAGES[:2],
        provider="local",
        session_title=None,
    )
    two = replace(
        whole,
        topics=(
            replace(topic, id="t_a", label="Starter", page_ids=first),
            replace(topic, id="t_b", label="Sourdough", page_ids=second),
        ),
    )
    document = compose_document(two, PAGES, provider="local", session_title=None, previous=previous)
    assert sorted(node.label for node in document.nodes if node.type == "topic") == ["Sourdough", "Starter"]
