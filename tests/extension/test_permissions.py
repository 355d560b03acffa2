"""The product's manifest: pages are readable only between the user's grant and its revocation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extension.browser import EXTENSION_ID, Chromium, current_screen, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.user_actions import sign_in, stop_recording, stored_receipt, wait_for_screen

pytestmark = pytest.mark.browser

ORIGINS = ["http://*/*", "https://*/*"]


def test_every_permission_is_explained(product_build: Path) -> None:
    manifest = json.loads((product_build / "manifest.json").read_text())
    privacy_page = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
    permissions = [*manifest["permissions"], *manifest["optional_permissions"]]
    assert [name for name in permissions if f"`{name}`" not in privacy_page] == []
    # Before the user grants anything, only the server is reachable.
    assert manifest["host_permissions"] == ["http://127.0.0.1/*"]
    assert "content_scripts" not in manifest
    assert "web_accessible_resources" not in manifest


def command(popup: Tab, name: str, args: str = "{}") -> Any:
    return popup.evaluate(f"chrome.runtime.sendMessage({{command: '{name}', args: {args}}})")


def welcome_page(chromium: Chromium) -> Tab:
    target = wait_until(
        lambda: next((t["targetId"] for t in chromium.targets() if t["url"].endswith("/welcome.html")), None),
        what="the first page opens by itself",
    )
    return Tab(chromium.cdp, target)


def test_the_user_grants_and_revokes_permissions(
    browsers: Callable[..., Chromium], product_build: Path, server: FakeServer, site: LocalSite
) -> None:
    server.sign_up("reader@example.com", "correct horse")
    chromium = browsers(build=product_build)
    wait_until(lambda: welcome_page(chromium).has("[data-name=agree]"), what="the consent page")
    popup = chromium.popup()
    wait_for_screen(popup, "consent")
    may_read = f"chrome.permissions.contains({{origins: {ORIGINS}}})"
    assert popup.evaluate(may_read) is False
    start = "{scope: 'all', tabId: null, windowId: null}"
    assert command(popup, "start", start)["code"] == "no_consent"
    settings = f"{{serverUrl: '{server.origin}', consentedAt: null, language: 'en'}}"
    popup.evaluate(f"chrome.storage.local.set({{settings: {settings}}})")

    # The dialog itself is Chrome's; its answer is put where Chrome keeps it.
    chromium.quit()
    chromium.record_granted_permissions(["history"], ORIGINS)
    chromium.start()
    popup = chromium.popup()
    assert popup.evaluate(may_read) is False
    page = chromium.open(f"chrome-extension://{EXTENSION_ID}/welcome.html")
    wait_until(lambda: page.has("[data-name=agree]"), what="the consent page")
    page.click("[data-name=agree]")
    wait_until(lambda: popup.evaluate(may_read), what="the permission")
    wait_for_screen(popup, "signed-out")
    sign_in(popup)
    wait_for_screen(popup, "ready")

    chromium.open(site.url("/article/6"))
    wait_until(lambda: popup.has("[data-name=import-history]"))
    popup.click("[data-name=import-history]")
    found_nothing = "document.body.innerText.includes('None of these pages')"
    wait_until(lambda: current_screen(popup) == "completed" or popup.evaluate(found_nothing), what="the import")
    if current_screen(popup) != "completed":
        # Chrome writes its history down some time after the visit; who was told that there is nothing asks again.
        in_history = (
            "chrome.history.search({text: ''}).then((found) => found.some((p) => p.url.includes('/article/6')))"
        )
        wait_until(lambda: popup.evaluate(in_history), what="the visit in Chrome's history")
        popup.click("[data-name=import-history]")
    wait_for_screen(popup, "completed")
    popup.click("[data-name=new]")
    wait_for_screen(popup, "ready")
    popup.click("[data-name=start]")
    wait_for_screen(popup, "recording")
    chromium.open(site.url("/article/1"))
    wait_until(lambda: stored_receipt(popup)["seen"] > 0, what="the recorded visit")
    # Revoked during a recording: it pauses, and resumes only with the permission.
    popup.evaluate(f"chrome.permissions.remove({{origins: {ORIGINS}}})")
    wait_for_screen(popup, "paused")
    assert command(popup, "resume")["code"] == "no_permission"
    popup.click("[data-name=resume]")
    wait_for_screen(popup, "recording")
    stop_recording(popup)
    urls = {e["url"] for s in server.sessions.values() for e in s.events.values() if e["type"] == "page_visit"}
    assert urls == {site.url("/article/6"), site.url("/article/1")}
    assert current_screen(popup) == "completed"
