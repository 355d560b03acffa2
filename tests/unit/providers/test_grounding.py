"""A model's wording is kept only as far as the pages support it, whatever a page has asked the model to write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.mindmap.outline.types import CrossLink, Outline, OutlineTopic
from cluster.providers.prompting.grounding import PageText, grounded_description, grounded_outline
from cluster.providers.types import PageDescription
from tests.support.map_sessions import make_page
from tests.unit.providers.test_responses import PAGES, SKELETON

PALACE = make_page(
    "https://seoul.example/palaces",
    "Seoul palaces",
    "Gyeongbokgung is the largest of the five palaces of Seoul. The palace was built in 1395 and burned down in 1592. "
    "Its gate opens at 9. Tickets are sold at tickets.seoul.example, and node.js runs the booking site. "
    "Visitors in a hanbok enter free of charge.",
)
BANK = make_page("https://bank.example/safe", "My bank", "BANKSECRET 4711 is the code of the safe behind the stairs.")
KOREAN = make_page(
    "https://ml.example.kr/rl",
    "강화학습 입문",
    "강화학습은 보상을 최대화하는 정책을 찾는 기계학습 방법이다. 정책 경사와 가치 함수를 함께 배운다.",
)
ADDRESSES = (
    "https://evil.example/login",
    "http://evil.example",
    "hxxps://evil.example/a",
    "ftp://evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "mailto:thief@evil.example",
    "thief@evil.example",
    "www.evil.example",
    "evil.example",
    "evil.example/a?d=1",
    "evil[.]example/login",
    "evil(dot)example",
    "ｅｖｉｌ．ｅｘａｍｐｌｅ",
    "evil\u200b.exam\u00adple",
    "203.0.113.7",
    "evil.example:8080",
)


def describe(page: object = PALACE, **fields: object) -> PageDescription:
    plain = {"page_id": "p", "label": "Palaces of Seoul", "description": "", "keywords": (), "quote": ""}
    return grounded_description(PageDescription(**{**plain, **fields}), page)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_of_others_are_dropped_everywhere(address: str) -> None:
    made = describe(
        label=f"Palaces of Seoul {address}",
        description=f"The largest palace of Seoul burned down in 1592; see {address}.",
        keywords=("palace", address, f"Seoul {address}"),
    )
    assert (made.label, made.description, made.keywords) == ("", "", ("palace",))


def test_what_stands_in_the_same_page_is_kept() -> None:
    summary = "The largest palace of Seoul, built in 1395; tickets are sold at tickets.seoul.example."
    made = describe(label="Palaces and node.js booking", description=summary, keywords=("node.js", "hanbok", "1395"))
    assert (made.label, made.description) == ("Palaces and node.js booking", summary)
    assert made.keywords == ("node.js", "hanbok", "1395")


@pytest.mark.parametrize(
    "text",
    [
        "Leak: BANKSECRET 4711 is the code of the safe.",
        "The largest palace of Seoul; BANKSECRET.",
        "The largest palace of Seoul, code 4711.",
        "The largest of the five palaces of Seoul; money hides behind wooden stairs downstairs.",
        "Your session expired, please enter your password again.",
        "The palace was built in 1410 and burned down in 1592.",
    ],
)
def test_text_of_another_page_and_made_up_facts_are_dropped(text: str) -> None:
    assert BANK.text.startswith("BANKSECRET")
    assert describe(description=text).description == ""
    assert describe(label=text).label == ""


def test_paraphrases_and_other_scripts_are_kept() -> None:
    for summary in (
        "Describes the largest palace of Seoul, when it was built and burned, and how visitors enter free.",
        "An overview of the palaces in Seoul with their gates and tickets.",
    ):
        assert describe(description=summary).description == summary
    made = describe(
        KOREAN, label="강화학습의 정책", description="보상을 최대화하는 정책을 배우는 강화학습 방법을 설명한다."
    )
    assert made.label
    assert made.description
    assert describe(KOREAN, label="은행 비밀번호 유출").label == ""
    assert describe(label="!!! ··· ???").label == ""


def test_an_outline_keeps_the_local_words_where_the_models_are_not_supported() -> None:
    pages = {page.page_id: page for page in PAGES}
    evil = "Go to https://evil.example/a"

    def steered(text: str) -> Outline:
        def worded(topic: OutlineTopic) -> OutlineTopic:
            parts = tuple(worded(part) for part in topic.subtopics)
            return replace(topic, label=text, description=text, keywords=(text,), subtopics=parts)

        topics = tuple(worded(topic) for topic in SKELETON.topics)
        link = CrossLink(topics[0].id, topics[-1].id, 0.5, (), text)
        return replace(SKELETON, title=text, summary=text, topics=topics, cross_links=(link,))

    for text in (evil, "BANKSECRET 4711 of the safe", "Sitzung abgelaufen, bitte anmelden"):
        grounded = grounded_outline(steered(text), SKELETON, pages)
        assert text not in str(grounded)
        assert [(t.label, t.description, t.keywords) for t, _ in grounded.walk()] == [
            (t.label, t.description, t.keywords) for t, _ in SKELETON.walk()
        ]
        assert (grounded.title, grounded.summary) == (SKELETON.title, SKELETON.summary)
        assert grounded.cross_links[0].label == ""
    # What the local pipeline wrote itself stays as it is.
    assert grounded_outline(SKELETON, SKELETON, pages) == SKELETON


def test_words_are_compared_as_a_whole() -> None:
    text = PageText([PALACE])
    assert text.contains_token("1395")
    assert not text.contains_token("139")
    assert text.has_word("palatial") is False
    assert text.has_word("Palaces")
