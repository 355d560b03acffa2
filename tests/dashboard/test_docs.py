"""The interactive documentation loads everything from this server."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.dashboard.browser_user import BrowserUser
from tests.dashboard.conftest import PageErrors

pytestmark = pytest.mark.browser


async def test_the_documentation_loads_from_this_origin_only(
    user: BrowserUser, origin: str, page_errors: PageErrors
) -> None:
    page, urls = user.page, list[str]()
    page.on("request", lambda request: urls.append(request.url))
    await page.goto("/docs")
    await page.locator('[data-tag="search"]').click()
    await page.locator('[id*="search_pages"] .opblock-summary-control').click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_placeholder("q", exact=True).fill("ray")
    await page.get_by_role("button", name="Execute").click()
    # Without a login the page shows the API's 401.
    await expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("401")
    assert [url for url in urls if not url.startswith((origin + "/", "data:"))] == []
    assert [message for message in page_errors.messages if "401" not in message] == []
