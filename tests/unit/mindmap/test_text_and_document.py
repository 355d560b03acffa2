"""Korean stems, title segments, reading order and the tree queries of the map document."""

from __future__ import annotations

import pytest

from cluster.mindmap.outline.labels import title_label
from cluster.mindmap.pages.reading_order import in_reading_order
from cluster.mindmap.pages.titles import segment_title
from cluster.mindmap.text.korean import learn_stems
from cluster.mindmap.text.language import detect_language
from cluster.mindmap.text.words import stem
from models.mindmap.document import CORE_ID, Edge, MindmapDocument, Node, NodeType
from tests.support.map_sessions import make_page


def test_korean_particles_are_cut_only_from_words_that_occur_with_several() -> None:
    words = learn_stems(["지도", "지도를", "지도에서", "지도는", "해상도", "온라인", "삽입하고", "삽입합니다"])
    assert [words[word].stem for word in ("지도", "지도를", "지도에서", "지도는")] == ["지도"] * 4
    assert words["지도를"].is_noun
    assert [words[word].stem for word in ("해상도", "온라인")] == ["해상도", "온라인"]
    assert words["삽입하고"].stem == "삽입"
    assert words["삽입하고"].is_verbal_noun


@pytest.mark.parametrize(
    ("title", "segments"),
    [
        ("Chapter 9. Functions — PostgreSQL Documentation", ("Functions", "PostgreSQL Documentation")),
        ("(3) Inbox | Mail", ("Inbox", "Mail")),
        ("Sci-fi", ("Sci-fi",)),
        ("", ()),
    ],
)
def test_titles_are_split_into_page_and_site_names(title: str, segments: tuple[str, ...]) -> None:
    assert segment_title(title) == segments


def test_languages_are_detected_by_script() -> None:
    samples = {"ko": "한국어 text", "en": "plain text", "ja": "日本語のテキスト", "zh": "中文标题", "ru": "Заголовок"}
    assert {language: detect_language(text) for language, text in samples.items()} == {code: code for code in samples}
    assert detect_language("123") == "en"


def test_plural_endings_are_removed() -> None:
    assert [stem(word) for word in ("maps", "queries", "boxes", "news", "class", "it's")] == [
        "map", "query", "box", "news", "class", "it's",
    ]  # fmt: skip


def test_pages_are_in_the_order_of_their_first_visit() -> None:
    first = make_page("https://a.example/1", visited_at_ms=(10, 90), visit_order=(0, 5))
    second = make_page("https://a.example/2", visited_at_ms=(20,), visit_order=(1,))
    unvisited = make_page("https://a.example/3")
    assert in_reading_order([unvisited, second, first]) == [first, second, unvisited]


def test_the_topic_of_a_page_is_found_through_its_sub_topic() -> None:
    def node(node_id: str, node_type: NodeType) -> Node:
        return Node(id=node_id, label=node_id, type=node_type, size=20, color="#000000")

    document = MindmapDocument(
        nodes=(
            node(CORE_ID, "core"), node("t", "topic"), node("s", "subtopic"),
            node("direct", "page"), node("nested", "page"), node("note", "page"), node("lost", "page"),
        ),
        edges=(
            Edge(source=CORE_ID, target="t"), Edge(source="t", target="s"), Edge(source="t", target="direct"),
            Edge(source="s", target="nested"), Edge(source=CORE_ID, target="note"),
            Edge(source="t", target="lost", kind="cross"),
        ),
    )  # fmt: skip
    assert document.topic_of_pages() == {"direct": "t", "nested": "t", "note": CORE_ID}
    assert document.to_json()["left_out"] == []


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("Virtual host examples - Apache HTTP Server", "Virtual host examples"),
        ("Git – the stupid content tracker", "Git – the stupid"),
        ("Release notes: all changes", "Release notes: all changes"),
        ("One two three four: five", "One two three four"),
        ("C++", "C++"),
    ],
)
def test_a_label_from_a_title_does_not_end_in_a_separator(title: str, label: str) -> None:
    assert title_label(title) == label
