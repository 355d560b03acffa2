"""Every error state has its screen: slow, unavailable, 401, 402, 429, 500, empty, unknown."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Route, expect

from tests.dashboard.browser_user import BrowserUser
from tests.support.product import Product

pytestmark = pytest.mark.browser


def failing(status: int, **headers: str):  # type: ignore[no-untyped-def]
    async def answer(route: Route) -> None:
        body = json.dumps({"error": {"message": "no", "code": "NO"}})
        await route.fulfill(
            status=status, body=body, headers={"content-type": "application/json", "x-request-id": "r-77", **headers}
        )

    return answer


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (402, "payment", "Your plan does not cover this"),
        (403, "forbidden", "Not allowed"),
        (429, "too_many", "Too many requests"),
        (500, "server", "r-77"),
        (503, "unavailable", "The server cannot answer"),
    ],
)
async def test_each_error_status_has_its_screen(user: BrowserUser, status: int, kind: str, said: str) -> None:
    page = user.page
    await user.sign_up()
    await page.route("**/v1/sessions?*", failing(status, **{"retry-after": "2"} if status == 429 else {}))
    await page.reload()
    screen = page.locator(f'[data-error="{kind}"]')
    await expect(screen).to_contain_text(said)
    # The next step works as soon as the server does.
    await page.unroute("**/v1/sessions?*")
    again = page.get_by_role("button", name="Try again", exact=True)
    if status == 429:
        await expect(page.get_by_role("button", name="Try again in")).to_be_disabled()
    if status != 503:  # a busy server is asked again by itself
        await again.click()
    await expect(page.get_by_role("heading", name="Your first trail starts here")).to_be_visible()


async def test_the_page_recovers_when_the_server_is_available_again(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await page.route("**/v1/sessions?*", lambda route: route.abort("connectionrefused"))
    await page.reload()
    await expect(page.locator('[data-error="offline"]')).to_contain_text("No connection")
    await page.unroute("**/v1/sessions?*")
    await expect(page.get_by_role("heading", name="Your first trail starts here")).to_be_visible()


async def test_a_slow_response_shows_a_notice(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    go_on = asyncio.Event()

    async def later(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await page.route("**/v1/sessions?*", later)
    await page.reload(wait_until="commit")
    await expect(page.get_by_text("This is taking longer than usual")).to_be_visible()
    go_on.set()
    await expect(page.get_by_role("heading", name="Your first trail starts here")).to_be_visible()


OTHER_PAGES = {
    "/sessions/00000000-0000-4000-8000-000000000001": "**/v1/sessions/00000000-*-000000000001",
    "/search?q=git": "**/v1/search?*",
    "/account": "**/v1/usage*",
}


@pytest.mark.parametrize("path", OTHER_PAGES)
async def test_every_other_page_shows_its_error(user: BrowserUser, path: str) -> None:
    page, api_route = user.page, OTHER_PAGES[path]
    await user.sign_up()
    for status, kind in ((402, "payment"), (429, "too_many"), (500, "server"), (None, "offline")):
        refuse = failing(status) if status else lambda route: route.abort("connectionrefused")
        await page.route(api_route, refuse)
        await page.goto(path)
        await expect(page.locator(f'[data-error="{kind}"]').first).to_be_visible()
        await page.unroute(api_route)
    await page.route(api_route, lambda _: None)  # never answered
    await page.goto(path, wait_until="commit")
    await expect(page.get_by_text("This is taking longer than usual").first).to_be_visible()
    await page.unroute(api_route)
    # The login expires before the page is opened.
    await page.goto("/sessions")
    await page.get_by_role("heading", name="Your first trail starts here").wait_for()
    await page.context.clear_cookies()
    # Every request is refused: the page may still have the data of some, which the pages before it loaded.
    await page.route("**/v1/**", failing(401))
    await page.evaluate(
        "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path
    )
    await expect(page.get_by_text("You were signed out because your login ended")).to_be_visible()
    # Signing in leads to the page that was opened.
    assert parse_qs(urlsplit(page.url).query)["next"] == [path]


async def test_an_expired_login_redirects_to_sign_in_and_back(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await page.goto("/account")
    await page.get_by_role("heading", name="Account").wait_for()
    await page.context.clear_cookies()
    await page.route("**/v1/sessions?*", failing(401))
    await page.get_by_role("link", name="Sessions").first.click()
    await expect(page.get_by_text("You were signed out because your login ended")).to_be_visible()
    await page.unroute("**/v1/sessions?*")
    await user.sign_in()
    await page.wait_for_url("**/sessions")


async def test_links_in_mails_have_their_token_in_the_fragment(user: BrowserUser) -> None:
    page = user.page
    sent: list[object] = []

    async def note(route: Route) -> None:
        sent.append(route.request.post_data_json)
        await route.fulfill(status=200, body="{}", headers={"content-type": "application/json"})

    await page.route("**/v1/auth/*", note)
    await page.goto("/verify-email#token=from-a-mail")
    # Without a login here, confirming would end the logins of the account: the page asks first.
    await expect(page.get_by_role("link", name="Sign in and confirm")).to_have_attribute(
        "href", "/login?next=%2Fverify-email"
    )
    assert sent == []
    await page.get_by_role("button", name="Make a link for a new password").click()
    await expect(page.get_by_role("status")).to_contain_text("The link with which you choose a new password")
    await page.goto("/reset-password#token=another")
    await page.get_by_role("textbox", name="New password").fill("a new password 1")
    await page.get_by_role("textbox", name="Repeat password").fill("a new password 1")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_be_visible()
    assert sent == [{"token": "from-a-mail"}, {"token": "another", "new_password": "a new password 1"}]


async def test_an_address_is_confirmed_with_the_login_of_the_browser(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    sent: list[tuple[object, bool]] = []

    async def note(route: Route) -> None:
        sent.append((route.request.post_data_json, "authorization" in route.request.headers))
        await route.fulfill(status=200, body="{}", headers={"content-type": "application/json"})

    await page.route("**/v1/auth/verify-email", note)
    await page.goto("/verify-email#token=from-a-mail")
    await expect(page.get_by_role("status")).to_contain_text("Your address is confirmed")
    assert sent == [({"token": "from-a-mail"}, True)]
    # The token survives signing in, and is not in an address that servers log.
    await page.goto("/account")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url("**/login")
    await page.goto("/verify-email#token=another")
    await page.get_by_role("link", name="Sign in and confirm").click()
    assert "another" not in page.url
    await user.sign_in()
    await expect(page.get_by_role("status")).to_contain_text("Your address is confirmed")
    assert sent[1:] == [({"token": "another"}, True)]


async def test_signing_out_everywhere_ends_the_login(user: BrowserUser, product: Product) -> None:
    page = user.page
    await user.sign_up()
    user.receive_api_keys(product)
    await page.goto("/account")
    await page.get_by_role("textbox", name="Name").fill("script")
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text("Copy it now")).to_be_visible()
    bodies: list[object] = []

    async def note(route: Route) -> None:
        bodies.append(route.request.post_data_json)
        await route.continue_()

    await page.route("**/v1/auth/logout-all", note)
    await page.get_by_role("region", name="Signed in on").get_by_role("checkbox", name="Keep my API keys").check()
    await page.get_by_role("button", name="Sign out everywhere").click()
    await page.wait_for_url("**/login")
    assert bodies == [{"keep_api_keys": True}]


async def test_unknown_routes(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await page.goto("/sessions/00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_role("heading", name="This session does not exist")).to_be_visible()
    await page.goto("/nowhere/at/all")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


async def test_the_status_page_names_a_database_that_answers_nothing_before_the_login_is_restored(
    user: BrowserUser,
) -> None:
    page = user.page
    await user.sign_up()
    checks = {
        "postgresql": "does not answer (TimeoutError)",
        "disk": "x",
        "schema": "x",
        "valkey": "ok",
        "shards": "ok",
    }
    body = json.dumps({"status": "not ready", "checks": checks})
    # The page is left before the login is answered.
    await page.route("**/v1/auth/refresh", lambda _: None)
    await page.route("**/ready", lambda r: r.fulfill(status=503, body=body, content_type="application/json"))
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto("/admin?tab=status")
    said = page.get_by_role("alert")
    await expect(said.get_by_role("row").filter(has_text="PostgreSQL")).to_contain_text("does not answer")
    hidden_px = await said.get_by_role("region").evaluate("(e) => e.scrollWidth - e.clientWidth")
    assert hidden_px <= 0, "a phone shows all of it"


async def test_a_phone_has_a_way_back_while_a_session_is_not_loaded(user: BrowserUser) -> None:
    page = user.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await user.sign_up()
    session_id = "00000000-0000-4000-8000-000000000001"
    # The page is left before the session is answered.
    await page.route(f"**/v1/sessions/{session_id}*", lambda _: None)
    await page.goto(f"/sessions/{session_id}")
    await page.get_by_role("navigation").get_by_role("link", name="Sessions").click()
    await page.wait_for_url("**/sessions")
