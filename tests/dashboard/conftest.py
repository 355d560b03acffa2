"""A real browser on the real product."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from serve.dashboard import BUILT_FILES
from tests.dashboard.browser_user import CHROMIUM_FLAGS, BrowserUser
from tests.support.chromium import CHROMIUM

# Two cores may be busy with other things.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def origin(request: pytest.FixtureRequest) -> str:
    """Where the product answers: a running one named by TEST_ORIGIN, or one started for the tests."""
    given = os.environ.get("TEST_ORIGIN")
    return given or str(request.getfixturevalue("product").origin)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, drawing in software."""
    assert (BUILT_FILES / "index.html").exists(), "the dashboard is not built: run `make dashboard`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@dataclass
class PageErrors:
    """What the browser complained about."""

    messages: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note every error and every refusal by the security policy."""
        page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        page.on("console", self._record)

    def _record(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.messages.append(message.text)


@pytest.fixture
def page_errors() -> PageErrors:
    return PageErrors()


@pytest.fixture
async def user(browser: Browser, origin: str, page_errors: PageErrors) -> BrowserUser:
    """Somebody at a desktop who has not signed in."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=origin
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    page_errors.watch(page)
    return BrowserUser(page, origin)


@pytest.fixture
async def server(origin: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same product, asked directly."""
    async with httpx2.AsyncClient(base_url=origin, timeout=30) as client:
        yield client
