"""The dashboard asks once, with the price, before pages are sent to an AI vendor."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.async_api import Response, Route, expect

from tests.dashboard.browser_user import BrowserUser

pytestmark = pytest.mark.browser


async def test_the_question_names_vendor_price_and_share_and_appears_once(user: BrowserUser) -> None:
    page = user.page
    quote = {
        "provider": "openai",
        "model": "a-model",
        "tokens": 12_300,
        "cost_micros": 21_000,
        "num_pages": 17,
        "num_pages_known": 0,
        "num_calls": 2,
        "plan_share": 0.246,
        "tokens_left": 50_000,
        "is_affordable": True,
        "resets_at": "2026-12-28T00:00:00.000Z",
        "needs_consent": True,
    }

    async def server(route: Route) -> None:
        vendors = {"model_vendors": ["OpenAI"], "providers": {"openai": "OpenAI"}}
        await route.fulfill(json={"server": {"sends_mail": False, "uses_models": True, **vendors}})

    async def price(route: Route) -> None:
        await route.fulfill(json={"quote": quote})

    await page.route("**/v1/server", server)
    await page.route("**/mindmap/quote", price)
    await user.sign_up()
    await user.play_sample()
    question = page.get_by_role("region", name="Let OpenAI draw this map?")
    await expect(question).to_contain_text("17 pages goes to OpenAI")
    await expect(question).to_contain_text("At most $0.021 and 12,300 tokens, by OpenAI. That is 24.6% of your plan")
    # On a phone the question covers no part of the map that is shown at first.
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.wait_for_function(
        """() => {
            const rect = (selector) => document.querySelector(selector).getBoundingClientRect();
            const [stage, notices, root] = [".map-stage", ".map-notices", "#map-cursor"].map(rect);
            return root.top >= notices.bottom && root.bottom < stage.bottom - 100;
        }"""
    )
    await page.set_viewport_size({"width": 1440, "height": 900})
    async with page.expect_response(stores("model_use")) as answered:
        await question.get_by_role("button", name="Never").click()
    request = (await answered.value).request
    assert json.loads(request.post_data or "") == {"model_use": "local"}
    await expect(question).to_have_count(0)
    await page.reload()
    await page.wait_for_selector(".map-canvas")
    await page.wait_for_load_state("networkidle")
    await expect(question).to_have_count(0)
    # The account shows the decision, what is sent where, and no control without effect.
    await page.goto("/account")
    await expect(page.get_by_label("AI models")).to_have_value("local")
    await expect(page.get_by_text("After you have agreed, this server sends the text")).to_be_visible()
    assert await page.get_by_text("E-mail notices").count() == 0


def stores(setting: str) -> Callable[[Response], bool]:
    """Whether a response answers the request that stores this setting.

    The bodies of requests are known only while a route of the page intercepts requests.
    """

    def is_it(response: Response) -> bool:
        request = response.request
        return request.method == "PATCH" and setting in (request.post_data_json or {})

    return is_it


async def test_theme_and_language_of_the_account_apply_in_another_browser(user: BrowserUser) -> None:
    page = user.page
    await page.route("**/v1/users/me/settings", lambda route: route.continue_())
    await user.sign_up()
    # The page also stores the language and the time zone of a new user by itself.
    async with page.expect_response(stores("theme")):
        await page.get_by_role("button", name="Switch light and dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    # The account has the language in which it was created, until another is chosen.
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.goto("/account")
    async with page.expect_response(stores("language")):
        await page.get_by_role("button", name="한국어").click()
    # From an answer of the server: the app would store the language again when it reads the settings.
    await page.goto("/v1/server")
    await page.evaluate("localStorage.clear()")
    await page.context.clear_cookies()
    await page.goto("/login")
    await expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await user.sign_in()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.locator("html")).to_have_attribute("lang", "ko")
    await expect(page.get_by_role("heading", level=1)).to_have_text("세션")


async def test_no_page_promises_mail_from_a_server_without_a_mail_server(user: BrowserUser) -> None:
    page = user.page
    await page.goto("/forgot-password")
    await expect(page.get_by_text("This server has no mail server")).to_be_visible()
    await page.get_by_role("textbox", name="E-mail").fill("someone@example.com")
    await page.get_by_role("button", name="Make a link").click()
    await expect(page.get_by_role("status")).to_contain_text("outbox folder")
