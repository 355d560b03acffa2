"""Visits of a session that were visits of one page, and an address that was several pages. All texts are invented."""

from __future__ import annotations

import time
from typing import Any

import pytest

from models.recording.pages import CapturedPage
from models.recording.same_pages import Comparison
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline, captured_pages

T0 = 1_770_000_000_000
REEF = (
    "The reef grows two centimetres a year where the current is strong.\n"
    "Divers count the fans and the sponges in May.\n"
    "Bleaching began in the shallow lagoon and stopped at the drop-off.\n"
    "The wardens close the northern mooring in winter."
)
TEA = (
    "Green tea is steamed within an hour of the harvest.\nThe leaves are rolled and dried four times.\n"
    "Water of seventy degrees keeps the second infusion sweet.\nA clay pot remembers the teas that were brewed in it."
)


def visit(url: str, text: str = "", title: str = "A page", **metadata: Any) -> dict[str, Any]:
    return {"type": "page_visit", "url": url, "title": title, "content": text, "metadata": metadata}


def pages_of(*visits: dict[str, Any]) -> list[CapturedPage]:
    texts = {str(i): fields["content"] for i, fields in enumerate(visits) if fields["content"]}
    events = [
        TimelineEvent(
            str(i), fields["type"], T0 + i * 60_000, T0 + i * 60_000, fields, i, str(i) if str(i) in texts else None
        )
        for i, fields in enumerate(visits)
    ]
    timeline = build_timeline(events, SessionSpan(T0, T0 + len(events) * 60_000))
    comparison = Comparison(timeline)
    return captured_pages(comparison.reconcile({key: texts[key] for key in comparison.content_keys}), texts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://reef.example/a", "https://reef.example/a"),
        ("https://www.reef.example/a", "https://reef.example/a"),
        ("https://m.reef.example/a", "https://www.reef.example/a"),
        ("https://en.m.wiki.example/wiki/Reef", "https://en.wiki.example/wiki/Reef"),
        ("https://reef.example/a/index.html", "https://reef.example/a/"),
        ("https://reef.example:443/a", "https://reef.example/a"),
        ("https://reef.example./a", "https://reef.example/a"),
        ("https://reef.example/a?x=1&y=2", "https://reef.example/a?y=2&x=1"),
        ("https://reef.example/?q=sea+fan", "https://reef.example/?q=sea%20fan"),
        ("https://reef.example/a/amp", "https://reef.example/a"),
        ("https://reef.example/a;jsessionid=0A9?x=1", "https://reef.example/a?x=1"),
        ("https://한국.example/a", "https://xn--3e0b707e.example/a"),
        ("https://youtu.be/kJQP7kiw5Fk?si=x", "https://www.youtube.com/watch?v=kJQP7kiw5Fk&t=7"),
        ("https://www.youtube.com/shorts/kJQP7kiw5Fk", "https://m.youtube.com/watch?v=kJQP7kiw5Fk"),
        ("https://www.amazon.de/Grinder/dp/B00ABCDEFG/ref=sr_1_3?qid=1", "https://www.amazon.de/gp/product/B00ABCDEFG"),
        ("https://old.reddit.com/r/diving/comments/ab1/reef/", "https://www.reddit.com/r/diving/comments/ab1/reef/"),
        ("https://twitter.com/ann/status/77", "https://x.com/ann/status/77?s=20"),
        ("https://n.news.naver.com/mnews/article/001/00123", "https://n.news.naver.com/article/001/00123?sid=101"),
        ("https://x.com/i/web/status/77", "https://x.com/ann/status/77/photo/1"),
        ("https://en.wikipedia.org/w/index.php?title=Reef", "https://en.wikipedia.org/wiki/Reef"),
        ("https://zh.wikipedia.org/zh-tw/%E7%8A", "https://zh.wikipedia.org/wiki/%E7%8A"),
        ("https://arxiv.org/pdf/2101.00001v2.pdf", "https://arxiv.org/pdf/2101.00001"),
        ("https://docs.google.com/document/u/1/d/1AbCd/edit?usp=x", "https://docs.google.com/document/d/1AbCd/preview"),
        ("https://reef-example.cdn.ampproject.org/c/s/reef.example/a", "https://reef.example/a"),
        ("https://www.google.com/amp/s/www.reef.example/a", "https://reef.example/a"),
        ("https://reef.example/a/index.shtml", "https://reef.example/a/"),
        ("https://reef.example/v.html?file=%2Fa.pdf", "https://reef.example/v.html?file=/a.pdf#page=4"),
        ("https://m.blog.naver.com/ann/2201", "https://blog.naver.com/PostView.naver?blogId=ann&logNo=2201"),
    ],
)
@pytest.mark.parametrize("text", [REEF, ""], ids=["text", "no text"])
def test_two_spellings_of_one_page(one: str, other: str, text: str) -> None:
    (page,) = pages_of(visit(one, text), visit(other, text))
    assert len(page.visited_at_ms) == 2
    assert page.text == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://reef.example/a?ref=c", "https://reef.example/a?ref=d"),
        ("https://reef.example/docs#/guide?id=linux", "https://reef.example/docs#/guide?id=macos"),
        ("https://api.reef.example/#/pets/add", "https://api.reef.example/#/pets/list"),
        ("https://reef.example/a?hl=en", "https://reef.example/a"),
        ("https://reef.example/a?cmp=12", "https://reef.example/a?cmp=13"),
        ("https://reef.example/a?trk=12", "https://reef.example/a"),
        ("https://reef.example/a?affid=7&campaign=spring", "https://reef.example/a"),
        ("https://reef.example/a?printable=yes", "https://reef.example/a?lang=en"),
        # Parameters that no rule knows, and versions of a page.
        ("https://reef.example/a?xyz=12", "https://reef.example/a"),
        ("https://reef.example/a?page=1", "https://reef.example/a"),
        ("https://reef.example/a/print", "https://reef.example/a"),
        ("https://reef.example/print/a", "https://reef.example/a"),
        ("https://reef.example/amp/a", "https://reef.example/a"),
        ("https://reef.example/a.amp.html", "https://reef.example/a.html"),
        ("https://reef.example/a.html", "https://reef.example/a"),
        ("https://reef.example/en-us/a", "https://reef.example/a"),
        ("https://reef.example/A/B", "https://reef.example/a/b"),
        ("https://reef.example//a", "https://reef.example/a"),
        ("https://reef.example/cafe%CC%81", "https://reef.example/caf%C3%A9"),
        ("https://wap.reef.example/a", "https://reef.example/a"),
        (
            "https://web.archive.org/web/2026/https://reef.example/a",
            "https://web.archive.org/web/20260202000000/https://reef.example/a",
        ),
    ],
)
def test_positions_are_one_page_if_the_text_is_the_same(one: str, other: str) -> None:
    assert len(pages_of(visit(one, REEF), visit(other, REEF))) == 1
    assert len(pages_of(visit(one, REEF), visit(other, TEA))) == 2
    assert len(pages_of(visit(one), visit(other))) == 2, "without text nothing shows that it is one page"


FRAME = (
    "Shop for divers\nHome\nCatalogue\nBasket\nContact\n"
    "We use cookies to make this shop better for everybody who dives here.\nAccept"
)


def test_a_short_text_at_other_values_of_a_parameter_may_be_the_frame_of_an_application() -> None:
    items = [f"https://shop.example/item{query}" for query in ("", "?id=1", "?id=2", "?id=3")]
    assert len(pages_of(*(visit(url, FRAME, "Shop") for url in items))) == 4
    assert len(pages_of(*(visit(url, "\n".join([FRAME, REEF, TEA, window(9)]), "Shop") for url in items))) == 1
    # A route changes its text after its address.
    assert len(pages_of(visit(items[0], FRAME * 6, "Shop"), visit(items[1], FRAME * 6, "Shop", via="route"))) == 2


def test_pages_with_one_text_and_other_titles_are_pages_of_their_own() -> None:
    assert len(pages_of(visit("https://x.example/a?n=1", REEF, "A"), visit("https://x.example/a?n=2", REEF, "B"))) == 2


def test_spellings_with_other_titles_and_texts_are_two_pages() -> None:
    assert len(pages_of(visit("http://a.example/", REEF, "Reef"), visit("https://a.example/", TEA, "Tea"))) == 2


LINES = [f"Reply number {i} says that mooring {i * 7} needs another chain of {i} metres." for i in range(40)]


def window(start: int) -> str:
    return "\n".join(LINES[start : start + 5])


@pytest.mark.parametrize(
    ("form", "canonical"),
    [
        ("https://forum.example/topic/8/moorings/{}", "https://forum.example/topic/8/moorings"),
        ("https://forum.example/t/moorings/8/{}", "https://forum.example/t/moorings/8"),
        ("https://forum.example/t/moorings/8/{}", None),
        ("https://forum.example/d/8-moorings/{}", "/d/8-moorings"),
        ("https://forum.example/threads/moorings.8/page-2/post-{}", None),
        ("https://forum.example/thread?id=8&post={}", "https://forum.example/thread?id=8"),
        ("https://chat.example/?view=thread&start={}", None),
    ],
)
def test_a_forum_that_rewrites_its_address_is_one_page(form: str, canonical: str | None) -> None:
    metadata = {"canonical": canonical} if canonical else {}
    scrolled = [
        visit(form.format(i + 1), window(i), "Moorings", via="route" if i else "load", **metadata)
        for i in range(0, 20, 2)
    ]
    (page,) = pages_of(*scrolled)
    assert page.text.split("\n") == LINES[:23], "every line that was read is in its text, once"
    assert page.dwell_ms == 600_000
    assert page.visit_order == tuple(range(10))


def test_pages_of_one_application_are_not_merged_by_a_canonical_address_that_stayed() -> None:
    menu = "\n".join(f"Menu entry {i}" for i in range(30))
    canonical = "https://app.example/"
    found = pages_of(
        visit("https://app.example/", f"{menu}\n{REEF}", "App", canonical=canonical),
        visit("https://app.example/tea", f"{menu}\n{TEA}", "App", via="route", canonical=canonical),
        visit("https://app.example/news", f"{menu}\n{window(3)}", "App", via="route", canonical=canonical),
    )
    assert len(found) == 3


def test_a_canonical_address_of_another_site_is_not_used() -> None:
    found = pages_of(
        visit("https://copy.example/a", REEF, canonical="https://origin.example/a"),
        visit("https://origin.example/a", REEF),
    )
    assert len(found) == 2


def test_numbered_articles_with_their_own_texts_are_pages_of_their_own() -> None:
    found = pages_of(
        visit("https://news.example/7", REEF, "News"), visit("https://news.example/8", TEA, "News", via="route")
    )
    assert len(found) == 2


def test_a_print_view_with_a_canonical_address_is_the_page() -> None:
    (page,) = pages_of(
        visit("https://news.example/reef", REEF),
        visit("https://news.example/print.php?article=7", REEF, canonical="https://news.example/reef"),
    )
    assert page.url == "https://news.example/reef"


def test_an_address_that_lost_its_identity_is_as_many_pages_as_it_has_titles_and_texts() -> None:
    url = "https://finance.example/item?code=REDACTED"
    found = pages_of(
        visit(url, REEF, "Reef Corp"), visit(url, TEA, "Tea Corp"), visit(url, REEF, "(3) Reef Corp"),
        visit("https://e.example/cb?token=REDACTED", REEF, "Reef"),
        visit("https://e.example/cb?token=REDACTED", REEF, "Reefs"),
    )  # fmt: skip
    assert [(page.title, page.text) for page in found[:2]] == [("Reef Corp", REEF), ("Tea Corp", TEA)]
    assert len(found) == 3
    assert found[0].page_id in pages_of(visit(url, REEF, "Reef Corp"))[0].page_id, (
        "the first keeps its id and its edits"
    )


def test_a_highlight_follows_its_visit() -> None:
    marked = {
        "type": "highlight",
        "url": "https://m.reef.example/a",
        "text": "two centimetres",
        "content": "",
        "metadata": {},
    }
    (page,) = pages_of(visit("https://reef.example/a", REEF), visit("https://m.reef.example/a", REEF), marked)
    assert page.highlights == ("two centimetres",)


def test_an_application_that_sets_its_title_late() -> None:
    texts = [
        "Harbour\nThe harbour has twelve moorings for visitors.",
        "Lighthouse\nThe lighthouse was built in 1871 on the cape.",
        "Ferry timetable\nThe ferry crosses every forty minutes.",
        "Camping\nTents stand behind the dunes and the wind is strong.",
    ]
    recorded = [
        "Harbour - Island guide",
        "Harbour - Island guide",
        "Lighthouse - Island guide",
        "Ferry timetable - Island guide",
    ]
    found = pages_of(*(
        visit(f"https://island.example/{i}", text, title, via="route" if i else "load")
        for i, (text, title) in enumerate(zip(texts, recorded, strict=True))
    ))  # fmt: skip
    assert [page.title for page in found] == [
        "Harbour - Island guide", "Lighthouse - Island guide", "Ferry timetable - Island guide", "Camping",
    ]  # fmt: skip


def test_an_application_with_one_title_keeps_it() -> None:
    found = pages_of(*(
        visit(f"https://island.example/{i}", text, "Island guide", via="route" if i else "load")
        for i, text in enumerate([REEF, TEA, window(2)])
    ))  # fmt: skip
    assert {page.title for page in found} == {"Island guide"}


def test_comparing_many_pages_takes_bounded_time() -> None:
    visits = [
        visit(
            f"https://f.example/t/8/{i}",
            "\n".join(f"{LINES[(i + j) % 40]} {i + j}" for j in range(300)),
            "T",
            via="route",
        )
        for i in range(400)
    ]
    began = time.process_time()
    assert len(pages_of(*visits)) == 1
    assert time.process_time() - began < 20
