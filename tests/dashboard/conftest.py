"""Fixtures: Chromium on a running product."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from serve.dashboard import BUILT_FILES
from tests.dashboard.browser_user import CHROMIUM_FLAGS, RECORD_TOASTS, BrowserUser
from tests.support.chromium import CHROMIUM
from tests.support.conditions import PATIENCE_S

# The tests share two cores with other processes.
expect.set_options(timeout=PATIENCE_S * 1_000)


@pytest.fixture(scope="session")
def origin(request: pytest.FixtureRequest) -> str:
    """The origin of the product: TEST_ORIGIN, or a product started for the tests."""
    return os.environ.get("TEST_ORIGIN") or str(request.getfixturevalue("product").origin)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium with software rendering."""
    assert (BUILT_FILES / "index.html").exists(), "the dashboard is not built: run `make dashboard`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@dataclass
class PageErrors:
    """Errors of a page and violations of its security policy."""

    messages: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Record the errors of `page`."""
        page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        page.on("console", self._record)

    def _record(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.messages.append(f"{message.text} ({message.location.get('url', '')})")


@pytest.fixture
def page_errors() -> PageErrors:
    return PageErrors()


@pytest.fixture
async def user(browser: Browser, origin: str, page_errors: PageErrors) -> BrowserUser:
    """A user at a desktop who has not signed in."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=origin
    )
    await context.add_init_script(RECORD_TOASTS)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_S * 1_000)
    page_errors.watch(page)
    return BrowserUser(page, origin)


@pytest.fixture
async def server(origin: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of the same product."""
    async with httpx2.AsyncClient(base_url=origin, timeout=PATIENCE_S) as client:
        yield client
