"""What a page is about, across languages: vectors, the number of topics, and maps without the encoder."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
from cluster.mindmap.live.live_map import LiveMap
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text import meaning
from cluster.mindmap.text.meaning import DIMENSIONS, sentence_encoder, vector_cosines
from launch.samples import sample_events
from models.mindmap.document import MindmapDocument
from models.recording.pages import CapturedPage
from models.urls import page_id
from tests.map_exam.report import score_session
from tests.map_exam.sessions import DEVELOPMENT, DEVELOPMENT_2, FLAVOURS, exam_sessions, subjects

_FLAVOURS = {flavour.name: flavour for flavour in FLAVOURS}


def _page(order: int, url: str, title: str, text: str = "") -> CapturedPage:
    return CapturedPage(
        page_id(url), url, title, text, 60_000, 0.5, (), (1_760_000_000_000 + order * 60_000,), (order,)
    )


def _topics(document: MindmapDocument) -> int:
    return sum(1 for node in document.nodes if node.type == "topic")


def test_vectors_compare_meaning_across_languages() -> None:
    encoder = sentence_encoder()
    assert encoder is not None
    texts = ("기계식 키보드 추천", "Mechanical keyboard guide", "주택담보대출 금리 비교")
    vectors = [encoder.encode(text) for text in texts]
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 3
    cosines = vector_cosines(vectors)
    assert cosines[0, 1] > 0.4
    assert cosines[0, 2] < 0.2
    assert encoder.encode(texts[0]) == vectors[0]
    assert encoder.encode("  ") == b""


def test_pages_of_one_subject_in_two_languages_are_one_topic() -> None:
    keyboard = next(subject for subject in subjects(DEVELOPMENT) if subject.name == "keyboard")
    pages = [_page(i, page.url, page.title, page.text) for i, page in enumerate(keyboard.pages)]
    assert _topics(build_map(pages)) == 1


@pytest.mark.parametrize("number", range(3))
def test_fourteen_subjects_are_shown(number: int) -> None:
    session = exam_sessions(DEVELOPMENT, [_FLAVOURS["fourteen"]])[number]
    assert abs(score_session(session).num_topics - 14) <= 2


@pytest.mark.parametrize("part", [DEVELOPMENT, DEVELOPMENT_2])
def test_three_pages_about_two_subjects_are_two_topics(part: str) -> None:
    sessions = exam_sessions(part, [_FLAVOURS["three_pages"]])
    assert sum(score_session(session).ari > 0.999 for session in sessions) >= 8


def test_no_sub_topic_repeats_its_topic_or_lacks_the_titles() -> None:
    for session in exam_sessions(DEVELOPMENT, [_FLAVOURS["single"], _FLAVOURS["fourteen"]]):
        faults = [fault for some in score_session(session).subtopic_faults for fault in some]
        assert not {"parent", "not_in_titles", "halves"} & set(faults)


def test_a_language_that_the_model_has_not_learnt_has_no_vector() -> None:
    encoder = sentence_encoder()
    page = _page(0, "https://a.example/1", "चाय बनाने की विधि", "चाय पत्ती को उबलते पानी में डालें और पाँच मिनट तक रखें।")
    assert page_features(page, encoder).meaning.vector == b""


def test_without_the_package_the_map_is_made_of_words_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.mindmap.build.sentence_encoder", lambda: None)
    document = build_map([_page(i, f"https://a.example/{i}", f"Sourdough bread {i}") for i in range(4)])
    assert [note.code for note in document.note_details] == ["words_only"]


def test_the_growing_map_of_the_api_process_never_loads_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("the encoder was loaded")

    monkeypatch.setattr(meaning, "UniversalSentenceEncoder", fail)
    live = LiveMap()
    live.add_pages([_page(i, f"https://a.example/{i}", f"Sourdough bread {i}") for i in range(6)])
    assert live.document.coverage.on_map == 6


@pytest.mark.parametrize(
    ("name", "label"),
    [("beekeeping", "Bees"), ("rome-trip", "Rome"), ("kotlin-coroutines", "Kotlin"), ("pilates-ko", "필라테스")],
)
def test_a_topic_is_called_by_its_subject_even_if_few_titles_say_it(name: str, label: str) -> None:
    chosen = [s for s in subjects(DEVELOPMENT_2) if s.name in (name, "sleep-apnea", "moving-ko")]
    pages = [_page(i, p.url, p.title, p.text) for i, p in enumerate(p for s in chosen for p in s.pages)]
    assert label in [node.label for node in build_map(pages).nodes if node.type == "topic"]


def test_the_words_of_a_shop_or_of_an_interface_are_no_label() -> None:
    houseplants = next(subject for subject in subjects(DEVELOPMENT) if subject.name == "houseplants")
    pages = [_page(i, page.url, page.title, page.text) for i, page in enumerate(houseplants.pages)]
    labels = [node.label for node in build_map(pages).nodes if node.type == "topic"]
    assert labels
    assert not {"Leaf & Light", "Upvotes", "Sort"} & set(labels)


def test_two_large_parts_of_one_product_are_two_topics() -> None:
    pages = pages_from_events(parse_events(sample_events("04-korean-office").read_bytes()))
    document = build_map(pages)
    topic_of = document.topic_of_pages()
    folders: dict[str, set[str]] = {"swriter": set(), "scalc": set()}
    for node in document.nodes:
        for name, topics in folders.items():
            if node.type == "page" and any(f"/{name}/" in url for url in node.data.urls or ()):
                topics.add(topic_of[node.id])
    assert folders["swriter"]
    assert folders["scalc"] - folders["swriter"]


@pytest.mark.parametrize("part", [DEVELOPMENT, DEVELOPMENT_2])
def test_most_sessions_about_one_subject_are_one_topic(part: str) -> None:
    sessions = exam_sessions(part, [_FLAVOURS["single"]])
    assert sum(_topics(build_map(session.pages)) == 1 for session in sessions) >= 9
