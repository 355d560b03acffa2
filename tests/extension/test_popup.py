"""Every state of the popup in both languages and themes is accessible and fits into 360 × 480 pixels."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from tests.extension.browser import EXTENSION_ID, Chromium, current_screen, wait_until
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.user_actions import ready_to_record, sign_in

pytestmark = pytest.mark.browser

NOW = int(time.time() * 1000)
#: Each language and each theme once; all four pairs for screenshots.
LOOKS = [("ko", "light"), ("en", "dark")]
if os.environ.get("EXTENSION_SCREENSHOTS"):
    LOOKS += [("ko", "dark"), ("en", "light")]
_RECEIPT = {"seen": 41, "stored": 38, "excluded": 2, "invalid": 0, "waiting": 1, "waitingSince": NOW}
_RECORDING = {
    "id": "00000000-0000-4000-8000-000000000001",
    "serverId": "00000000-0000-4000-8000-000000000002",
    "origin": "http://127.0.0.1:9",
    "status": "recording",
    "title": "산호초와 기억 · Reefs that remember storms",
    "scope": "all",
    "startedAt": NOW - 5_525_000,
    "endedAt": None,
    "pausedAt": None,
    "pausedMs": 0,
    "pages": 14,
    "highlights": 3,
    "receipt": _RECEIPT,
    "sendError": None,
    "lostReason": None,
}
_DONE = {**_RECEIPT, "stored": 39, "waiting": 0, "waitingSince": None}
_LATE = {**_RECEIPT, "stored": 21, "waiting": 18, "waitingSince": NOW - 240_000}
_ENDED = {"endedAt": NOW - 1_000}


def _error(kind: str) -> dict[str, Any]:
    return {"kind": kind, "since": NOW - 240_000, "retryAt": NOW + 60_000, "failures": 5}


def _map(status: str, percent: int | None = None, failure: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"recordingId": _RECORDING["id"], "status": status, "percent": percent, "failure": failure}


#: name → (changes to the recording, generation)
STATES: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "recording": ({}, None),
    "recording-empty": (
        {"pages": 0, "highlights": 0, "receipt": {**_DONE, "seen": 0, "stored": 0, "excluded": 0}},
        None,
    ),
    "recording-slow": ({"receipt": _LATE}, None),
    "recording-offline": ({"receipt": _LATE, "sendError": _error("offline")}, None),
    "recording-limit": ({"receipt": _LATE, "sendError": _error("limit")}, None),
    "recording-full": ({"receipt": _LATE, "sendError": _error("full")}, None),
    "recording-signed-out": ({"receipt": _LATE, "sendError": _error("signed_out")}, None),
    "paused": ({"status": "paused", "pausedAt": NOW, "receipt": _DONE}, None),
    "stopping": ({"status": "stopping", **_ENDED, "receipt": _LATE}, None),
    "completed-drawing": ({"status": "completed", **_ENDED, "receipt": _DONE}, _map("generating", 45)),
    "completed-ready": ({"status": "completed", **_ENDED, "receipt": _DONE}, _map("completed")),
    "completed-failed": (
        {"status": "completed", **_ENDED, "receipt": {**_DONE, "stored": 37, "invalid": 2}},
        _map("failed"),
    ),
    "completed-out-of-tokens": (
        {"status": "completed", **_ENDED, "receipt": _DONE},
        _map("failed", failure={"code": "TOKEN_LIMIT_EXCEEDED", "values": {"resets_at": "2031-12-01T00:00:00Z"}}),
    ),
    "interrupted": ({"status": "interrupted", **_ENDED, "receipt": _LATE}, None),
    "lost-recording": ({"status": "lost", "lostReason": "gone", "receipt": _LATE}, None),
    "lost-ended": ({"status": "lost", "lostReason": "closed", **_ENDED, "receipt": _LATE}, None),
}


def _check(page: Page, name: str) -> None:
    if folder := os.environ.get("EXTENSION_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
    size = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(size[:2]) <= size[2], f"{name} is wider than the popup: {size}"
    cut = page.evaluate(
        "[...document.querySelectorAll('button, a, input, select')].filter(e => e.offsetParent && (() => {"
        " const r = e.getBoundingClientRect(); return r.left < 0 || r.right > innerWidth + 0.5; })())"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert cut == [], f"{name}: {cut}"
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in violations] == [], name


@pytest.mark.timeout(400)
def test_every_state_in_both_languages_and_themes(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    server.sign_up("a.reader.with.a.long.name@example.com", "correct horse")
    first = chromium.popup()
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{chromium.port}")
        page = browser.contexts[0].new_page()
        page.set_viewport_size({"width": 360, "height": 480})

        def show(language: str, theme: str, consented: bool = True) -> None:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            settings = {"serverUrl": server.origin, "language": language, "consentedAt": 1 if consented else None}
            page.goto(f"chrome-extension://{EXTENSION_ID}/popup.html")
            page.evaluate("s => chrome.storage.local.set({settings: s})", settings)
            page.wait_for_function("l => document.documentElement.lang === l", arg=language)
            page.wait_for_timeout(250)

        def show_view(view: dict[str, Any], status: str) -> None:
            """Shows a state of ours: from here on the worker is not asked, whose own state would replace it."""
            page.wait_for_timeout(150)
            page.evaluate("() => { chrome.runtime.sendMessage = async () => ({ok: true, value: false}); }")
            for _ in range(20):
                page.evaluate("v => chrome.storage.session.set({view: v})", view)
                page.wait_for_timeout(100)
                if page.locator(f"[data-screen={status}]").count():
                    return
            raise AssertionError(f"the popup does not show {status}: {page.locator('body').inner_html()[:600]}")

        for language, theme in LOOKS:
            mark = f"{language}-{theme}"
            show(language, theme, consented=False)
            page.wait_for_selector("[data-screen=consent]")
            _check(page, f"{mark}-consent")
            show(language, theme)
            page.wait_for_selector("[data-screen=signed-out]")
            hidden_px = page.evaluate("(e => e.scrollHeight - e.clientHeight)(document.querySelector('main'))")
            assert hidden_px <= 0, f"{mark}: the sign-in form has a scroll bar"
            _check(page, f"{mark}-signed-out")
        sign_in(first, "a.reader.with.a.long.name@example.com")
        wait_until(lambda: current_screen(first) == "ready", what="ready")
        # A second popup would see our states as well, and ask the worker about them.
        first.close()
        with server.lock:
            for title in ("여름 휴가 조사", "How transformers learned to read, and what they read first of all", ""):
                session = server.start_session("a.reader.with.a.long.name@example.com", {"title": title or None})
                session.status = "completed"
        for language, theme in LOOKS:
            mark = f"{language}-{theme}"
            show(language, theme)
            page.wait_for_selector("[data-name=recent]")
            _check(page, f"{mark}-ready")
            page.click("[data-name=recent]")
            _check(page, f"{mark}-recent")
            page.click("[data-name=settings]")
            _check(page, f"{mark}-settings")
            for name, (changes, generation) in STATES.items():
                show(language, theme)
                current = {**_RECORDING, **changes}
                view = {
                    "at": NOW,
                    "account": {
                        "email": "a.reader.with.a.long.name@example.com",
                        "isExpired": "signed-out" in name,
                    },
                    "current": current,
                    "earlier": {"recordings": 0, "waiting": 0},
                    "generation": generation,
                }
                show_view(view, current["status"])
                _check(page, f"{mark}-{name}")
        page.evaluate("chrome.storage.session.remove('view')")
        page.set_viewport_size({"width": 900, "height": 900})
        for language, theme in LOOKS:
            show(language, theme, consented=False)
            page.goto(f"chrome-extension://{EXTENSION_ID}/welcome.html")
            page.wait_for_selector("[data-name=agree]")
            _check(page, f"{language}-{theme}-welcome")
        # Without a chosen server, none is named.
        page.evaluate("chrome.storage.local.set({settings: {language: 'en'}})")
        page.reload()
        where = page.locator("section").filter(has=page.get_by_role("heading", name="Where it goes"))
        expect(where).to_contain_text("the server that you choose when you sign in")
        expect(where).not_to_contain_text("127.0.0.1")
        browser.close()


def test_a_missing_list_of_sessions_is_said(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    ready_to_record(chromium, server, language="ko").close()
    server.stop()
    popup = chromium.popup()
    wait_until(lambda: "목록을 불러오지 못했어요." in popup.text("main"), what="the sentence")
    assert popup.has("[data-name=start]")
    server.start()
    popup.close()


def test_the_preview_shows_what_is_sent(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    """The page shows the event that a recording then sends: same address, title and text."""
    popup = ready_to_record(chromium, server)
    tab = chromium.open(site.url("/article/8?token=SECRET"))
    wait_until(lambda: tab.has("#next"))
    tab_id = popup.evaluate("chrome.tabs.query({}).then(ts => ts.find(t => t.url?.includes('/article/8')).id)")
    shown = chromium.open(f"chrome-extension://{EXTENSION_ID}/preview.html?tab={tab_id}")
    wait_until(lambda: shown.has(".page-text"), what="the preview")
    preview = json.loads(
        shown.evaluate(
            f"chrome.runtime.sendMessage({{command: 'preview', args: {{tabId: {tab_id}}}}})"
            ".then(a => JSON.stringify(a.value.events))"
        )
    )[0]
    assert "SECRET" not in shown.text("body")
    assert server.calls["POST /sessions/start"] == 0
    shown.close()
    tab.front()
    popup.click("[data-name=start]")
    wait_until(
        lambda: [e for s in server.sessions.values() for e in s.events.values() if e.get("content")], what="the visit"
    )
    (visit,) = [e for e in server.only_session().events.values() if e["type"] == "page_visit"]
    assert {k: visit[k] for k in ("url", "title", "content")} == {k: preview[k] for k in ("url", "title", "content")}


def test_title_and_commands(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    popup.click("[data-name=start]")
    wait_until(lambda: popup.has("button.title"), what="recording")
    popup.click("button.title")
    popup.evaluate(
        "(() => { const f = document.querySelector('.title-field'); f.value = 'Reefs'; f.focus();"
        " f.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true})); })()"
    )
    wait_until(lambda: server.only_session().title == "Reefs", what="the title arrives")
    assert "Reefs" in popup.text("button.title")
    badge = popup.evaluate("chrome.action.getBadgeText({})")
    assert badge == "●"
    popup.click("[data-name=pause]")
    wait_until(lambda: popup.evaluate("chrome.action.getBadgeText({})") == "❚❚", what="the badge shows the pause")
