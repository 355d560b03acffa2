"""What topics of few pages are called."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.pages.places import community_of
from models.recording.pages import CapturedPage
from models.urls import page_id
from tests.map_exam.sessions import DEVELOPMENT_2, FLAVOURS, exam_sessions


def _labels(*pages: tuple[str, str, str]) -> list[str]:
    captured = [
        CapturedPage(page_id(url), url, title, text, dwell_ms=60_000, visited_at_ms=(1_760_000_000_000 + order,))
        for order, (url, title, text) in enumerate(pages)
    ]
    return [node.label for node in build_map(captured).nodes if node.type == "topic"]


def test_a_subject_that_only_texts_name_gives_the_label() -> None:
    # Titles of four pages about knives speak of edges, whetstones and boards; half of the texts say "knife".
    flavour = next(flavour for flavour in FLAVOURS if flavour.name == "english")
    session = exam_sessions(DEVELOPMENT_2, [flavour])[0]
    assert not any("knife" in page.title.lower() for page in session.pages)
    labels = [node.label for node in build_map(session.pages).nodes if node.type == "topic"]
    assert any("knife" in label.lower() for label in labels)


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
