"""Debian's Chromium with the extension loaded, driven over its debugging port.

Chromium is our own child process, so that it can be killed like a crashed browser and started again on the same
profile.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

EXTENSION_ID = "paenoilheahmjokpbligdebdblbckpfc"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    # Tabs of a test are as awake as the one in front.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks",
    "--window-size=1000,800",
    "--force-device-scale-factor=1",
]


def eventually(check: Callable[[], Any], timeout_s: float = 20.0, what: str = "") -> Any:
    """The first truthy result of `check`. Fails with the last one after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or check} (last: {result!r})")
        time.sleep(0.05)


class Chromium:
    """One profile, any number of browser lives."""

    def __init__(self, playwright: Playwright, extension: Path, profile: Path, language: str = "en-US") -> None:
        self._playwright, self._extension, self._profile, self._language = playwright, extension, profile, language
        self._process: subprocess.Popen[bytes] | None = None
        self.browser: Browser
        self.context: BrowserContext

    def start(self) -> Chromium:
        port_file = self._profile / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        flags = [*_FLAGS, f"--user-data-dir={self._profile}", f"--load-extension={self._extension}"]
        flags += [f"--disable-extensions-except={self._extension}", "--disable-features=DisableLoadExtensionCommandLineSwitch"]
        flags += [f"--lang={self._language}", "about:blank"]
        self._process = subprocess.Popen(
            [CHROMIUM, *flags],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"LANGUAGE": self._language.replace("-", "_")},
        )
        lines = eventually(lambda: port_file.exists() and port_file.read_text().split(), 30, "Chromium's port")
        self.port = int(lines[0])
        self.browser = self._playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{self.port}")
        self.context = self.browser.contexts[0]
        return self

    def kill(self) -> None:
        """Every process at once, without a word: a crash."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        try:
            self.browser.close()
        except Exception:
            pass
        (self._profile / "SingletonLock").unlink(missing_ok=True)

    def targets(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/json/list") as answer:
            return json.load(answer)

    def kill_worker(self) -> bool:
        """Ends the extension's service worker; true if one was running."""
        for target in self.targets():
            if target["type"] == "service_worker" and EXTENSION_ID in target["url"]:
                session = self.browser.new_browser_cdp_session()
                session.send("Target.closeTarget", {"targetId": target["id"]})
                session.detach()
                return True
        return False

    def extension_page(self, path: str = "popup.html") -> Page:
        page = self.context.new_page()
        page.goto(f"chrome-extension://{EXTENSION_ID}/{path}")
        return page

    def open(self, url: str) -> Page:
        """A tab that behaves like one: Playwright otherwise pretends that every tab is focused."""
        page = self.context.new_page()
        session = self.context.new_cdp_session(page)
        session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        page.goto(url)
        return page


def receipt(page: Page) -> dict[str, int]:
    """The receipt line as numbers."""
    text = page.locator("[data-name=receipt]").inner_text()
    return {name: int(value) for name, value in re.findall(r"([a-z]+)\s+(\d+)", text)}
