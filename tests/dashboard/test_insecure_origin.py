"""The dashboard at a plain http address of a home network.

A browser has no `crypto.randomUUID` there, and no `navigator.clipboard`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from tests.dashboard.browser_user import CHROMIUM_FLAGS, BrowserUser
from tests.dashboard.conftest import PageErrors
from tests.support.chromium import CHROMIUM
from tests.support.conditions import PATIENCE_S
from tests.support.product import Product

pytestmark = pytest.mark.browser

#: A server answers for names of a home network that end in `.local`; others need TRAILMIND_ALLOWED_HOSTS.
HOST = "trailmind.local"


@pytest.fixture
async def home_user(origin: str, page_errors: PageErrors) -> AsyncIterator[BrowserUser]:
    """A user whose browser opens the product under a second host name, without https."""
    flags = [*CHROMIUM_FLAGS, f"--host-resolver-rules=MAP {HOST} 127.0.0.1"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        address = f"http://{HOST}:{urlsplit(origin).port}"
        context = await browser.new_context(locale="en-US", reduced_motion="reduce", base_url=address)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_S * 1_000)
        page_errors.watch(page)
        yield BrowserUser(page, address)
        await browser.close()


async def test_sign_in_reload_edit_and_copy_work_on_plain_http(
    home_user: BrowserUser, page_errors: PageErrors, product: Product
) -> None:
    page = home_user.page
    await home_user.sign_up()
    assert await page.evaluate("isSecureContext") is False
    session_id = await home_user.play_sample()

    await page.reload()
    await expect(page.locator(".map-canvas")).to_be_visible()
    assert await page.locator("[data-error]").count() == 0

    # An edit of the map has an id of its own.
    await page.goto(f"/sessions/{session_id}?layout=outline")
    await page.locator("[role=treeitem]").nth(1).click()
    await page.get_by_role("button", name="Rename", exact=True).click()
    await page.get_by_role("textbox", name="New name").fill("A name of my own")
    await page.get_by_role("textbox", name="New name").press("Enter")
    await expect(page.locator("[role=treeitem]", has_text="A name of my own")).to_be_visible()

    # The clipboard of secure pages does not exist here.
    home_user.receive_api_keys(product)
    await page.goto("/account")
    await page.get_by_role("textbox", name="Name", exact=True).fill("script")
    await page.get_by_role("button", name="Create key").click()
    key = await page.locator("code").inner_text()
    await page.get_by_role("button", name="Copy", exact=True).click()
    await expect(page.get_by_text("Copied")).to_be_visible()
    await page.get_by_role("textbox", name="Name", exact=True).press("Control+V")
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value(key)
    # Chromium reports on every plain http address that it ignores this header.
    assert [m for m in page_errors.messages if "Cross-Origin-Opener-Policy" not in m] == []


async def test_a_fault_of_the_page_is_not_called_a_missing_connection(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await page.add_init_script("crypto.getRandomValues = undefined; crypto.randomUUID = undefined")
    await page.reload()
    await expect(page.locator('[data-error="program"]')).to_contain_text("not a function")
    assert await page.locator('[data-error="offline"]').count() == 0
