"""The interactive documentation: from this server alone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.dashboard.browser_user import BrowserUser
from tests.dashboard.conftest import PageErrors

pytestmark = pytest.mark.browser


async def test_the_documentation_asks_nobody_else(user: BrowserUser, origin: str, page_errors: PageErrors) -> None:
    page, asked = user.page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    await page.goto("/docs")
    await page.locator('[data-tag="search"]').click()
    await page.locator('[id*="search_pages"] .opblock-summary-control').click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_placeholder("q", exact=True).fill("ray")
    await page.get_by_role("button", name="Execute").click()
    # Nobody is logged in: the answer is the API's own, shown in the page.
    await expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("401")
    assert [url for url in asked if not url.startswith((origin + "/", "data:"))] == []
    assert [each for each in page_errors.messages if "401" not in each] == []
