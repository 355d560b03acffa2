"""Descriptions and quotes never say what a site says to any visitor."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.pages.interface_text import is_interface_sentence
from models.recording.pages import CapturedPage
from models.urls import page_id

INTERFACE = (
    "About 1,230,000 results (0.41 seconds)",
    "Ungefähr 1.230.000 Ergebnisse (0,41 Sekunden)",
    "검색결과 약 1,230,000개 (0.45초)",
    "1-24 of 300 results",
    "1–16 of over 2,000 results for kettles and water boilers",
    "312 products found",
    "We use cookies to improve your experience on all of our pages.",
    "We and our partners use cookies to store and access information on a device.",
    "이 사이트는 더 나은 서비스를 위해 쿠키를 사용합니다.",
    "Please enable JavaScript to continue to the article about kettles.",
    "Sign in to continue reading this story about kettles.",
    "로그인이 필요한 서비스입니다. 주전자에 대한 글을 보려면 가입하세요.",
    "Subscribe to our newsletter for weekly tips about kettles.",
    "무단 전재 및 재배포 금지, 이 기사의 저작권은 주전자신문에 있습니다.",
)
CONTENT = (
    "Cookies are small files that a site stores in a browser.",
    "A reranker reads the first hundred results and sorts them.",
    "The 12 results of the trial were published in May.",
    "Oatmeal cookies need twelve minutes in the oven.",
    "쿠키는 180도 오븐에서 12분 굽는다.",
    "로그인 기능을 구현하는 방법을 설명합니다.",
    "12 items of clothing are enough for a week.",
    "전체 30건 가운데 12건이 승인되었다.",
    "How to write a cookie policy for a small shop.",
)


@pytest.mark.parametrize("sentence", INTERFACE)
def test_what_a_site_says_to_any_visitor_is_no_description(sentence: str) -> None:
    assert is_interface_sentence(sentence)
    url = "https://kettles.example/1"
    text = f"{sentence}\nThe kettle boils a litre of water in two minutes and keeps it warm for an hour."
    for page_text in (text, sentence):
        pages = [CapturedPage(page_id(url), url, "Electric kettles compared", page_text, dwell_ms=60_000)]
        for node in build_map(pages, with_meaning=False).nodes:
            assert sentence[:20] not in (node.data.description or "")
            assert not any(sentence[:20] in evidence.quote for evidence in node.data.evidence)


@pytest.mark.parametrize("sentence", CONTENT)
def test_sentences_about_cookies_results_and_logins_are_content(sentence: str) -> None:
    assert not is_interface_sentence(sentence)


def test_a_highlighted_count_of_results_stays_evidence() -> None:
    url = "https://www.google.com/search?q=kettles"
    highlight = "About 1,230,000 results (0.41 seconds)"
    page = CapturedPage(page_id(url), url, "kettles - Google Search", highlight, highlights=(highlight,))
    nodes = [node for node in build_map([page], with_meaning=False).nodes if node.type == "page"]
    assert any(evidence.quote == highlight for node in nodes for evidence in node.data.evidence)
