"""Actions of a user in the extension's popup and in tabs."""

from __future__ import annotations

import json
from typing import Any

from tests.extension.browser import Chromium, current_screen, displayed_receipt, dwell, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.support.conditions import LONG_PATIENCE_S

EMAIL, PASSWORD = "reader@example.com", "correct horse"


def accept_consent(popup: Tab, server_url: str, **settings: Any) -> None:
    """Store the settings that the first-run page stores, with this server."""
    chosen = json.dumps({"serverUrl": server_url, "consentedAt": 1, **settings})
    popup.evaluate(f"chrome.storage.local.set({{settings: {chosen}}})")
    wait_until(lambda: current_screen(popup) not in ("loading", "consent"), what="consent")


def sign_in(popup: Tab, email: str = EMAIL, password: str = PASSWORD) -> None:
    popup.fill("input[name=email]", email)
    popup.fill("input[name=password]", password)
    popup.click("button[type=submit]")
    wait_until(lambda: not popup.has("input[name=password]"), what="signed in")


def start_recording(popup: Tab) -> None:
    popup.click("[data-name=start]")
    wait_until(lambda: current_screen(popup) == "recording", what="recording")


def ready_to_record(chromium: Chromium, server: FakeServer, **settings: Any) -> Tab:
    """The popup after consent and sign-in."""
    if EMAIL not in server.users:
        server.sign_up(EMAIL, PASSWORD)
    popup = chromium.popup()
    accept_consent(popup, server.origin, **settings)
    sign_in(popup)
    wait_until(lambda: current_screen(popup) == "ready", what="ready")
    return popup


def wait_for_screen(popup: Tab, name: str) -> None:
    """Wait until the popup shows the screen `name`. Raises AssertionError with the displayed text."""
    try:
        wait_until(lambda: current_screen(popup) == name, what=name)
    except AssertionError as error:
        view = popup.evaluate("chrome.storage.session.get(null).then(JSON.stringify)")
        raise AssertionError(f"{error}: {popup.text('body')!r}, {view}") from None


def read_article(tab: Tab, url: str, number: int, seconds: float) -> None:
    """Open an article and stay on it for `seconds`."""
    tab.goto(url)
    wait_until(lambda: tab.text("h1") == f"Article {number}", what=f"article {number}")
    dwell(seconds)


def stop_recording(popup: Tab) -> dict[str, int]:
    """Press Stop and wait until all events are sent. Returns the final receipt."""
    popup.click("[data-name=stop]")
    wait_until(lambda: current_screen(popup) == "completed", LONG_PATIENCE_S, "completed")
    return stored_receipt(popup)


def stored_receipt(popup: Tab) -> dict[str, int]:
    """The receipt in the extension's storage."""
    script = """(async () => (await chrome.storage.session.get('view')).view?.current?.receipt ?? null)()"""
    receipt = popup.evaluate(script)
    assert receipt is not None
    return {name: receipt[name] for name in ("seen", "stored", "excluded", "invalid", "waiting")}


__all__ = [
    "accept_consent",
    "displayed_receipt",
    "read_article",
    "ready_to_record",
    "sign_in",
    "start_recording",
    "stop_recording",
    "stored_receipt",
    "wait_for_screen",
]
