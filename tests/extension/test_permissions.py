"""The product's own manifest: nothing is readable before the user allowed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extension.browser import Chromium, eventually
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.person import sign_in, wait_for

pytestmark = pytest.mark.browser

ORIGINS = ["http://*/*", "https://*/*"]


def test_every_permission_is_explained(product_build: Path) -> None:
    manifest = json.loads((product_build / "manifest.json").read_text())
    explained = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
    asked = [*manifest["permissions"], *manifest["optional_permissions"]]
    assert [name for name in asked if f"`{name}`" not in explained] == []
    # Before anybody agreed, the server alone can be reached.
    assert manifest["host_permissions"] == ["http://127.0.0.1/*"]
    assert "content_scripts" not in manifest
    assert "web_accessible_resources" not in manifest


def command(popup: Tab, name: str, args: str = "{}") -> Any:
    return popup.evaluate(f"chrome.runtime.sendMessage({{command: '{name}', args: {args}}})")


def welcome_page(chromium: Chromium) -> Tab:
    target = eventually(
        lambda: next((t["targetId"] for t in chromium.targets() if t["url"].endswith("/welcome.html")), None),
        what="the first page opens by itself",
    )
    return Tab(chromium.cdp, target)


def test_nothing_is_readable_before_the_user_allows_it(
    browsers: Callable[..., Chromium], product_build: Path, server: FakeServer
) -> None:
    server.sign_up("reader@example.com", "correct horse")
    chromium = browsers(build=product_build)
    eventually(lambda: welcome_page(chromium).has("[data-name=agree]"), what="the consent page")
    popup = chromium.popup()
    wait_for(popup, "consent")
    may_read = f"chrome.permissions.contains({{origins: {ORIGINS}}})"
    assert popup.evaluate(may_read) is False
    start = "{scope: 'all', tabId: null, windowId: null}"
    assert command(popup, "start", start)["code"] == "no_consent"
    popup.evaluate(f"chrome.storage.local.set({{settings: {{serverUrl: '{server.origin}', consentedAt: 1}}}})")
    wait_for(popup, "signed-out")
    sign_in(popup)
    wait_for(popup, "ready")
    assert command(popup, "start", start)["code"] == "no_permission"
    assert command(popup, "importTabs")["code"] == "no_permission"
    assert server.calls["POST /sessions/start"] == 0
