"""Platforms say nothing about what their pages are about; owners of paths do. Which pages are left out."""

from __future__ import annotations

import pytest

from cluster.mindmap.build import build_map
from cluster.mindmap.pages.page_filter import exclusion_reason
from cluster.mindmap.pages.places import names_own_site, place_of
from models.recording.pages import CapturedPage
from models.urls import page_id


def _page(order: int, url: str, title: str, text: str = "") -> CapturedPage:
    return CapturedPage(
        page_id(url), url, title, text, 60_000, 0.5, (), (1_760_000_000_000 + order * 60_000,), (order,)
    )


@pytest.mark.parametrize(
    ("url", "owner"),
    [
        ("https://www.youtube.com/watch?v=abc", ""),
        ("https://www.youtube.com/@slowkitchen/videos", "slowkitchen"),
        ("https://old.reddit.com/r/ebikes/comments/1a9x2c/battery/", "ebikes"),
        ("https://github.com/acme/pump/issues/4", "acme/pump"),
        ("https://blog.naver.com/house_note/2233", "house_note"),
        ("https://cafe.naver.com/imsanbu/701", "imsanbu"),
        ("https://velog.io/@dbnovice/인덱스", "dbnovice"),
        ("https://gall.dcinside.com/mgallery/board/view/?id=keyboards&no=5", "keyboards"),
        ("https://map.naver.com/p/entry/place/1149", ""),
        ("https://www.coupang.com/vp/products/77", ""),
    ],
)
def test_on_a_platform_the_owner_of_the_path_is_the_place(url: str, owner: str) -> None:
    place = place_of(url)
    assert place.is_platform
    assert place.owner == owner


@pytest.mark.parametrize(
    "url", ["https://docs.github.com/en/actions", "https://postgresql.org/docs", "https://someone.medium.com/a"]
)
def test_other_hosts_are_places_themselves(url: str) -> None:
    assert not place_of(url).is_platform


@pytest.mark.parametrize(
    ("host", "segment", "is_name"),
    [
        ("www.youtube.com", "YouTube", True),
        ("blog.naver.com", "네이버 블로그", True),
        ("loafandcrust.example", "Loaf & Crust", True),
        ("cooking.stackexchange.com", "Seasoned Advice", False),
        ("www.youtube.com", "How YouTube pays", False),
        ("news.example.org", "Sourdough", False),
    ],
)
def test_the_own_name_of_a_site_is_recognised_on_a_single_page(host: str, segment: str, is_name: bool) -> None:
    assert names_own_site(host, segment) is is_name


def test_videos_and_forum_posts_join_their_subjects_not_their_platforms() -> None:
    subjects = {
        "bread": ["Sourdough bread for beginners", "Why sourdough bread is gummy", "Sourdough bread in a Dutch oven"],
        "chess": ["Chess openings for beginners", "The best chess openings for white", "Chess openings and traps"],
        "tents": ["Camping tent for two people", "How to dry a camping tent", "Camping tent in the rain"],
    }
    hosts = [
        ("https://www.youtube.com/watch?v={}", "{} - YouTube"),
        ("https://www.reddit.com/r/{0}/comments/{0}/x/", "{1} : r/{0}"),
        ("https://medium.com/@someone{}/story", "{} | Medium"),
    ]
    pages: list[CapturedPage] = []
    subject_of: dict[str, str] = {}
    for column, (url, title) in enumerate(hosts):
        for name, titles in subjects.items():
            address = url.format(f"{name}{column}")
            pages.append(_page(len(pages), address, title.format(*([name] if "{0}" in title else []), titles[column])))
            subject_of[page_id(address)] = name
    document = build_map(pages)
    groups: dict[str, set[str]] = {}
    for page, topic in document.topic_of_pages().items():
        groups.setdefault(topic, set()).add(subject_of[page])
    assert sorted(map(sorted, groups.values())) == [["bread"], ["chess"], ["tents"]]
    assert not any("YouTube" in node.label or "Reddit" in node.label for node in document.nodes if node.type == "topic")


def test_a_flight_search_that_was_compared_is_content() -> None:
    url = "https://www.google.com/travel/flights/search?tfs=CBwQAhoe"
    assert exclusion_reason(url, "Seoul to Tokyo | Google Flights", "Nonstop, 189 dollars", dwell_ms=180_000) is None
    site = "https://www.skyhopper.example/search?query=tokyo"
    assert exclusion_reason(site, "Tokyo", "41 flights", dwell_ms=180_000) is None
    assert exclusion_reason(site, "Tokyo", "41 flights", dwell_ms=5_000) == "search_results"
    web = "https://www.google.com/search?q=tokyo"
    assert exclusion_reason(web, "tokyo - Google Search", "x" * 900, dwell_ms=180_000) == "search_results"


@pytest.mark.parametrize(
    ("url", "title", "reason"),
    [
        ("https://nid.naver.com/nidlogin.login", "네이버 : 로그인", "login"),
        ("https://bank.example/login", "한빛은행 로그인", "login"),
        ("https://bank.example/", "로그인", "login"),
        ("https://blog.example/posts/12", "윈도우 11 자동 로그인", None),
        ("https://dev.example/t/spring-security", "스프링 시큐리티 소셜 로그인", None),
    ],
)
def test_a_title_that_ends_with_login_is_a_sign_in_page_where_the_address_says_so(
    url: str, title: str, reason: str | None
) -> None:
    assert exclusion_reason(url, title, "") == reason
