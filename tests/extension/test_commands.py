"""Keyboard shortcuts and the context menu: Chrome's events are dispatched in the running service worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.extension.browser import Chromium, dwell, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.user_actions import ready_to_record, start_recording, wait_for_screen

pytestmark = pytest.mark.browser


def dispatch(chromium: Chromium, event: str, *arguments: Any) -> None:
    worker = wait_until(chromium.worker, what="the worker")
    values = ", ".join(json.dumps(argument) for argument in arguments)
    Tab(chromium.cdp, worker).evaluate(f"chrome.{event}.dispatch({values})")


def test_start_mark_exclude_pause_and_stop(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    page = chromium.open(site.url("/article/3"))
    wait_until(lambda: page.has("#p2"))
    tab = popup.evaluate("chrome.tabs.query({}).then(ts => ts.find(t => t.url?.includes('/article/3')))")
    badge = "chrome.action.getBadgeText({})"

    dispatch(chromium, "commands.onCommand", "toggle-recording", tab)
    wait_for_screen(popup, "recording")
    dwell(1)
    # Shorter than what counts as deliberate by itself: the key says that it is.
    page.select("#p2", 0, 9)
    dispatch(chromium, "commands.onCommand", "highlight", tab)
    page.select("#p4", 0, 40)
    dispatch(chromium, "contextMenus.onClicked", {"menuItemId": "highlight", "frameId": 0, "editable": False}, tab)
    wait_until(lambda: "2" in popup.text(".numbers"), what="both are counted")
    dispatch(chromium, "commands.onCommand", "toggle-pause", tab)
    wait_for_screen(popup, "paused")
    assert popup.evaluate(badge) == "❚❚"
    dispatch(chromium, "commands.onCommand", "toggle-pause", tab)
    wait_for_screen(popup, "recording")

    clicked = {"menuItemId": "exclude", "pageUrl": site.url("/article/3"), "editable": False}
    dispatch(chromium, "contextMenus.onClicked", clicked, tab)
    hosts = "chrome.storage.local.get('settings').then(({settings}) => settings.excludedHosts)"
    wait_until(lambda: popup.evaluate(hosts) == ["news.trail.test"], what="the site is on the list")
    page.goto(site.url("/article/9"))
    wait_until(lambda: "excluded 1" in popup.text("[data-name=receipt]"), what="it is not recorded any more")
    dispatch(chromium, "commands.onCommand", "toggle-recording", tab)
    wait_for_screen(popup, "completed")
    stored = [e for s in server.sessions.values() for e in s.events.values()]
    assert {e["url"] for e in stored} == {site.url("/article/3")}
    assert sorted(e["metadata"]["via"] for e in stored if e["type"] == "highlight") == ["command", "menu"]


def test_stop_is_obeyed_while_a_pause_is_not_done(chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
    popup = ready_to_record(chromium, server)
    start_recording(popup)
    popup.evaluate(
        "new Promise((done) => { const press = (name) => document.querySelector(`[data-name=${name}]`).click();"
        " press('pause'); setTimeout(() => done(press('stop'))); })"
    )
    wait_for_screen(popup, "completed")
