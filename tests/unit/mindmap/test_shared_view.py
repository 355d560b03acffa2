"""What a share link shows: nothing that the user has hidden, and no page titles at the level `map`."""

from __future__ import annotations

import itertools

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.document.shared_view import shared_view
from launch.samples import sample_names
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.operations import Hide
from tests.support.map_sessions import make_page, sample_map

LEVELS = ("map", "pages", "highlights")


def hide(document: MindmapDocument, *nodes: Node) -> MindmapDocument:
    edits = [Hide(op_id=str(number), node_id=node.id) for number, node in enumerate(nodes)]
    return apply_edits(document, edits)[0]


def session_with_a_private_topic(word: str, title: str | None = None) -> MindmapDocument:
    texts = {
        "bread": "Sourdough starter needs flour, water and patience; the crust browns in a hot oven.",
        "chess": "The Sicilian defence fights for the centre; the endgame rewards active rooks and pawns.",
        word: f"{word} divorce custody lawyers settle {word} alimony hearings; a {word} judge decides on custody.",
    }
    pages = [
        make_page(
            f"https://site.example/{subject}-{number}",
            f"{subject} guide {number}",
            f"{text} Part {number}. " * 6,
            visit_order=(number,),
        )
        for subject, text in texts.items()
        for number in range(6)
    ]
    return build_map(pages, title=title)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("word", ["Privateword", "이혼소송", "離婚"])
@pytest.mark.parametrize("title", [None, "Bread, chess and {} papers"])
def test_a_hidden_topic_is_named_nowhere(level: str, word: str, title: str | None) -> None:
    user_title = title.format(word) if title else None
    document = session_with_a_private_topic(word, user_title)
    topics = [n for n in document.nodes if n.type == "topic"]
    private = [n for n in topics if word.casefold() in n.model_dump_json().casefold()]
    assert private
    assert len(private) < len(topics)
    assert word.casefold() in document.to_bytes().decode().casefold()
    view = shared_view(hide(document, *private), level, user_title)
    assert word.casefold() not in view.to_bytes().decode().casefold()
    assert view.title
    assert view.summary
    assert view.nodes[0].label == view.title
    # What is visible is still named.
    assert any("chess" in node.label.casefold() or "sicilian" in node.label.casefold() for node in view.nodes)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", sample_names())
def test_no_label_names_a_topic_that_is_hidden(name: str, level: str) -> None:
    document = sample_map(name)
    for topic in (n for n in document.nodes if n.type in ("topic", "subtopic")):
        view = shared_view(hide(document, topic), level, None)
        shown = [view.title, view.summary, *(n.label for n in view.nodes if n.type != "page")]
        shown += [n.data.description or "" for n in view.nodes if n.type in ("core", "topic", "subtopic")]
        for text in shown:
            assert topic.label.casefold() not in text.casefold()
        below = {n.id for n in hide(document, topic).nodes if n.data.hidden}
        assert not below & {n.id for n in view.nodes}
        # Addresses of hidden pages are in no list of a visible topic.
        gone = {url for n in document.nodes if n.id in below and n.type == "page" for url in n.data.urls}
        stay = {url for n in view.nodes if n.type == "page" for url in n.data.urls}
        assert not (gone - stay) & {url for n in view.nodes for url in n.data.urls}


@pytest.mark.parametrize("name", sample_names())
def test_topics_only_shows_no_title_of_a_page(name: str) -> None:
    document = sample_map(name)
    titles = {t.casefold() for n in document.nodes if n.type == "page" for t in (n.label, n.data.title or "") if t}
    view = shared_view(document, "map", None)
    assert all(n.type != "page" for n in view.nodes)
    for node in view.nodes:
        assert node.label.casefold() not in titles
    for title, text in itertools.product(titles, [view.title.casefold(), view.summary.casefold()]):
        assert len(title.split()) < 3 or title not in text
    labels = [n.label.casefold() for n in view.nodes if n.type in ("topic", "subtopic")]
    assert len(set(labels)) == len(labels)


def test_a_page_title_as_label_is_replaced() -> None:
    document = session_with_a_private_topic("Privateword")
    topic = next(n for n in document.nodes if n.type == "topic")
    page = next(n for n in document.nodes if n.type == "page")
    title = "My lawyer's answer to the letter of May | Mail"
    for label in (title, "My lawyer's answer to the letter…", "My lawyer's answer to the letter of May"):
        renamed = {
            topic.id: topic.model_copy(update={"label": label}),
            page.id: page.model_copy(update={"data": page.data.model_copy(update={"title": title})}),
        }
        nodes = tuple(renamed.get(n.id, n) for n in document.nodes)
        changed = document.model_copy(update={"nodes": nodes, "title": label, "summary": f"Most time on {label}."})
        assert "lawyer's" not in shared_view(changed, "map", None).to_bytes().decode()
        # At the other levels the page is visible, and at every level the user's own label is.
        assert "lawyer's" in shared_view(changed, "pages", None).to_bytes().decode()
    own = topic.model_copy(update={"label": title, "data": topic.data.model_copy(update={"label_by": "user"})})
    nodes = tuple(own if n.id == topic.id else renamed.get(n.id, n) for n in document.nodes)
    assert title in [n.label for n in shared_view(document.model_copy(update={"nodes": nodes}), "map", None).nodes]


def test_nothing_hidden_leaves_the_texts_as_they_are() -> None:
    document = sample_map("01-money-and-stars")
    view = shared_view(document, "highlights", None)
    assert (view.title, view.summary) == (document.title, document.summary)
    assert [n.label for n in view.nodes] == [n.label for n in document.nodes]
    assert [n.data.description for n in view.nodes] == [n.data.description for n in document.nodes]
    assert shared_view(document, "map", "My title").title == "My title"


def test_all_topics_hidden_and_empty_maps() -> None:
    document = sample_map("04-korean-office")
    topics = [n for n in document.nodes if n.type == "topic"]
    for level in LEVELS:
        view = shared_view(hide(document, *topics), level, None)
        assert [n.type for n in view.nodes] == ["core"]
        assert view.title == "빈 세션"
        assert shared_view(MindmapDocument(), level, None).nodes == ()
