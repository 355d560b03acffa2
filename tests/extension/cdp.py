"""A minimal client of the Chrome DevTools Protocol: enough to navigate, type and click.

Playwright is not used for recordings: it reports every tab as visible and focused, and the recorder measures whether a
tab is visible.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.conditions import PATIENCE_S


class Cdp:
    """One connection to the browser; sessions of targets share it."""

    def __init__(self, url: str) -> None:
        self._life = ExitStack()
        opened = connect(url, max_size=None, open_timeout=PATIENCE_S)
        self._socket: ClientConnection = self._life.enter_context(opened)
        self._last_id = 0

    def close(self) -> None:
        self._life.close()

    def send(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """The result of `method`. Raises RuntimeError with the browser's own words."""
        self.send_only(method, params, session)
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def send_only(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> None:
        """Send `method` without waiting for its result: a crashed page sends none."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))


class Tab:
    """A page that is neither emulated nor helped along."""

    def __init__(self, cdp: Cdp, target_id: str) -> None:
        self._cdp, self.target_id = cdp, target_id
        self.session: str = cdp.send("Target.attachToTarget", {"targetId": target_id, "flatten": True})["sessionId"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._cdp.send(method, params, self.session)

    def goto(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def front(self) -> None:
        self._cdp.send("Target.activateTarget", {"targetId": self.target_id})

    def close(self) -> None:
        self._cdp.send("Target.closeTarget", {"targetId": self.target_id})

    def evaluate(self, expression: str) -> Any:
        """The value of `expression`, awaited if it is a promise."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"].get("exception", {}).get("description")))
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def has(self, selector: str) -> bool:
        return bool(self.evaluate(f"!!document.querySelector({json.dumps(selector)})"))

    def click(self, selector: str) -> None:
        """Clicks an element; first waits until it is enabled, because a busy machine enables it late."""
        self.evaluate(
            f"(async () => {{ const end = Date.now() + {PATIENCE_S * 900:.0f}; const e = () =>"
            f" document.querySelector({json.dumps(selector)}); while (e().disabled && Date.now() < end)"
            " await new Promise((resolve) => setTimeout(resolve, 50)); e().click(); })()"
        )

    def fill(self, selector: str, value: str) -> None:
        self.evaluate(
            f"(() => {{ const f = document.querySelector({json.dumps(selector)}); f.value = {json.dumps(value)};"
            " f.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def type(self, selector: str, text: str) -> None:
        """Into a field, as the keyboard does: pages with frameworks notice only that."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.send("Input.insertText", text=text)

    def frame(self, url_part: str) -> Tab:
        """A frame of another site, which is a target of its own."""
        targets = self._cdp.send("Target.getTargets")["targetInfos"]
        target = next((t for t in targets if t["type"] == "iframe" and url_part in t["url"]), None)
        if target is None:
            raise RuntimeError(f"no frame with {url_part}")
        return Tab(self._cdp, target["targetId"])

    def mouse(self, kind: str, x: float, y: float, clicks: int = 1) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=clicks)

    def drag_over(self, selector: str) -> str:
        """Selects the text of an element as with a mouse, and returns it."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'});"
            " const r = document.createRange(); r.selectNodeContents(e); const rs = [...r.getClientRects()];"
            " const a = rs[0], b = rs.at(-1);"
            " return [a.left + 1, a.top + a.height / 2, b.right - 1, b.top + b.height / 2]; })()"
        )
        x1, y1, x2, y2 = box
        self.mouse("mousePressed", x1, y1)
        for step in (0.3, 0.6, 1.0):
            self.mouse("mouseMoved", x1 + (x2 - x1) * step, y1 + (y2 - y1) * step)
        self.mouse("mouseReleased", x2, y2)
        return str(self.evaluate("getSelection().toString()"))

    def select(self, selector: str, start: int, end: int) -> None:
        """Sets the selection inside the first text of an element, as the keyboard would leave it."""
        self.evaluate(
            f"(() => {{ const n = document.querySelector({json.dumps(selector)}).firstChild;"
            f" getSelection().setBaseAndExtent(n, {start}, n, {end}); }})()"
        )

    def key(self, key: str, modifiers: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers)

    def script_cost_ms(self, url: str, script: str, wait_ms: int = 1_000) -> float:
        """CPU time that `script` took while `url` loaded and for a while after, by the sampling profiler."""
        return self.script_costs_ms(url, [script], wait_ms)[0]

    def script_costs_ms(self, url: str, scripts: Sequence[str], wait_ms: int = 1_000, also: str = "0") -> list[float]:
        """CPU time of each of `scripts` while `url` loaded and for a while after, and then `also` was evaluated."""
        self.send("Profiler.enable")
        self.send("Profiler.setSamplingInterval", interval=100)
        self.send("Profiler.start")
        self.goto(url)
        self.evaluate(f"new Promise(r => setTimeout(r, {wait_ms}))")
        self.evaluate(also)
        profile = self.send("Profiler.stop")["profile"]
        self.send("Profiler.disable")
        urls = {n["id"]: n["callFrame"]["url"] for n in profile["nodes"]}
        samples = list(zip(profile["samples"], [*profile["timeDeltas"][1:], 0], strict=False))
        return [sum(delta for node, delta in samples if script in urls[node]) / 1000 for script in scripts]
