"""A user of the dashboard in a browser: the actions that most tests share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import psycopg
from playwright.async_api import Page, Response

from tests.support.client import PASSWORD
from tests.support.conditions import LONG_PATIENCE_S
from tests.support.product import Product

CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


def answers_patch(path: str) -> Callable[[Response], bool]:
    """Whether a response answers a PATCH of an address with `path` in it.

    The path matters: a page stores the language and the time zone of a new user by itself, at any moment.
    """
    return lambda response: response.request.method == "PATCH" and path in response.url


#: Records what every toast of a page says: it may be gone before a busy machine asks for it.
RECORD_TOASTS = """
    globalThis.saidToasts = [];
    new MutationObserver((records) => {
        for (const { addedNodes } of records)
            for (const node of addedNodes)
                if (node instanceof Element)
                    for (const toast of [node, ...node.querySelectorAll('.toast-text')])
                        if (toast.matches('.toast-text')) saidToasts.push(toast.textContent);
    }).observe(document, { childList: true, subtree: true });
"""


async def expect_toast(page: Page, text: str, times: int = 1) -> None:
    """Wait until `times` toasts with `text` have been shown since the page was loaded, visible or gone.

    The context of the page runs RECORD_TOASTS.
    """
    await page.wait_for_function(
        "([text, times]) => saidToasts.filter((said) => said.includes(text)).length >= times", arg=[text, times]
    )


class BrowserUser:
    """A user of the dashboard in `page`."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self.origin = page, origin
        self.email = f"{uuid.uuid4().hex[:10]}@test.local"

    async def sign_up(self) -> None:
        """Create an account; the browser is then on the list of sessions."""
        await self.page.goto("/signup")
        await self.page.locator("input[type=email]").fill(self.email)
        await self.page.locator("input[autocomplete=new-password]").fill(PASSWORD)
        await self.page.locator("button[type=submit]").click()
        await self.page.wait_for_url("**/sessions")

    async def sign_in(self, password: str = PASSWORD) -> None:
        """Fill in and send the sign-in form of the current page."""
        await self.page.locator("input[type=email]").fill(self.email)
        await self.page.locator("input[autocomplete=current-password]").fill(password)
        await self.page.locator("button[type=submit]").click()

    async def play_sample(self) -> str:
        """Play the sample session until its map is complete; returns the session's id."""
        await self.page.locator("button", has_text=re.compile("sample|샘플")).click()
        await self.page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}"))
        await self.page.wait_for_selector(".map-canvas", timeout=LONG_PATIENCE_S * 1_000)
        await self.page.wait_for_selector(
            ".badge.recording, .badge.processing", state="detached", timeout=LONG_PATIENCE_S * 1_000
        )
        return re.search(r"/sessions/([0-9a-f-]{36})", self.page.url).group(1)  # type: ignore[union-attr]

    def receive_api_keys(self, product: Product) -> None:
        """Give the account a plan with API keys, as an operator does; pages that are open do not know it yet."""
        with psycopg.connect(product.settings.database.postgres_dsn) as db:
            db.execute(
                "INSERT INTO plan_overrides (user_id, plan, reason)"
                " SELECT id, 'enterprise', 'a test' FROM users WHERE email = %s",
                [self.email],
            )
