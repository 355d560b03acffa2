"""The extension with the whole product: recorded events reach the database and become a map."""

from __future__ import annotations

import io
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.extension.browser import Chromium, current_screen, dwell, wait_until
from tests.extension.builds import with_permissions_granted
from tests.extension.cdp import Tab
from tests.extension.local_site import LocalSite
from tests.extension.tcp_proxy import TcpProxy
from tests.extension.user_actions import (
    accept_consent,
    read_article,
    sign_in,
    start_recording,
    stop_recording,
    stored_receipt,
    wait_for_screen,
)
from tests.support.conditions import LONG_PATIENCE_S, PATIENCE_S
from tests.support.product import Product

pytestmark = [pytest.mark.browser, pytest.mark.timeout(580)]

PASSWORD = "correct horse battery"
DASHBOARD = Path(__file__).parents[2] / "serve" / "static" / "dashboard" / "index.html"


class ApiReader:
    """An account on the real server, seen from outside the browser."""

    def __init__(self, origin: str) -> None:
        self.email = f"reader-{uuid.uuid4().hex[:8]}@example.com"
        self._http = httpx2.Client(base_url=origin + "/v1", timeout=PATIENCE_S, trust_env=False)
        self._request("POST", "/auth/signup", json={"email": self.email, "password": PASSWORD})

    def _request(self, method: str, path: str, **options: Any) -> Any:
        answer = self._http.request(method, path, **options)
        answer.raise_for_status()
        return answer.json()

    def get_json(self, path: str) -> Any:
        """A GET with a fresh login: the browser's own must not be touched."""
        token = self._request("POST", "/auth/login", json={"email": self.email, "password": PASSWORD})["token"]
        return self._request("GET", path, headers={"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def readers() -> Iterator[Callable[[str], ApiReader]]:
    made: list[ApiReader] = []

    def make(origin: str) -> ApiReader:
        made.append(ApiReader(origin))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def sign_in_and_record(chromium: Chromium, origin: str, reader: ApiReader) -> Tab:
    popup = chromium.popup()
    accept_consent(popup, origin)
    sign_in(popup, reader.email, PASSWORD)
    start_recording(popup)
    return popup


def visited(reader: ApiReader, session_id: str) -> list[str]:
    answer = reader.get_json(f"/sessions/{session_id}/events?type=page_visit&limit=200")
    return [v["url"] for v in sorted(answer["page_visits"], key=lambda v: v["visited_at"])]


def check_receipt(reader: ApiReader, session_id: str, final: dict[str, int]) -> None:
    """Ours and the database's agree, and no number is missing."""
    theirs = reader.get_json(f"/sessions/{session_id}/receipt")["receipt"]
    assert final["waiting"] == 0
    assert theirs["stored"] == final["stored"]
    assert theirs["missing"] == 0
    assert theirs["gaps"] == []
    assert theirs["last_seq"] == theirs["stored"] + theirs["excluded"] + theirs["invalid"]
    assert theirs["by_type"]["page_visit"] == theirs["by_type"]["page_leave"]


def test_from_start_to_map(
    product: Product, chromium: Chromium, site: LocalSite, readers: Callable[[str], ApiReader]
) -> None:
    reader = readers(product.origin)
    popup = sign_in_and_record(chromium, product.origin, reader)
    wait_until(lambda: popup.text("button.title").startswith("Browsing, "), what="a name until the map has one")
    tab = chromium.open()
    for number in (1, 2, 3):
        read_article(tab, site.url(f"/article/{number}"), number, 2)
    marked = tab.drag_over("#p1")
    dwell(1.5)
    tab.goto(site.url("/members"))
    dwell(1.5)
    final = stop_recording(popup)
    (session,) = reader.get_json("/sessions")["sessions"]
    check_receipt(reader, session["id"], final)
    assert "extension" in {login["client"] for login in reader.get_json("/auth/logins")["logins"]}
    links = popup.evaluate("[...document.querySelectorAll('main a')].map(a => a.href)")
    assert links == [f"{product.origin}/sessions/{session['id']}"]
    assert final["excluded"] == 1
    assert visited(reader, session["id"]) == [site.url(f"/article/{n}") for n in (1, 2, 3)]
    (highlight,) = reader.get_json(f"/sessions/{session['id']}/events?type=highlight")["highlights"]
    assert highlight["text"] == " ".join(marked.split())
    wait_until(lambda: popup.has("[data-generation=completed]"), LONG_PATIENCE_S, "the map")
    mindmap = reader.get_json(f"/sessions/{session['id']}/mindmap")["mindmap"]
    assert mindmap["status"] == "completed"
    assert sum(node["type"] == "page" for node in mindmap["data"]["nodes"]) == 3
    # The user typed no title, so the one of the map stands in the list, in its core and in the popup.
    (session,) = reader.get_json("/sessions")["sessions"]
    core = next(node["label"] for node in mindmap["data"]["nodes"] if node["type"] == "core")
    assert core == session["title"] != ""
    assert not session["title"].startswith("Browsing")
    wait_until(lambda: popup.text("button.title").startswith(session["title"]), what="the title in the popup")
    # A short title has a line of its own, too.
    edge = "document.querySelector('{}').getBoundingClientRect().{}"
    assert popup.evaluate(f"{edge.format('h2.done', 'bottom')} <= {edge.format('button.title', 'top')}")


def test_the_dashboard_signs_the_extension_in(
    product: Product, chromium: Chromium, readers: Callable[[str], ApiReader]
) -> None:
    """Right after a sign-in on the web, and from the popup's own button; with the real dashboard."""
    if not DASHBOARD.exists():
        pytest.skip("the dashboard is not built")
    reader = readers(product.origin)
    popup = chromium.popup()
    accept_consent(popup, product.origin)
    wait_for_screen(popup, "signed-out")
    page = chromium.open(f"{product.origin}/login")
    wait_until(lambda: page.has("input[name=password]"), what="the dashboard's login")
    page.front()
    page.type("input[name=email]", reader.email)
    page.type("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    wait_for_screen(popup, "ready")
    assert popup.text(".account-email") == reader.email

    popup.evaluate("chrome.runtime.sendMessage({command: 'signOut', args: {}})")
    wait_for_screen(popup, "signed-out")
    popup.click("[data-name=on-the-web]")
    target = wait_until(
        lambda: next((t["targetId"] for t in chromium.targets() if "/extension/link" in t["url"]), None),
        what="the dashboard's link page",
    )
    link_page = Tab(chromium.cdp, target)
    wait_until(lambda: link_page.has("button.primary"), what="its button")
    link_page.click("button.primary")
    wait_for_screen(popup, "ready")


def test_the_packed_extension_of_a_home_server_signs_the_dashboard_in(
    product: Product, browsers: Callable[..., Chromium], readers: Callable[[str], ApiReader], tmp_path: Path
) -> None:
    """At a plain http name of the network; until the user signs out there."""
    if not DASHBOARD.exists():
        pytest.skip("the dashboard is not built")
    reader = readers(product.origin)
    home = f"trailmind.local:{product.port}"
    packed = httpx2.get(f"{product.origin}/v1/extension", headers={"Host": home}, timeout=PATIENCE_S, trust_env=False)
    zipfile.ZipFile(io.BytesIO(packed.content)).extractall(tmp_path / "packed")
    chromium = browsers(build=with_permissions_granted(tmp_path / "packed", tmp_path / "granted"))
    popup = chromium.popup()
    stored = "chrome.storage.local.get('settings').then(JSON.stringify)"
    wait_until(lambda: home in popup.evaluate(stored), what="the address of the package in the settings")
    popup.evaluate(
        "chrome.storage.local.get('settings')"
        ".then(({settings}) => chrome.storage.local.set({settings: {...settings, consentedAt: 1}}))"
    )
    wait_for_screen(popup, "signed-out")
    assert popup.text("[data-name=server]").startswith(f"Server: {home}")
    sign_in(popup, reader.email, PASSWORD)
    page = chromium.open(f"http://{home}/account")
    assert page.evaluate("isSecureContext") is False
    wait_until(lambda: reader.email in page.text("body"), what="the account page without a sign-in form")
    page.evaluate("[...document.querySelectorAll('button')].find(b => b.textContent === 'Sign out').click()")
    wait_until(lambda: page.has("input[name=password]"), what="the sign-in form")
    page.goto(f"http://{home}/account")
    wait_until(lambda: page.has("input[name=password]"), what="the sign-in form again")


def test_no_password_is_sent_to_a_server_that_was_not_chosen(chromium: Chromium, product: Product) -> None:
    popup = chromium.popup()
    popup.evaluate("chrome.storage.local.set({settings: {consentedAt: 1}})")
    wait_for_screen(popup, "signed-out")
    assert not popup.has("input[name=password]")
    refused = popup.evaluate(
        "chrome.runtime.sendMessage({command: 'signIn', args: "
        "{email: 'a@b.example', password: 'secret12', isNew: false}}).then(JSON.stringify)"
    )
    assert "no_server" in refused
    popup.fill("input[name=server]", product.origin)
    popup.click("[data-name=use-server]")
    wait_until(lambda: popup.has("input[name=password]"), what="the form of the chosen server")


@pytest.mark.soak
def test_every_fault_with_the_real_server(
    chromium: Chromium, site: LocalSite, readers: Callable[[str], ApiReader], request: pytest.FixtureRequest
) -> None:
    """Killed workers, server and browser, two network outages, tokens of one minute: 0 lost, 0 duplicated."""
    with Product(TRAILMIND_ACCESS_TOKEN_TTL_S="60") as server:
        proxy = TcpProxy(server.port)
        request.addfinalizer(proxy.close)
        reader = readers(server.origin)
        popup = sign_in_and_record(chromium, proxy.origin, reader)
        tab = chromium.open()

        def restart_server() -> None:
            server.kill()
            server.start()

        restarts: list[threading.Thread] = []

        def restart() -> None:
            restarts.append(threading.Thread(target=restart_server))
            restarts[-1].start()

        faults: dict[int, Callable[[], object]] = {
            3: proxy.disconnect,
            5: proxy.reconnect,
            8: restart,
            12: proxy.disconnect,
            14: proxy.reconnect,
        }
        num_kills = 0
        for number in range(1, 21):
            faults.get(number, lambda: None)()
            if number == 16:
                chromium.kill()
                chromium.start()
                popup = chromium.popup()
                wait_for_screen(popup, "interrupted")
                popup.click("[data-name=continue]")
                wait_for_screen(popup, "recording")
                tab = chromium.open()
            read_article(tab, site.url(f"/article/{number}"), number, 2)
            if number % 4 == 0:
                num_kills += chromium.kill_worker()
        for thread in restarts:
            thread.join()
        popup.click("[data-name=stop]")
        wait_until(lambda: current_screen(popup) == "completed", LONG_PATIENCE_S, "completed")
        final = stored_receipt(popup)
        assert num_kills >= 4
        (session,) = reader.get_json("/sessions")["sessions"]
        check_receipt(reader, session["id"], final)
        assert visited(reader, session["id"]) == [site.url(f"/article/{n}") for n in range(1, 21)]
