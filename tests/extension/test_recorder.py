"""The recorder on local sites: every visit with its dwell, each highlight once, and no excluded page."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.extension.browser import Chromium, current_screen, dwell, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.user_actions import ready_to_record, start_recording, stop_recording

pytestmark = [pytest.mark.browser, pytest.mark.real_time]


def events(server: FakeServer, kind: str) -> list[dict[str, Any]]:
    matching = [e for s in server.sessions.values() for e in s.events.values() if e["type"] == kind]
    return sorted(matching, key=lambda e: e["seq"])


def test_visits_dwell_scroll_and_text(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    # The recorder counts without an open popup.
    popup.close()
    expected_s: dict[str, float] = {}
    shown_at = time.monotonic()

    def leave(path: str, next_action: Callable[[], object]) -> None:
        nonlocal shown_at
        next_action()
        expected_s[path] = expected_s.get(path, 0.0) + time.monotonic() - shown_at
        shown_at = time.monotonic()

    tab = chromium.open()
    shown_at = time.monotonic()
    tab.goto(site.url("/article/1?utm=x&access_token=SECRETVALUE"))
    wait_until(lambda: tab.has("#next"))
    dwell(3)
    tab.evaluate("scrollTo(0, (document.documentElement.scrollHeight - innerHeight) / 2)")
    dwell(1)
    leave("/article/1", lambda: tab.click("#next"))
    wait_until(lambda: "Article 2" in tab.text("h1"))
    dwell(2)
    # Another tab is in front: the dwell of article 2 stops.
    other = chromium.open()
    leave("/article/2", lambda: other.goto(site.url("/app")))
    wait_until(lambda: other.has("nav a"))
    dwell(2)
    leave("/app", lambda: other.click("nav a"))
    dwell(2)
    leave("/app/one", tab.front)
    dwell(2)
    # The popup is in front: the dwell of article 2 stops.
    leave("/article/2", lambda: None)
    popup = chromium.popup()
    assert popup.evaluate("[...document.querySelectorAll('.numbers dd')].map(e => e.innerText)")[0] == "4"
    stop_recording(popup)

    visits = events(server, "page_visit")
    paths = [e["url"].removeprefix(site.url("")) for e in visits]
    assert paths == ["/article/1?utm=x&access_token=REDACTED", "/article/2", "/app", "/app/one"]
    assert [e.get("title") for e in visits] == ["Article 1", "Article 2", "App home", "App one"]
    assert "Paragraph 11 of article 1." in visits[0]["content"]
    assert "Footer words" not in visits[0]["content"]
    assert visits[3]["metadata"]["via"] == "route"
    assert "Words about one." in visits[3]["content"]

    leaves = events(server, "page_leave")
    assert len(leaves) == len(visits)
    for event in leaves:
        path = event["url"].removeprefix(site.url("")).partition("?")[0]
        assert event["duration_ms"] / 1000 == pytest.approx(expected_s[path], abs=1.0), path
    by_visit = {e["metadata"]["visit_id"]: e for e in leaves}
    assert set(by_visit) == {e["event_id"] for e in visits}
    assert by_visit[visits[0]["event_id"]]["max_scroll_depth"] == pytest.approx(0.5, abs=0.02)

    seqs = sorted(e["seq"] for s in server.sessions.values() for e in s.events.values())
    assert seqs == list(range(1, len(seqs) + 1))


def test_each_highlight_once(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    tab = chromium.open(site.url("/article/3"))
    wait_until(lambda: tab.has("#p2"))
    dwell(1.5)
    marked = tab.drag_over("#p2")
    dwell(1.3)
    # A click into the selection, the same words again, and a part of them: nothing new.
    tab.drag_over("#p2")
    dwell(1.3)
    tab.select("#p2", 5, 60)
    dwell(1.3)
    # With the keyboard, somewhere else.
    tab.evaluate("(() => { const n = document.querySelector('#p5').firstChild; getSelection().collapse(n, 0); })()")
    for _ in range(30):
        tab.key("ArrowRight", modifiers=8)
    tab.select("#p5", 0, 40)
    dwell(1.3)
    # Too short to mean anything.
    tab.select("#p7", 0, 5)
    dwell(1.3)
    stop_recording(popup)

    highlights = events(server, "highlight")
    assert len(highlights) == 2, [e["text"] for e in highlights]
    first, second = highlights
    assert first["text"] == " ".join(marked.split())
    assert first["selector"] == "#p2"
    quote, position = first["metadata"]["anchor"]
    assert quote["type"] == "TextQuoteSelector"
    assert quote["exact"] == first["text"]
    assert position["end"] - position["start"] == len(marked)
    assert second["text"].startswith("Paragraph 5 of article 3")
    assert second["metadata"]["via"] == "keyboard"


def has_heading(tab: Tab, text: str) -> bool:
    return tab.text("h1") == text


def test_a_highlight_made_just_before_the_page_is_left(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    tab = chromium.open(site.url("/article/1"))
    marked = []
    for number in (1, 2):
        wait_until(partial(has_heading, tab, f"Article {number}"))
        dwell(1.5)
        marked.append(tab.drag_over("#p2"))
        if number == 1:
            # A link is followed, whose press takes the selection away.
            x, y = tab.evaluate(
                "(() => { const a = document.createElement('a'); a.href = '/article/2'; a.textContent = 'next';"
                " document.querySelector('#p2').after(a); const r = a.getBoundingClientRect();"
                " return [r.x + 5, r.y + 5]; })()"
            )
            tab.mouse("mousePressed", x, y)
            tab.mouse("mouseReleased", x, y)
        else:
            tab.goto(site.url("/article/3"))
    wait_until(lambda: tab.text("h1") == "Article 3")
    dwell(1.5)
    marked.append(tab.drag_over("#p2"))
    tab.close()
    # The browser hands the last message of a closed tab over when it has time.
    wait_until(lambda: len(events(server, "highlight")) == len(marked), what="the passage of the closed tab")
    stop_recording(popup)
    assert [e["text"] for e in events(server, "highlight")] == [" ".join(each.split()) for each in marked]


def test_frames_and_pdf_are_one_visit_each(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    tab = chromium.open(site.url("/frames"))
    wait_until(lambda: tab.has("#f"))
    dwell(2)
    frame = wait_until(lambda: tab.frame("/article/90"), what="the frame")
    frame.select("#p3", 0, 40)
    dwell(1.3)
    tab.goto(site.url("/paper.pdf"))
    dwell(2.5)
    stop_recording(popup)
    visits = events(server, "page_visit")
    assert [e["url"].removeprefix(site.url("")) for e in visits] == ["/frames", "/paper.pdf"]
    assert visits[1]["content"] == "A paper about reefs"
    assert visits[1]["metadata"]["text_method"] == "pdf"
    assert not [t for t in chromium.targets() if "pdf-reader" in t["url"]], "the reader is gone when nothing is read"
    durations = [e["duration_ms"] for e in events(server, "page_leave")]
    assert durations == [pytest.approx(3_300, abs=1_000), pytest.approx(2_500, abs=1_000)]
    (marked,) = events(server, "highlight")
    assert marked["url"] == site.url("/frames")
    assert marked["metadata"]["frame_url"] == site.url("/article/90", host="other.reef.test")


def test_sensitive_pages_are_not_sent(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server, excludedHosts=["private.trail.test"])
    start_recording(popup)
    for url in (
        site.url("/members"),
        site.url("/", host="ebanking.bank.test"),
        site.url("/login"),
        site.url("/", host="private.trail.test"),
        site.url("/").replace("news.trail.test", "127.0.0.1"),
    ):
        tab = chromium.open(url)
        dwell(1.6)
        tab.close()
    tab = chromium.open(site.url("/article/5"))
    dwell(2)
    final = stop_recording(popup)
    everything = [e for s in server.sessions.values() for e in s.events.values()]
    assert {e["url"] for e in everything} == {site.url("/article/5")}
    assert final["excluded"] == 5
    assert final["seen"] == final["stored"] + final["excluded"]


def test_recording_of_one_chosen_tab(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    chosen = chromium.open(site.url("/article/1"))
    wait_until(lambda: chosen.has("#next"))
    tab_id = popup.evaluate("chrome.tabs.query({}).then(ts => ts.find(t => t.url?.includes('/article/1')).id)")
    popup.evaluate(
        f"chrome.runtime.sendMessage({{command: 'start', args: {{scope: 'tab', tabId: {tab_id}, windowId: null}}}})"
    )
    dwell(1)
    other = chromium.open(site.url("/article/7"))
    dwell(1.5)
    other.close()
    chosen.front()
    chosen.click("#next")
    dwell(2)
    stop_recording(popup)
    assert {e["url"] for e in events(server, "page_visit")} == {site.url("/article/1"), site.url("/article/2")}


def test_pause_stops_the_clock_and_resume_makes_no_second_visit(
    chromium: Chromium, server: FakeServer, site: LocalSite
) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    tab = chromium.open(site.url("/article/4"))
    wait_until(lambda: tab.has("#next"))
    read_from = time.monotonic()
    dwell(2)
    popup.click("[data-name=pause]")
    expected_s_s = time.monotonic() - read_from
    wait_until(lambda: server.only_session().status == "paused", what="the server knows of the pause")
    dwell(2.5)
    popup.click("[data-name=resume]")
    read_from = time.monotonic()
    wait_until(lambda: server.only_session().status == "recording", what="the server knows of the resume")
    dwell(1)
    popup.click("[data-name=stop]")
    expected_s_s += time.monotonic() - read_from
    wait_until(lambda: current_screen(popup) == "completed", what="completed")
    (visit,) = events(server, "page_visit")
    (leave,) = events(server, "page_leave")
    assert leave["metadata"]["visit_id"] == visit["event_id"]
    assert leave["duration_ms"] / 1000 == pytest.approx(expected_s_s, abs=1.0)


def test_recording_of_one_tab_goes_on_after_chrome_discarded_it(
    chromium: Chromium, server: FakeServer, site: LocalSite
) -> None:
    popup = ready_to_record(chromium, server)
    chosen = chromium.open(site.url("/article/1"))
    wait_until(lambda: chosen.has("#next"))
    find = "chrome.tabs.query({}).then(ts => ts.find(t => t.url?.includes('/article/1')).id)"
    tab_id = popup.evaluate(find)
    popup.evaluate(
        f"chrome.runtime.sendMessage({{command: 'start', args: {{scope: 'tab', tabId: {tab_id}, windowId: null}}}})"
    )
    dwell(2)
    other = chromium.open(site.url("/article/7"))
    dwell(1)
    new_id = popup.evaluate(f"chrome.tabs.discard({tab_id}).then(t => t.id)")
    dwell(2.5)
    popup.evaluate(f"chrome.tabs.update({new_id}, {{active: true}})")
    dwell(3)
    other.close()
    stop_recording(popup)
    visits = events(server, "page_visit")
    assert {e["url"] for e in visits} == {site.url("/article/1")}
    seen_s = sum(e["duration_ms"] for e in events(server, "page_leave")) / 1000
    assert seen_s == pytest.approx(5, abs=1.7)
