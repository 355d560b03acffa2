"""Situations in which recorders count too much or too little time. Each returns what a person saw.

The page itself notes when it was visible, so that the expected times are right on a busy machine, too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.extension.browser import dwell, wait_until
from tests.extension.cdp import Tab
from tests.extension.recorded import Recorded

_NOTE_VISIBILITY = """(() => {
  const [entry] = performance.getEntriesByType('navigation');
  window.noted ??= [[performance.timeOrigin + entry.responseStart, document.visibilityState]];
  document.addEventListener('visibilitychange', () => noted.push([Date.now(), document.visibilityState]));
  return true; })()"""
_VISIBLE_MS = """noted.reduce((sum, [at, state], i) =>
  sum + (state === 'visible' ? (noted[i + 1]?.[0] ?? Date.now()) - at : 0), 0)"""


@dataclass(frozen=True)
class Expected:
    """A visit, and how long a person saw its page."""

    path: str
    active_s: float


class Stay:
    """One document in a tab, from the moment that it is shown."""

    def __init__(self, tab: Tab, path: str) -> None:
        self.tab, self.path = tab, path
        bare = path.partition("?")[0]
        wait_until(lambda: tab.evaluate(f"location.pathname === '{bare}' && document.readyState === 'complete'"))
        tab.evaluate(_NOTE_VISIBILITY)

    def seen_s(self) -> float:
        return float(self.tab.evaluate(_VISIBLE_MS)) / 1000


def _open(recorded: Recorded, host: str, path: str) -> Stay:
    return Stay(recorded.open(path, host), path)


def _read(recorded: Recorded, host: str, path: str, seconds: float) -> list[Expected]:
    stay = _open(recorded, host, path)
    dwell(seconds)
    seen = Expected(path, stay.seen_s())
    stay.tab.close()
    return [seen]


def new_tabs(recorded: Recorded, host: str) -> list[Expected]:
    """Chrome gives a new tab the focus without an event now and then."""
    return [seen for number in range(1, 6) for seen in _read(recorded, host, f"/article/{number}", 2)]


def idle_then_another_tab(recorded: Recorded, host: str) -> list[Expected]:
    """The user returns to the keyboard in another tab; Chrome says so half a second later."""
    first = _open(recorded, host, "/article/1")
    dwell(3)
    recorded.user_becomes("idle")
    before_s = first.seen_s()
    dwell(2)
    second = _open(recorded, host, "/article/2")
    hidden_s = first.seen_s()
    dwell(0.5)
    recorded.user_becomes("active")
    dwell(2.5)
    second_s = second.seen_s()
    first.tab.front()
    dwell(6)
    expected = [Expected(first.path, before_s + first.seen_s() - hidden_s), Expected(second.path, second_s)]
    first.tab.close()
    second.tab.close()
    return expected


def idle_then_back(recorded: Recorded, host: str) -> list[Expected]:
    """The user returns to the keyboard and goes back in the history."""
    first = _open(recorded, host, "/article/1")
    dwell(2)
    recorded.user_becomes("idle")
    first_s = first.seen_s()
    dwell(2)
    first.tab.evaluate("setTimeout(() => document.getElementById('next').click())")
    second = Stay(first.tab, "/article/2")
    recorded.user_becomes("active")
    active_at_s = second.seen_s()
    dwell(2)
    second_s = second.seen_s() - active_at_s
    first.tab.evaluate("setTimeout(() => history.back())")
    wait_until(lambda: first.tab.evaluate("location.pathname") == "/article/1")
    back_at = time.monotonic()
    dwell(4)
    back_s = time.monotonic() - back_at
    first.tab.close()
    # On the second page the user was there at once: the link was the first act.
    return [
        Expected("/article/1", first_s),
        Expected("/article/2", active_at_s + second_s),
        Expected("/article/1", back_s),
    ]


def decoration_video(recorded: Recorded, host: str) -> list[Expected]:
    """A muted video in a loop plays on while the user is idle."""
    stay = _open(recorded, host, "/decoration")
    wait_until(lambda: stay.tab.evaluate("!document.getElementById('v').paused"))
    dwell(2)
    seen_s = stay.seen_s()
    recorded.user_becomes("idle")
    dwell(7)
    stay.tab.close()
    recorded.user_becomes("active")
    return [Expected(stay.path, seen_s)]


def sound_that_stopped(recorded: Recorded, host: str) -> list[Expected]:
    """A page played sound, was left and shown again without it; then the user is idle."""
    first = _open(recorded, host, "/audio")
    first.tab.evaluate("document.getElementById('a').play()")
    dwell(3)
    first_s = first.seen_s()
    first.tab.evaluate("setTimeout(() => document.getElementById('next').click())")
    second = Stay(first.tab, "/article/2")
    dwell(2)
    second_s = second.seen_s()
    first.tab.evaluate("setTimeout(() => history.back())")
    wait_until(lambda: first.tab.evaluate("location.pathname") == "/audio")
    back_at = time.monotonic()
    first.tab.evaluate("document.getElementById('a').pause()")
    dwell(2)
    back_s = time.monotonic() - back_at
    recorded.user_becomes("idle")
    dwell(6)
    first.tab.close()
    recorded.user_becomes("active")
    return [Expected("/audio", first_s), Expected("/article/2", second_s), Expected("/audio", back_s)]


def document_open(recorded: Recorded, host: str) -> list[Expected]:
    """A script writes the document anew, which removes every listener; then another tab is in front."""
    tab = recorded.open("/document-open", host)
    wait_until(lambda: tab.evaluate("document.title") == "Written anew")
    tab.evaluate(_NOTE_VISIBILITY)
    dwell(2)
    other = recorded.open("/article/9", f"{host}-other")
    dwell(6)
    seen_s = float(tab.evaluate(_VISIBLE_MS)) / 1000
    tab.close()
    other.close()
    return [Expected("/document-open", seen_s)]


def crashed_page(recorded: Recorded, host: str) -> list[Expected]:
    """The process of a page ends."""
    stay = _open(recorded, host, "/article/1")
    dwell(3)
    seen_s = stay.seen_s()
    with contextlib.suppress(RuntimeError, TimeoutError):
        # A crashed page does not answer.
        recorded.chromium.cdp.send_only("Page.crash", session=stay.tab.session)
    dwell(3)
    stay.tab.close()
    return [Expected(stay.path, seen_s)]


def discarded_tab(recorded: Recorded, host: str) -> list[Expected]:
    """Chrome discards a tab in the background, which gets a new id."""
    stay = _open(recorded, host, "/article/1")
    dwell(3)
    other = recorded.open("/article/9", f"{host}-other")
    dwell(1)
    seen_s = stay.seen_s()
    url = recorded.url("/article/1", host)
    find = f"chrome.tabs.query({{}}).then(tabs => tabs.find(t => t.url === {url!r}).id)"
    before = recorded.in_worker(find)
    after = recorded.in_worker(f"chrome.tabs.discard({before}).then(tab => tab.id)")
    assert isinstance(after, int)
    dwell(3)
    # Closed first: Chrome would show, and load, the discarded tab after the other one.
    recorded.in_worker(f"chrome.tabs.remove({after})")
    other.close()
    return [Expected(stay.path, seen_s)]


def dialog(recorded: Recorded, host: str) -> list[Expected]:
    """A dialog of the page stops its timers; the time before it counts."""
    stay = _open(recorded, host, "/alert")
    stay.tab.send("Page.enable")
    dwell(2)
    before_s = stay.seen_s()
    stay.tab.evaluate("setTimeout(() => { alert('Here?'); window.closedAt = Date.now() })")
    dwell(14)
    wait_until(lambda: stay.tab.send("Page.handleJavaScriptDialog", accept=True) == {})
    dwell(2)
    after_s = float(stay.tab.evaluate("Date.now() - closedAt")) / 1000
    stay.tab.close()
    return [Expected(stay.path, before_s + after_s)]


def blocked_page(recorded: Recorded, host: str) -> list[Expected]:
    """A script of the page keeps its thread busy while its text is shown."""
    stay = _open(recorded, host, "/article/1")
    dwell(2)
    stay.tab.evaluate("(() => { const until = Date.now() + 4000; while (Date.now() < until); })()")
    dwell(2)
    expected = [Expected(stay.path, stay.seen_s())]
    stay.tab.close()
    return expected


def background_tab(recorded: Recorded, host: str) -> list[Expected]:
    """Another tab is in front for a while."""
    first = _open(recorded, host, "/article/1")
    dwell(2)
    second = _open(recorded, host, "/article/2")
    dwell(3)
    second_s = second.seen_s()
    first.tab.front()
    dwell(2)
    expected = [Expected("/article/1", first.seen_s()), Expected("/article/2", second_s)]
    first.tab.close()
    second.tab.close()
    return expected


def back_and_forward(recorded: Recorded, host: str) -> list[Expected]:
    """Pages come from Chrome's back/forward cache."""
    first = _open(recorded, host, "/article/1")
    dwell(2)
    first_s = first.seen_s()
    first.tab.evaluate("setTimeout(() => document.getElementById('next').click())")
    second = Stay(first.tab, "/article/2")
    dwell(2)
    second_s = second.seen_s()
    first.tab.evaluate("setTimeout(() => history.back())")
    wait_until(lambda: first.tab.evaluate("location.pathname") == "/article/1")
    back_at = time.monotonic()
    dwell(3)
    back_s = time.monotonic() - back_at
    first.tab.close()
    return [Expected("/article/1", first_s), Expected("/article/2", second_s), Expected("/article/1", back_s)]


def page_that_reloads_itself(recorded: Recorded, host: str) -> list[Expected]:
    """A live page loads itself again every few seconds."""
    tab = recorded.open("/live", host)
    response_at = "performance.timeOrigin + performance.getEntriesByType('navigation')[0].responseStart"
    begun = f"sessionStorage.begunAt ??= {response_at}"
    wait_until(lambda: tab.evaluate(f"location.pathname === '/live' && ({begun})"))
    dwell(8)
    # A document that ends before it was read would be a visit of its own. So the tab closes in one that was, and that
    # does not load itself again.
    read_long_ago = "reload && performance.now() > 1000"
    seen_ms = f"{read_long_ago} && (clearTimeout(reload), Date.now() - Number(sessionStorage.begunAt))"
    seen_s = float(wait_until(lambda: tab.evaluate(seen_ms))) / 1000
    tab.close()
    return [Expected("/live", seen_s)]


def moving_address(recorded: Recorded, host: str) -> list[Expected]:
    """A map moves its state into the address."""
    tab = recorded.open("/map/start", host)
    wait_until(lambda: tab.evaluate("location.pathname.startsWith('/map/')"))
    tab.evaluate(_NOTE_VISIBILITY)
    dwell(6)
    seen_s = float(tab.evaluate(_VISIBLE_MS)) / 1000
    tab.close()
    return [Expected("/map", seen_s)]


def routes_of_an_app(recorded: Recorded, host: str) -> list[Expected]:
    """Two routes in one document; the content of the second comes two seconds late."""
    stay = _open(recorded, host, "/spa/one")
    dwell(3)
    first_s = stay.seen_s()
    stay.tab.click("#two")
    dwell(4)
    both_s = stay.seen_s()
    stay.tab.close()
    return [Expected("/spa/one", first_s), Expected("/spa/two", both_s - first_s)]


def late_body(recorded: Recorded, host: str) -> list[Expected]:
    """The body of the page comes four seconds after its frame."""
    return _read(recorded, host, "/late-body", 6)


def title_that_changes(recorded: Recorded, host: str) -> list[Expected]:
    """The title changes twice a second."""
    return _read(recorded, host, "/ticker", 4)


def load_that_never_ends(recorded: Recorded, host: str) -> list[Expected]:
    """An image never arrives."""
    tab = recorded.open("/endless-image", host)
    wait_until(lambda: tab.evaluate("location.pathname === '/endless-image' && document.readyState === 'interactive'"))
    tab.evaluate(_NOTE_VISIBILITY)
    dwell(4)
    seen_s = float(tab.evaluate(_VISIBLE_MS)) / 1000
    tab.close()
    return [Expected("/endless-image", seen_s)]


Situation = Callable[[Recorded, str], list[Expected]]
SITUATIONS: tuple[Situation, ...] = (
    new_tabs,
    idle_then_another_tab,
    idle_then_back,
    decoration_video,
    sound_that_stopped,
    document_open,
    crashed_page,
    discarded_tab,
    dialog,
    blocked_page,
    background_tab,
    back_and_forward,
    page_that_reloads_itself,
    moving_address,
    routes_of_an_app,
    late_body,
    title_that_changes,
    load_that_never_ends,
)


@dataclass(frozen=True)
class Measured:
    """A visit as it was seen and as it was stored; None if there is no such visit."""

    path: str
    seen_s: float
    stored_s: float | None


def measure(recorded: Recorded, situation: Situation, host: str) -> list[Measured]:
    """Run a situation on `host`. Raises AssertionError when the visits do not arrive or are not those expected."""
    expected = situation(recorded, host)
    visits = recorded.ended(host, len(expected))
    found = [
        Measured(
            want.path,
            round(want.active_s, 2),
            round(visits[i].active_s, 2) if i < len(visits) and visits[i].path.startswith(want.path) else None,
        )
        for i, want in enumerate(expected)
    ]
    if len(visits) != len(expected):
        raise AssertionError(f"{len(visits)} visits instead of {len(expected)}: {visits}")
    return found
