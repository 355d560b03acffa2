"""What real pages do to the recorder: which visits, with which address, title and text, are stored of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extension.browser import Chromium, dwell, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.recorded import Recorded

pytestmark = [pytest.mark.browser, pytest.mark.real_time]


@pytest.fixture(scope="module")
def recorded(extension_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    server, site = FakeServer().start(), LocalSite()
    chromium = Chromium(extension_build, tmp_path_factory.mktemp("profile")).start()
    yield Recorded(chromium, server, site)
    chromium.kill()
    site.close()
    server.stop()


def read(recorded: Recorded, path: str, host: str, seconds: float) -> None:
    """Open a page, stay on it and close its tab."""
    tab = recorded.open(path, host)
    dwell(seconds)
    tab.close()


def stay(recorded: Recorded, path: str, host: str, is_over: str) -> tuple[float, float]:
    """Open a page, stay until its expression `is_over` is true, and close its tab.

    Returns how many seconds it was shown at least and at most: a busy machine opens and closes it slowly.
    """
    opened_at = time.monotonic()
    tab = recorded.open(path, host)
    wait_until(lambda: tab.evaluate("document.readyState !== 'loading' && document.visibilityState === 'visible'"))
    shown_at = time.monotonic()
    wait_until(lambda: tab.evaluate(is_over), what=is_over)
    left_at = time.monotonic()
    tab.close()
    return left_at - shown_at, time.monotonic() - opened_at


@pytest.mark.parametrize("path", ["/replace-pay", "/replace-pay-late", "/push-pay"])
def test_a_page_that_becomes_an_excluded_one_is_not_recorded(recorded: Recorded, path: str) -> None:
    host = f"pay{path.strip('/')}"
    read(recorded, path, host, 3)
    read(recorded, "/article/1", f"after-{host}", 2)
    recorded.ended(f"after-{host}")
    stored = [e for s in recorded.server.sessions.values() for e in s.events.values()]
    assert not [e for e in stored if f"//{host}.kinds.test" in str(e.get("url"))]


def test_a_page_that_was_read_before_it_becomes_an_excluded_one(recorded: Recorded) -> None:
    read(recorded, "/replace-pay-read", "payread", 7)
    (visit,) = recorded.ended("payread")
    assert visit.path == "/replace-pay-read"
    assert visit.active_s < 5.5


def test_the_address_of_a_visit_is_where_it_rests(recorded: Recorded) -> None:
    read(recorded, "/replace-home", "home", 3)
    read(recorded, "/checkout/leave", "shop", 3)
    (visit,) = recorded.ended("home")
    assert visit.path == "/home"
    assert "Item 1 part 0" in visit.content
    (visit,) = recorded.ended("shop")
    assert (visit.path, visit.title) == ("/shop", "Shop home")


def test_a_route_has_its_own_title_and_text(recorded: Recorded) -> None:
    tab = recorded.open("/spa/one", "spa")
    dwell(3)
    tab.click("#two")
    dwell(5)
    tab.close()
    first, second = recorded.ended("spa", 2)
    assert (first.path, first.title) == ("/spa/one", "First view")
    assert (second.path, second.title) == ("/spa/two", "Second view")
    assert "Item 1 part 0" in first.content
    assert "Item 2 part 0" in second.content
    assert "Item 1 part" not in second.content


def test_a_route_that_is_left_before_its_content_came_has_no_other_ones(recorded: Recorded) -> None:
    tab = recorded.open("/spa/one?wait=9", "spaleft")
    dwell(3)
    tab.click("#two")
    dwell(2)
    tab.close()
    _, second = recorded.ended("spaleft", 2)
    assert (second.title, second.content) == (None, "")


def test_a_title_that_comes_after_its_route(recorded: Recorded) -> None:
    tab = recorded.open("/spa/one?wait=0&latetitle", "latetitle")
    dwell(3)
    tab.click("#two")
    dwell(6)
    tab.close()
    first, second = recorded.ended("latetitle", 2)
    assert (first.title, second.title) == ("First view", "Second view")


def test_a_late_body(recorded: Recorded) -> None:
    read(recorded, "/late-body", "late", 7)
    (visit,) = recorded.ended("late")
    assert visit.title == "Late article"
    assert len(visit.content) > 3_000
    assert visit.max_scroll < 0.1


def test_a_body_that_comes_after_the_visit_was_sent(recorded: Recorded) -> None:
    tab = recorded.open("/late-body", "later")
    dwell(1)
    tab.evaluate("setTimeout(() => { document.title = 'Corrected'; document.body.innerHTML += '<p>More.</p>' }, 13000)")
    dwell(16)
    tab.close()
    (visit,) = recorded.ended("later")
    assert visit.title == "Corrected"


def test_a_body_that_comes_just_before_the_page_is_left(recorded: Recorded) -> None:
    tab = recorded.open("/late-body", "lastmoment")
    wait_until(lambda: tab.evaluate("document.title") == "Late article")
    tab.goto(recorded.url("/article/1", "lastmoment"))
    dwell(2)
    tab.close()
    first, _ = recorded.ended("lastmoment", 2)
    assert first.title == "Late article"
    assert "Item 3 part 0" in first.content


def test_a_page_whose_load_never_ends(recorded: Recorded) -> None:
    read(recorded, "/endless-image", "endless", 4.5)
    (visit,) = recorded.ended("endless")
    assert "Item 16 part 0" in visit.content


def test_scroll_depth_of_a_box_inside_the_page(recorded: Recorded) -> None:
    read(recorded, "/inner-scroller", "box0", 2.5)
    tab = recorded.open("/inner-scroller", "box1")
    dwell(2)
    tab.evaluate(
        "(() => { const b = document.getElementById('box'); b.scrollTop = (b.scrollHeight - b.clientHeight) / 2 })()"
    )
    dwell(1.5)
    tab.close()
    (untouched,), (scrolled,) = recorded.ended("box0"), recorded.ended("box1")
    assert untouched.max_scroll < 0.1
    assert scrolled.max_scroll == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("path", "target"), [("/refresh0", "/article/1"), ("/jsreplace", "/article/2"), ("/redirect", "/article/3")]
)
def test_a_page_that_only_leads_to_another_is_no_visit(recorded: Recorded, path: str, target: str) -> None:
    host = f"transit{path.strip('/')}"
    read(recorded, path, host, 3)
    (visit,) = recorded.ended(host)
    assert visit.path == target


def test_a_map_that_moves_its_state_into_the_address_is_one_visit(recorded: Recorded) -> None:
    at_least, at_most = stay(recorded, "/map/start", "map", "performance.now() > 6500")
    (visit,) = recorded.ended("map")
    assert at_least - 1.5 < visit.active_s < at_most + 1.5


def _scroll_to_the_end(recorded: Recorded, path: str, host: str) -> None:
    tab = recorded.open(path, host)
    dwell(2.5)
    for _ in range(2):
        tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        dwell(3)
    tab.close()


def test_an_endless_list_has_a_visit_for_each_article_with_its_own_words(recorded: Recorded) -> None:
    _scroll_to_the_end(recorded, "/endless/1", "list")
    visits = recorded.ended("list", 3)
    assert [v.path for v in visits] == ["/endless/1", "/endless/2", "/endless/3"]
    for number, visit in enumerate(visits, 1):
        assert visit.title == f"Article {number}"
        assert f"Item {number} part 3" in visit.content
        assert not [n for n in {1, 2, 3} - {number} if f"Item {n} part 3" in visit.content]


def test_a_thread_that_counts_its_posts_in_the_address_is_one_visit(recorded: Recorded) -> None:
    _scroll_to_the_end(recorded, "/thread/how-to-mend-a-net/812", "thread")
    (visit,) = recorded.ended("thread")
    assert "Post 2." in visit.content


def test_a_page_that_loads_itself_again_is_one_visit(recorded: Recorded) -> None:
    at_least, at_most = stay(recorded, "/live", "live", "Number(sessionStorage.loads) >= 4 && performance.now() > 1000")
    (visit,) = recorded.ended("live")
    # The time of all four documents, with the moments between them.
    assert at_least - 1.5 < visit.active_s < at_most + 1.5


def test_an_error_page_is_marked(recorded: Recorded) -> None:
    read(recorded, "/missing", "missing", 2.5)
    (visit,) = recorded.ended("missing")
    assert visit.metadata["http_status"] == 404
    read(recorded, "/article/4", "found", 2)
    assert "http_status" not in recorded.ended("found")[0].metadata


def test_the_opener_is_the_page_with_the_link(recorded: Recorded) -> None:
    tab = recorded.open("/opener", "opener")
    wait_until(lambda: tab.has("#link"))
    dwell(1.5)
    box = tab.evaluate(
        "(() => { const r = document.getElementById('link').getBoundingClientRect(); return [r.x + 5, r.y + 5] })()"
    )
    before = {t["targetId"] for t in recorded.chromium.targets()}
    tab.send(
        "Input.dispatchMouseEvent", type="mousePressed", x=box[0], y=box[1], button="left", clickCount=1, modifiers=2
    )
    tab.send(
        "Input.dispatchMouseEvent", type="mouseReleased", x=box[0], y=box[1], button="left", clickCount=1, modifiers=2
    )

    def opened() -> str | None:
        new = [t for t in recorded.chromium.targets() if t["targetId"] not in before and "/article/5" in t["url"]]
        return new[0]["targetId"] if new else None

    target = wait_until(opened, what="the background tab")
    tab.goto(recorded.url("/article/6", "opener"))
    dwell(2)
    background = Tab(recorded.chromium.cdp, target)
    background.front()
    dwell(2)
    background.goto(recorded.url("/article/7", "opener"))
    dwell(2)
    background.close()
    tab.close()
    visits = {v.path: v for v in recorded.ended("opener", 4)}
    assert visits["/article/5"].metadata.get("opener_visit_id") == visits["/opener"].event_id
    assert "opener_visit_id" not in visits["/article/6"].metadata
    assert "opener_visit_id" not in visits["/article/7"].metadata


def test_document_open(recorded: Recorded) -> None:
    read(recorded, "/document-open", "anew", 6)
    (visit,) = recorded.ended("anew")
    assert visit.title == "Written anew"
    assert "Item 6 part 0" in visit.content


def _highlights(recorded: Recorded, host: str) -> list[str]:
    return [e["text"] for e in recorded.events(host, "highlight")]


def test_a_button_that_copies_and_select_all_make_no_highlight(recorded: Recorded) -> None:
    tab = recorded.open("/marks", "marks")
    wait_until(lambda: tab.has("#copy"))
    dwell(1.5)
    x, y = tab.evaluate(
        "(() => { const r = document.getElementById('copy').getBoundingClientRect(); return [r.x + 9, r.y + 9] })()"
    )
    tab.mouse("mousePressed", x, y)
    tab.mouse("mouseReleased", x, y)
    wait_until(lambda: "pip install" in tab.evaluate("getSelection().toString()"))
    dwell(1.5)
    # "Select all" in the menu of the browser: no key, no movement.
    tab.evaluate("getSelection().selectAllChildren(document.body)")
    dwell(1.5)
    tab.evaluate("getSelection().removeAllRanges()")
    marked = tab.drag_over("#p2")
    dwell(1.5)
    tab.close()
    recorded.ended("marks")
    assert _highlights(recorded, "marks") == [" ".join(marked.split())]


def test_a_highlight_in_a_shadow_root(recorded: Recorded) -> None:
    tab = recorded.open("/shadow", "shadow")
    dwell(2)
    place = "document.querySelector('my-article').shadowRoot.querySelector('#p1')"
    x1, y1, x2, y2 = tab.evaluate(
        f"(() => {{ const e = {place}; e.scrollIntoView({{block: 'center'}}); const r = document.createRange();"
        " r.selectNodeContents(e); const rs = [...r.getClientRects()]; const a = rs[0], b = rs.at(-1);"
        " return [a.left + 1, a.top + a.height / 2, b.right - 1, b.top + b.height / 2]; })()"
    )
    tab.mouse("mousePressed", x1, y1)
    for step in (0.4, 1.0):
        tab.mouse("mouseMoved", x1 + (x2 - x1) * step, y1 + (y2 - y1) * step)
    tab.mouse("mouseReleased", x2, y2)
    dwell(1.5)
    tab.close()
    (visit,) = recorded.ended("shadow")
    assert "Item 9 part 0" in visit.content
    (marked,) = recorded.events("shadow", "highlight")
    assert marked["text"].startswith("Item 9 part 1.")
    (quote,) = marked["metadata"]["anchor"]
    assert quote["prefix"]


def test_a_long_highlight_does_not_end_in_half_a_character(recorded: Recorded) -> None:
    tab = recorded.open("/article/1", "emoji")
    dwell(1.5)
    tab.evaluate("document.querySelector('#p2').textContent = 'x' + '👩‍👩‍👧'.repeat(300)")
    tab.drag_over("#p2")
    dwell(1.5)
    tab.close()
    recorded.ended("emoji")
    (text,) = _highlights(recorded, "emoji")
    assert text.endswith("👩‍👩‍👧")
    assert 900 < len(text.encode("utf-16-le")) / 2 <= 1_000
