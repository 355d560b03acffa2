"""A running recording: the tabs of a test, and the visits that the server stored of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.extension.browser import Chromium, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.user_actions import ready_to_record, start_recording


@dataclass
class Visit:
    """One visit as the server knows it, after all corrections."""

    path: str
    title: str | None
    content: str
    via: str
    active_s: float
    max_scroll: float
    metadata: dict[str, Any] = field(repr=False)
    event_id: str = field(repr=False, default="")


class Recorded:
    """Records all tabs from construction on. Tests share it: each uses hosts of its own."""

    def __init__(self, chromium: Chromium, server: FakeServer, site: LocalSite) -> None:
        self.chromium, self.server, self.site = chromium, server, site
        popup = ready_to_record(chromium, server)
        start_recording(popup)
        popup.close()

    def url(self, path: str, host: str) -> str:
        return self.site.url(path, f"{host}.kinds.test")

    def open(self, path: str, host: str) -> Tab:
        """A new tab in front with the page at `path`."""
        return self.chromium.open(self.url(path, host))

    def in_worker(self, expression: str) -> Any:
        """Evaluate in the extension's service worker, which a message starts if it is stopped."""
        target = wait_until(self.chromium.worker, what="the worker")
        cdp = self.chromium.cdp
        session = cdp.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        try:
            arguments = {"expression": expression, "awaitPromise": True, "returnByValue": True}
            answer = cdp.send("Runtime.evaluate", arguments, session)
            if "exceptionDetails" in answer:
                raise RuntimeError(str(answer["exceptionDetails"].get("exception", {}).get("description")))
            return answer["result"].get("value")
        finally:
            cdp.send("Target.detachFromTarget", {"sessionId": session})

    def user_becomes(self, state: str) -> None:
        """What Chrome's idle service says: a headless browser has no input devices."""
        self.in_worker(f"chrome.idle.onStateChanged.dispatch({json.dumps(state)})")

    def events(self, host: str, kind: str) -> list[dict[str, Any]]:
        prefix = self.url("", host)
        with self.server.lock:
            stored = [e for s in self.server.sessions.values() for e in s.events.values()]
        found = [e for e in stored if e["type"] == kind and (e.get("url") or "").startswith(prefix)]
        return sorted(found, key=lambda e: (e["timestamp"], e["seq"]))

    def visits(self, host: str) -> list[Visit]:
        """The visits that have ended, in order."""
        leaves = {e["metadata"]["visit_id"]: e for e in self.events(host, "page_leave")}
        updates = self.events(host, "page_update")
        found = []
        for event in self.events(host, "page_visit"):
            leave = leaves.get(event["event_id"])
            if leave is None:
                continue
            merged = dict(event)
            for update in updates:
                if update["metadata"]["visit_id"] == event["event_id"]:
                    merged |= {k: update[k] for k in ("title", "content") if k in update}
            found.append(
                Visit(
                    path=event["url"].removeprefix(self.url("", host)),
                    title=merged.get("title"),
                    content=merged.get("content", ""),
                    via=event["metadata"]["via"],
                    active_s=leave["duration_ms"] / 1000,
                    max_scroll=leave["max_scroll_depth"],
                    metadata=event["metadata"],
                    event_id=event["event_id"],
                )
            )
        return found

    def ended(self, host: str, num_visits: int = 1) -> list[Visit]:
        """Wait until every visit of `host` has ended and arrived, and there are at least `num_visits`."""

        def all_ended() -> list[Visit] | None:
            visits = self.visits(host)
            return visits if len(visits) >= max(num_visits, len(self.events(host, "page_visit"))) else None

        try:
            result: list[Visit] = wait_until(all_ended, what=f"{num_visits} visits of {host}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.events(host, 'page_visit')}, {self.visits(host)}") from None
        return result
