"""Sign-in with Google in Chrome's window, with the real API and a local OpenID provider."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn

from serve.app import create_api, with_middleware
from tests.conftest import Stores
from tests.extension.browser import Chromium, current_screen, wait_until
from tests.extension.cdp import Tab
from tests.extension.user_actions import accept_consent, wait_for_screen
from tests.support.openid import openid_provider
from tests.support.server import make_settings, no_actor

pytestmark = pytest.mark.browser


@pytest.fixture
def issuer() -> Iterator[str]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def api_origin(stores: Stores, issuer: str) -> Iterator[str]:
    """The real API on a port, with that provider in Google's place."""
    settings = make_settings(
        stores.database_url,
        stores.redis_url,
        google_issuer=issuer,
        google_client_id="trailmind-client",
        google_client_secret="secret",
    )
    listener = socket.create_server(("127.0.0.1", 0))
    app = with_middleware(create_api(settings, no_actor), settings)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started, what="the API")
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listener.close()


def _provider_window(chromium: Chromium, issuer: str) -> Tab:
    """The window with the provider's form in it, once a person sees it.

    Chrome loads the page before it opens the window. Until then the page is a target of another type than `page`, and
    the command to close it is lost: the sign-in then waits forever.
    """

    def displayed() -> str | None:
        pages = (t for t in chromium.targets() if t["type"] == "page")
        return next((t["targetId"] for t in pages if t["url"].startswith(issuer)), None)

    target = wait_until(displayed, what="the provider's window")
    window = Tab(chromium.cdp, target)
    wait_until(lambda: window.has("input[name=sub]"), what="its form")
    return window


def test_sign_in_with_google(chromium: Chromium, api_origin: str, issuer: str) -> None:
    subject, email = uuid.uuid4().hex, f"{uuid.uuid4().hex[:10]}@gmail.example"
    httpx2.put(
        f"{issuer}/users/{subject}", json={"email": email, "email_verified": True}, trust_env=False
    ).raise_for_status()
    popup = chromium.popup()
    accept_consent(popup, api_origin)
    wait_until(lambda: popup.has("[data-name=google]"), what="the button, because the server has it")
    popup.click("[data-name=google]")
    window = _provider_window(chromium, issuer)
    window.fill("input[name=sub]", subject)
    window.click("button[type=submit]")
    wait_for_screen(popup, "ready")
    assert popup.evaluate("chrome.storage.session.get('view').then(({view}) => view.account.email)") == email

    # Closing the window is a no, not an error of ours.
    popup.evaluate("chrome.runtime.sendMessage({command: 'signOut', args: {}})")
    wait_for_screen(popup, "signed-out")
    wait_until(lambda: popup.has("[data-name=google]"))
    popup.click("[data-name=google]")
    second = _provider_window(chromium, issuer)
    chromium.cdp.send("Target.closeTarget", {"targetId": second.target_id})
    wait_until(lambda: "Google did not sign you in" in popup.text("[role=alert]"), what="the truth about it")
    assert current_screen(popup) == "signed-out"
