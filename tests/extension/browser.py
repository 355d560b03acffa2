"""Debian's Chromium with the extension loaded.

Chromium is our own child process, so that it can be killed like a crashed browser and started again on the same
profile.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.extension.cdp import Cdp, Tab
from tests.support.chromium import CHROMIUM
from tests.support.conditions import PATIENCE_S

EXTENSION_ID = "paenoilheahmjokpbligdebdblbckpfc"

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
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP *.local 127.0.0.1",
    "--disable-features=DisableLoadExtensionCommandLineSwitch",
    "--window-size=1000,800",
]


def wait_until(check: Callable[[], Any], timeout_s: float = PATIENCE_S, what: str = "") -> Any:
    """The first truthy result of `check`. Errors of a page that still loads count as falsy.

    Raises AssertionError after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            result = check()
        except RuntimeError as error:
            result = None
            last: object = error
        else:
            last = result
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {last!r})")
        time.sleep(0.05)


def dwell(seconds: float) -> None:
    """Stay on a page. The recorder measures the browser's own clock, so the time has to pass."""
    time.sleep(seconds)


class Chromium:
    """One profile, any number of browser lives."""

    def __init__(self, extension: Path, profile: Path, language: str = "en-US") -> None:
        self._extension, self._profile, self._language = extension, profile, language
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.cdp: Cdp

    def start(self) -> Chromium:
        port_file = self._profile / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        flags = [*_FLAGS, f"--user-data-dir={self._profile}", f"--load-extension={self._extension}"]
        flags += [f"--disable-extensions-except={self._extension}", f"--lang={self._language}", "about:blank"]
        self._process = subprocess.Popen(
            [CHROMIUM, *flags],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"LANGUAGE": self._language.replace("-", "_")},
        )
        port, path = wait_until(
            lambda: port_file.exists() and len(lines := port_file.read_text().split()) == 2 and lines,
            what="Chromium's port",
        )
        self.port = int(port)
        self.cdp = Cdp(f"ws://127.0.0.1:{port}{path}")
        return self

    def kill(self) -> None:
        """Every process at once, without a word: a crash."""
        if self._process is None:
            return
        self.cdp.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for name in ("SingletonLock", "SingletonSocket", "SingletonCookie"):
            (self._profile / name).unlink(missing_ok=True)

    def quit(self) -> None:
        """Close the browser as a user does, so that it saves the profile."""
        assert self._process is not None
        with contextlib.suppress(Exception):
            self.cdp.send("Browser.close")
        self._process.wait(timeout=PATIENCE_S)
        self.kill()

    def record_granted_permissions(self, permissions: list[str], origins: list[str]) -> None:
        """Write to the closed profile that the user once granted these permissions and revoked them.

        Chrome then grants them on request without a dialog, which no test can answer.
        """
        path = self._profile / "Default" / "Preferences"
        preferences = json.loads(path.read_text())
        ours = preferences["extensions"]["settings"][EXTENSION_ID]
        for kind in ("granted_permissions", "runtime_granted_permissions"):
            granted = ours.setdefault(kind, {"manifest_permissions": [], "scriptable_host": []})
            granted["explicit_host"] = sorted({*granted.get("explicit_host", []), *origins})
            granted["api"] = sorted({*granted.get("api", []), *permissions})
        path.write_text(json.dumps(preferences))

    def targets(self) -> list[dict[str, Any]]:
        return list(self.cdp.send("Target.getTargets")["targetInfos"])

    def worker(self) -> str | None:
        """The extension's running service worker."""
        return next(
            (t["targetId"] for t in self.targets() if t["type"] == "service_worker" and EXTENSION_ID in t["url"]), None
        )

    def kill_worker(self) -> bool:
        """Kill the service worker; true if one was running."""
        target = self.worker()
        if target is None:
            return False
        self.cdp.send("Target.closeTarget", {"targetId": target})
        return True

    def worker_heap_mb(self) -> float:
        """JavaScript heap of the service worker in MB; 0 while it is stopped."""
        target = self.worker()
        if target is None:
            return 0.0
        session = self.cdp.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        used = float(self.cdp.send("Runtime.getHeapUsage", session=session)["usedSize"])
        self.cdp.send("Target.detachFromTarget", {"sessionId": session})
        return used / 1e6

    def open(self, url: str = "about:blank", *, in_window: bool = False) -> Tab:
        created = self.cdp.send("Target.createTarget", {"url": "about:blank", "newWindow": in_window})
        tab = Tab(self.cdp, created["targetId"])
        if url != "about:blank":
            tab.goto(url)
        return tab

    def popup(self) -> Tab:
        """Open the popup's page in a separate window, so that it covers no tab."""
        tab = self.open(f"chrome-extension://{EXTENSION_ID}/popup.html", in_window=True)
        wait_until(lambda: tab.has("main[data-screen]"), what="the popup")
        return tab


def current_screen(popup: Tab) -> str:
    return str(popup.evaluate("document.querySelector('main')?.dataset.screen"))


def displayed_receipt(popup: Tab) -> dict[str, int]:
    """The counts of the displayed receipt."""
    return {name: int(value) for name, value in re.findall(r"([a-z]+)\s+(\d+)", popup.text("[data-name=receipt]"))}
