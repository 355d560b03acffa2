"""A page that updates itself says when the server no longer answers, and recovers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.browser_user import BrowserUser
from tests.extension.tcp_proxy import TcpProxy
from tests.support.client import sign_in, visit
from tests.support.conditions import PATIENCE_S

pytestmark = pytest.mark.browser


@pytest.fixture
async def proxied(browser: Browser, origin: str) -> AsyncIterator[tuple[BrowserUser, TcpProxy]]:
    proxy = TcpProxy(urlsplit(origin).port or 80)
    context = await browser.new_context(locale="en-US", reduced_motion="reduce", base_url=proxy.origin)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_S * 1_000)
    yield BrowserUser(page, proxy.origin), proxy
    await context.close()
    proxy.close()


async def test_numbers_while_recording_and_a_server_that_is_lost(
    proxied: tuple[BrowserUser, TcpProxy], server: httpx2.AsyncClient
) -> None:
    user, proxy = proxied
    page = user.page
    await user.sign_up()
    person = await sign_in(server, user.email)
    session_id = await person.start()
    await page.goto(f"/sessions/{session_id}")
    for number in range(1, 5):
        url = f"https://docs.example/{number}"
        text = "Sourdough starter needs flour, water and patience. " * 4
        await person.send(
            session_id, [visit(url, 1_760_000_000_000 + number * 60_000, title=f"Page {number}", content=text)]
        )
        # The receipt follows while the recording runs.
        await expect(page.get_by_role("button", name=f"seen {number} · stored {number} · excluded 0")).to_be_visible()
    await expect(page.get_by_text("Recording now.")).to_be_visible()

    proxy.disconnect()
    notice = page.locator("[data-connection=lost]")
    await expect(notice).to_contain_text("The server has not answered since")
    await expect(page.get_by_text("Recording now.")).to_have_count(0)
    # Nothing leaves the window below the notice.
    assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    # A part of the program that is not loaded yet waits for the server, and the page stays.
    await page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog")
    await expect(palette).to_have_count(0)
    proxy.reconnect()
    await expect(notice).to_have_count(0)
    await expect(palette).to_have_css("position", "fixed")
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Recording now.")).to_be_visible()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_text("Paused. New pages appear after you resume.")).to_be_visible()
    await expect(page.get_by_text("Recording now.")).to_have_count(0)
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.get_by_text("Recording now.")).to_be_visible()

    # The list counts the pages of a recording, and says when it can no longer do so.
    await page.get_by_role("link", name="Sessions").first.click()
    await expect(page.locator(f"[data-session='{session_id}']")).to_contain_text("4 pages")
    proxy.disconnect()
    await expect(notice).to_be_visible()
