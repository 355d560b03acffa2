"""What topics are called."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.outline.label_checks import PageWording, label_problems
from cluster.mindmap.pages.places import board_of, community_of
from models.recording.pages import CapturedPage
from models.urls import page_id
from tests.map_exam.rubric import pages_below
from tests.map_exam.sessions import DEVELOPMENT_2, DEVELOPMENT_3, FLAVOURS, exam_sessions


def _labels(*pages: tuple[str, str, str]) -> list[str]:
    captured = [
        CapturedPage(page_id(url), url, title, text, dwell_ms=60_000, visited_at_ms=(1_760_000_000_000 + order,))
        for order, (url, title, text) in enumerate(pages)
    ]
    return [node.label for node in build_map(captured).nodes if node.type == "topic"]


@pytest.mark.parametrize("number", [0, 2])
def test_a_subject_that_only_texts_name_gives_the_label(number: int) -> None:
    # Titles of pages about knives speak of edges, whetstones and boards; half of the texts say "knife". In the second
    # session as many say "blade", which is near to the pages, too.
    flavour = next(flavour for flavour in FLAVOURS if flavour.name == "english")
    session = exam_sessions(DEVELOPMENT_2, [flavour])[number]
    assert not any("knife" in page.title.lower() for page in session.pages)
    labels = [node.label for node in build_map(session.pages).nodes if node.type == "topic"]
    assert any("knife" in label.lower() for label in labels)


def test_a_name_that_the_model_has_not_learnt_is_a_label_where_all_pages_use_it() -> None:
    # "리액트", React, is far from everything for the model; "코드" (code) is on both pages, too.
    flavour = next(flavour for flavour in FLAVOURS if flavour.name == "mixed")
    labels = [n.label for n in build_map(exam_sessions(DEVELOPMENT_3, [flavour])[6].pages).nodes if n.type == "topic"]
    assert "리액트" in labels
    assert "코드" not in labels


def test_a_unit_is_not_cut_off_its_number() -> None:
    labels = _labels(
        ("https://a.example/1", "6개월 아기 새벽 수유", "새벽에 깨는 아기를 재우는 방법입니다."),
        ("https://b.example/2", "4개월 아기 잠투정 기록", "낮잠이 짧아진 아기의 기록입니다."),
        ("https://c.example/3", "9개월 아기 수면 시간", "아기는 하루 열두 시간을 잡니다."),
    )
    assert labels
    assert not any(label.startswith("개월") for label in labels)


def test_a_word_that_titles_always_have_in_one_phrase_is_not_cut_out_of_it() -> None:
    labels = _labels(
        ("https://a.example/1", "푸른 정원 12회 줄거리", "정원에서 두 사람이 다시 만난다. 드라마의 결말이 다가온다."),
        ("https://b.example/2", "푸른 정원 결말 해석", "정원의 문이 닫히는 결말을 두고 의견이 갈린다."),
        ("https://c.example/3", "드라마 푸른 정원 촬영지", "정원 장면은 순천에서 찍었다고 한다."),
        ("https://d.example/4", "푸른 정원 시청률", "정원이 마지막 회에서 가장 높은 시청률을 얻었다."),
    )
    assert "정원" not in labels


def test_a_noun_inside_compounds_of_several_pages_is_a_candidate() -> None:
    # No title has "공제" as a word of its own; every page has it inside another one.
    labels = _labels(
        ("https://a.example/1", "소득공제 한도 계산", "소득공제는 총급여에 따라 다르다. 연말에 공제 서류를 낸다."),
        ("https://b.example/2", "세액공제 신청 서류", "세액공제를 받으려면 영수증이 필요하다."),
        ("https://c.example/3", "인적공제 부모님 나이", "인적공제는 나이와 소득을 본다."),
    )
    assert any("공제" in label for label in labels)


def test_a_label_of_several_pages_is_not_what_one_of_them_says() -> None:
    flavours = [flavour for flavour in FLAVOURS if flavour.name in ("english", "mixed")]
    for session in exam_sessions(DEVELOPMENT_2, flavours):
        document = build_map(session.pages)
        for node in document.nodes:
            if node.type == "topic":
                problems = label_problems(node.label, [PageWording(p) for p in pages_below(node, document, session)])
                assert "narrow" not in problems, node.label


def test_a_unit_of_measure_is_no_subject() -> None:
    # Most of the pages have "kilowatt hours", and none of the titles "solar".
    labels = _labels(
        ("https://a.example/1", "Balcony plant after two years", "Two solar panels made 640 kilowatt hours in a year."),
        (
            "https://b.example/2",
            "Is a 10 kWh battery overkill?",
            "The solar battery gives five kilowatt hours a night.",
        ),
        ("https://c.example/3", "Feed-in tariff: new rates", "Solar panels earn 7.9 cents for every kilowatt hour."),
    )
    assert labels
    assert not any("ilowatt" in label for label in labels)


def test_the_word_before_the_number_of_a_version_is_no_part_of_a_name() -> None:
    labels = _labels(
        *(
            (
                f"https://httpd.example/docs/2.4/{name}.html",
                f"{name} - Kestrel Mail Server Version 2.4",
                f"Kestrel Mail Server reads {name} when it starts. The server has more than one {name}.",
            )
            for name in (
                "queues",
                "filters",
                "aliases",
                "relays",
                "limits",
                "logging",
                "spools",
                "greylists",
                "bounces",
            )
        ),
        ("https://bread.example/1", "Sourdough starter", "A sourdough starter is fed with rye flour every day."),
        ("https://bread.example/2", "Sourdough loaf", "The sourdough loaf is baked in a hot pot with its lid on."),
    )
    assert any("Kestrel Mail" in label for label in labels)
    assert not any("version" in label.lower() for label in labels)


def test_a_topic_of_many_pages_is_called_by_what_half_of_their_titles_say() -> None:
    # Twelve pages about robot mowers: more titles have hedgehogs as a word, or one of two makers, than mowers; some
    # have them in the name of a community (r/robotmowers).
    flavour = next(flavour for flavour in FLAVOURS if flavour.name == "chapters")
    session = exam_sessions(DEVELOPMENT_3, [flavour])[1]
    assert set(session.subject_of.values()) == {"robot-mower"}
    labels = [node.label for node in build_map(session.pages).nodes if node.type == "topic"]
    assert any("mower" in label.lower() for label in labels)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("pg_indexes", "identifier"),
        ("withContext", "identifier"),
        ("ClusterFirstWithHostNet", "identifier"),
        ("Kestrel Server Version", "version"),
        ("Twelve weeks", "generic"),
        ("PostgreSQL", ""),
        ("macOS", ""),
        ("iPhone", ""),
        ("JavaScript", ""),
        ("Half marathon", ""),
    ],
)
def test_names_of_programs_and_measures_are_no_labels(label: str, problem: str) -> None:
    page = CapturedPage("p_1", "https://a.example/1", f"About {label}", f"{label} is the subject of this page.")
    assert label_problems(label, [PageWording(page)]) == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("url", "title", "name"),
    [
        ("https://gall.dcinside.com/board/view/?id=stock&no=3", "물타기 하다가 60% - 주식 갤러리", "주식"),
        ("https://gall.dcinside.com/mgallery/board/view/?id=k&no=3", "윤활 질문 - 키보드 마이너 갤러리", "키보드"),
        ("https://arca.live/b/camping/1", "텐트 추천 - 캠핑 채널", "캠핑"),
        ("https://museum.example/1", "새 전시 - 한국화 갤러리", ""),
        ("https://gall.dcinside.com/board/view/?id=stock&no=3", "물타기 하다가 60%", ""),
    ],
)
def test_the_board_of_a_page(url: str, title: str, name: str) -> None:
    assert board_of(url, title) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.reddit.com/r/SleepApnea/comments/1f7/mask/", "sleepapnea"),
        ("https://chess.stackexchange.com/questions/1/opening", "chess"),
        ("https://stackoverflow.com/questions/1/opening", ""),
        ("https://cafe.naver.com/imsanbu/1", ""),
        ("https://www.youtube.com/@someone/videos", ""),
        ("https://notreddit.com/r/chess/1", ""),
    ],
)
def test_the_community_of_a_page(url: str, name: str) -> None:
    assert community_of(url) == name
