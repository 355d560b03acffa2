"""What describes a topic: a sentence that says what it is, or else what it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.document.shared_view import shared_view
from cluster.mindmap.outline.definitions import relabelled, says_what_it_is
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.outline.summary import contents_sentence
from cluster.mindmap.pages.evidence import stands_alone
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import sentence_encoder
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.operations import AddNode, Hide, Move, Rename
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from tests.support.map_sessions import make_page


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Kimchi", "Kimchi is cabbage that lactic acid bacteria ferment."),
        ("Air fryer", "An air fryer is a small convection oven with a faster fan."),
        ("Air fryers", "An air fryer is a small convection oven with a faster fan."),
        ("Silk Road", "The Silk Road was a network of routes between China and Persia."),
        ("Gaussian elimination", "Elimination is the method that solves systems of equations row by row."),
        ("Kubernetes", "Kubernetes (K8s) is a system that runs containers."),
        ("워킹홀리데이", "워킹홀리데이는 협정을 맺은 나라에서 일하며 여행하는 비자다."),
        ("달의 정원", "‘달의 정원’은 2025년에 방영한 16부작 드라마이다."),
        ("DSR", "DSR은 연 소득에서 대출 원리금 상환액이 차지하는 비율입니다."),
        ("감가상각", "감가상각은 자산의 값을 쓰는 기간에 나누어 비용으로 적는 일이다."),
        ("컨테이너", "컨테이너란 프로그램과 그 환경을 함께 묶은 것을 말한다."),
    ],
)
def test_a_definition_says_what_the_topic_is(label: str, text: str) -> None:
    assert says_what_it_is(label, text)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        # Another thing is the subject.
        ("Silk Road", "Sogdia was a region of cities along the Silk Road."),
        ("Knee", "Runner's knee is a pain around the kneecap."),
        ("Strings", "Open chords use strings that are not pressed."),
        ("Porto · Lisbon", "Lisbon is a city on the Tagus."),
        ("백제", "한성을 빼앗긴 백제는 웅진에 도읍을 둔 나라다."),
        # One detail, one product, an opinion or a remark.
        ("Air fryer", "The air fryer reaches 230 °C and has a window."),
        ("Keyboard", "The keyboard is a board with 87 keys."),
        ("E-bike", "An e-bike is a good choice for hills."),
        ("Batteries", "Batteries are cheaper than last year."),
        ("전기차", "전기차는 겨울에 주행거리가 줄어든다."),
        ("배송", "배송은 전국 어디나 무료입니다."),
        ("입실", "입실은 오후 두 시부터입니다."),
        ("전세", "전세는 이번 달에도 꼭 필요하다."),
        ("고려청자", "고려청자는 유약이 비취색으로 보입니다."),
        # A question, and text that was cut.
        ("Kimchi", "Kimchi is what exactly?"),
        ("Kimchi", "Kimchi is cabbage that lactic acid bac"),
    ],
)
def test_a_true_sentence_about_one_detail_does_not(label: str, text: str) -> None:
    assert not says_what_it_is(label, text)


def test_a_sentence_that_points_before_it_describes_nothing() -> None:
    for text in ("Its merchants carried silk.", "On bottling day they need an hour.", "Their petals close at night."):
        assert not stands_alone(text)
    assert stands_alone("On bottling day the beer needs an hour.")


DETAILS = {
    "Sourdough starter for rye bread": "Feed the sourdough starter at nine and wait for bubbles in the warm kitchen.",
    "Sourdough bread in a cold oven": "Heat the cold oven to 230 degrees while the sourdough bread is rising inside.",
    "Why sourdough bread cracks": "A dull blade makes the sourdough bread crack along its side instead of the cut.",
    "Sourdough bread with walnuts": "Soak the walnuts for an hour before they go into the sourdough bread dough.",
}
DEFINITION = "Sourdough is a bread that rises with wild yeast and bacteria."
KOREAN_DETAILS = {
    "김치 담그는 법과 재료": "절인 배추 열 포기에 고춧가루 1.2kg을 넣고 김치 양념을 버무립니다.",
    "김치냉장고 온도 설정": "김치가 익은 뒤에는 영하 1도에서 김치 맛이 오래 유지됩니다.",
    "김치가 물러지는 이유": "덜 절인 배추로 만든 김치는 사흘 만에 쉽게 물러집니다.",
}


def pages_about(details: dict[str, str], host: str = "bread") -> list[CapturedPage]:
    return [
        make_page(f"https://{host}{i}.example/", title, text, dwell_ms=60_000 - i, visit_order=(i,))
        for i, (title, text) in enumerate(details.items())
    ]


def topics(document: MindmapDocument, pages: list[CapturedPage]) -> list[Node]:
    assert validate_document(document, pages) == []
    return [node for node in document.nodes if node.type == "topic"]


def test_a_topic_is_described_by_the_page_that_says_what_it_is() -> None:
    pages = pages_about({**DETAILS, "Sourdough": f"Bakers love it. {DEFINITION}"})
    (topic,) = topics(build_map(pages), pages)
    assert topic.label == "Sourdough"
    assert topic.data.description == DEFINITION
    quotes = [quote.quote for quote in topic.data.evidence if quote.supports == "description"]
    assert quotes == [DEFINITION]


@pytest.mark.parametrize(
    ("details", "beginning", "end"),
    [(DETAILS, "Pages such as “", "”."), (KOREAN_DETAILS, "“", "” 페이지를 읽었어요.")],
)
def test_a_topic_without_such_a_page_says_what_it_holds(details: dict[str, str], beginning: str, end: str) -> None:
    pages = pages_about(details)
    (topic,) = topics(build_map(pages), pages)
    description = topic.data.description or ""
    assert description.startswith(beginning)
    assert description.endswith(end)
    assert sum(f"“{title}”" in description for title in details) == 3


def test_a_topic_of_one_page_is_described_as_its_page() -> None:
    text = "Soak the walnuts for an hour before they go into the dough."
    pages = pages_about({"Walnut loaf": text})
    (topic,) = topics(build_map(pages), pages)
    assert topic.data.description == text


@pytest.mark.parametrize(
    ("parts", "num_titles", "num_pages", "english", "korean"),
    [
        ([], 1, 1, "The page “A0”.", "“A0” 페이지를 읽었어요."),
        ([], 2, 2, "The pages “A0” and “A1”.", "“A0”, “A1” 페이지를 읽었어요."),
        ([], 5, 5, "Pages such as “A0”, “A1” and “A2”.", "“A0”, “A1”, “A2” 등의 페이지를 읽었어요."),
        # One page has no title.
        ([], 2, 3, "Pages such as “A0” and “A1”.", "“A0”, “A1” 등의 페이지를 읽었어요."),
        (
            ["Hops", "Yeast"],
            9,
            9,
            "Pages on Hops and Yeast, such as “A0” and “A1”.",
            "Hops, Yeast에 관한 “A0”, “A1” 등의 페이지를 읽었어요.",
        ),
        (list("vwxyz"), 9, 9, "Pages such as “A0”, “A1” and “A2”.", "“A0”, “A1”, “A2” 등의 페이지를 읽었어요."),
        (["Hops", "Yeast"], 0, 9, "", ""),
    ],
)
def test_what_a_topic_holds_is_said_in_the_language_of_the_map(
    parts: list[str], num_titles: int, num_pages: int, english: str, korean: str
) -> None:
    titles = [f"A{i}" for i in range(num_titles)]
    assert contents_sentence(parts, titles, num_pages, "en") == english
    assert contents_sentence(parts, titles, num_pages, "ko") == korean


def test_long_titles_are_named_as_far_as_they_fit_and_never_cut() -> None:
    titles = [letter * 80 for letter in "abc"]
    assert contents_sentence((), titles, 9, "en") == f"Pages such as “{titles[0]}” and “{titles[1]}”."
    assert contents_sentence(["x" * 90, "y" * 90], titles, 9, "ko").startswith("“aaa")
    assert contents_sentence((), ["a" * 300], 9, "en") == ""
    document = build_map(
        pages_about({f"{title} {'and how to bake it well' * 4}": text for title, text in DETAILS.items()})
    )
    assert not any("…" in (n.data.description or "") for n in document.nodes if n.type == "topic")


def test_a_definition_of_another_label_goes_with_the_label() -> None:
    pages = pages_about({**DETAILS, "Sourdough": f"Bakers love it. {DEFINITION}"})
    encoder = sentence_encoder()
    outline = build_outline([page_features(page, encoder) for page in pages], encoder=encoder)
    (topic,) = outline.topics
    assert topic.description == DEFINITION
    assert relabelled(topic, "Sourdough").description == DEFINITION
    other = relabelled(topic, "Walnuts")
    assert other.description == ""
    assert all(quote.supports != "description" for quote in other.evidence)
    document = compose_document(replace(outline, topics=(other,)), pages, provider="local", session_title=None)
    (node,) = topics(document, pages)
    assert (node.data.description or "").startswith("Pages such as “")


def named_pages(document: MindmapDocument) -> tuple[Node, list[Node]]:
    """The first topic, whose description says what it holds, and the pages that it names."""
    topic = document.nodes[1]
    assert (topic.data.description or "").startswith("Pages such as “")
    return topic, [n for n in document.nodes if n.type == "page" and f"“{n.label}”" in (topic.data.description or "")]


def test_the_description_follows_edits_of_what_it_names() -> None:
    document = build_map(pages_about(DETAILS))
    topic, (first, second, *_) = named_pages(document)
    add = AddNode(op_id="1", type="topic", label="Elsewhere")
    elsewhere = apply_edits(document, [add])[1][0].node_id
    assert elsewhere is not None
    for edit in (Hide(op_id="2", node_id=first.id), Move(op_id="2", node_id=first.id, parent_id=elsewhere)):
        edited, _ = apply_edits(document, [add, edit])
        description = next(n for n in edited.nodes if n.id == topic.id).data.description or ""
        assert f"“{first.label}”" not in description
        assert f"“{second.label}”" in description
    renamed, _ = apply_edits(document, [Rename(op_id="3", node_id=first.id, label="Sourdough of my own")])
    description = next(n for n in renamed.nodes if n.id == topic.id).data.description or ""
    assert "“Sourdough of my own”" in description
    assert f"“{first.label}”" not in description
    # Shown again, it is named again.
    both = [Hide(op_id="4", node_id=first.id), Hide(op_id="5", node_id=first.id, hidden=False)]
    assert apply_edits(document, both)[0].nodes[1].data.description == topic.data.description


def test_a_description_of_another_kind_stays_when_the_topic_is_edited() -> None:
    document = build_map(pages_about({**DETAILS, "Sourdough": f"Bakers love it. {DEFINITION}"}))
    topic = document.nodes[1]
    assert topic.data.description == DEFINITION
    page = next(n for n in document.nodes if n.type == "page")
    edited, _ = apply_edits(document, [Hide(op_id="1", node_id=page.id)])
    assert edited.nodes[1].data.description == DEFINITION


def test_a_shared_map_does_not_name_a_hidden_page_in_a_description() -> None:
    pages = pages_about(DETAILS)
    document = build_map(pages)
    named = next(
        n for n in document.nodes if n.type == "page" and n.label in (document.nodes[1].data.description or "")
    )
    hidden = apply_edits(document, [Hide(op_id="1", node_id=named.id)])[0]
    assert named.label not in shared_view(hidden, "pages", None).to_bytes().decode()
