"""What the API knows about logins, keys, versions and the extension has a place on the screen."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import httpx2
import psycopg
import pytest
from playwright.async_api import Browser, expect

from serve.routes.extension_package import PACKAGE
from tests.dashboard.browser_user import BrowserUser
from tests.support.client import sign_in
from tests.support.product import Product

pytestmark = pytest.mark.browser

END_KEY = (
    "UPDATE api_keys SET expires_at = expires_at - interval '31 days'"
    " WHERE revoked_at IS NULL AND user_id = (SELECT id FROM users WHERE email = %s)"
    " RETURNING round(extract(epoch FROM expires_at + interval '31 days' - now()) / 86400)::int"
)
SIGN_IN_BY_GOOGLE_ONLY = "UPDATE users SET password_hash = NULL, google_id = 'google-' || id WHERE email = %s"


async def test_logins_are_listed_and_end_one_by_one_and_all_at_once(
    user: BrowserUser, browser: Browser, server: httpx2.AsyncClient
) -> None:
    page = user.page
    await user.sign_up()
    script = await sign_in(server, user.email)
    await page.goto("/account")
    logins = page.get_by_role("region", name="Signed in on")
    await expect(logins.get_by_role("listitem")).to_have_count(2)
    await expect(logins.get_by_role("listitem").filter(has_text="this browser")).to_have_count(1)
    await logins.get_by_role("button", name="Sign out", exact=True).click()
    await expect(logins.get_by_role("listitem")).to_have_count(1)
    assert (await script.call("GET", "/v1/auth/me")).status_code == 401

    other = await sign_in(server, user.email)
    await page.get_by_role("button", name="Sign out everywhere").click()
    await page.wait_for_url("**/login**")
    assert (await other.call("GET", "/v1/auth/me")).status_code == 401


async def test_datasets_need_consent_and_a_key_has_the_chosen_scopes_and_expiry(
    user: BrowserUser, product: Product, server: httpx2.AsyncClient
) -> None:
    page = user.page
    await user.sign_up()
    user.receive_api_keys(product)
    await page.goto("/account")
    datasets = page.get_by_label("Allow datasets with my sessions")
    await expect(datasets).not_to_be_checked()
    await datasets.click()
    await expect(datasets).to_be_checked()
    await page.reload()
    await expect(datasets).to_be_checked()
    keys = page.get_by_role("region", name="API keys")
    await keys.get_by_role("textbox", name="Name").fill("backup")
    await keys.get_by_label("read usage").check()
    await keys.get_by_label("Expires").select_option("30")
    await keys.get_by_role("button", name="Create key").click()
    await expect(keys.get_by_role("listitem")).to_contain_text("read sessions, read usage · expires on")

    async def status(method: str, path: str, key: str) -> int:
        return (await server.request(method, path, headers={"Authorization": f"Bearer {key}"})).status_code

    # What the screen says is what the key may do.
    key = await keys.locator("code").inner_text()
    assert (await status("GET", "/v1/sessions", key), await status("GET", "/v1/usage", key)) == (200, 200)
    assert await status("POST", "/v1/sessions/start", key) == 403
    await keys.get_by_role("button", name="Revoke").click()
    await expect(keys.get_by_role("listitem")).to_have_count(0)
    assert await status("GET", "/v1/sessions", key) == 401
    # Another key, as it is after its 30 days. It is new: what the server knows of a used key it keeps for some seconds.
    await keys.get_by_role("textbox", name="Name").fill("old backup")
    await keys.get_by_role("button", name="Create key").click()
    await expect(keys.get_by_role("listitem")).to_contain_text("old backup")
    with psycopg.connect(product.settings.database.postgres_dsn) as db:
        assert db.execute(END_KEY, [user.email]).fetchall() == [(30,)]
    assert await status("GET", "/v1/sessions", await keys.locator("code").inner_text()) == 401


async def test_an_account_of_google_needs_no_password_and_can_set_one(user: BrowserUser, product: Product) -> None:
    page = user.page
    await user.sign_up()
    with psycopg.connect(product.settings.database.postgres_dsn) as db:
        db.execute(SIGN_IN_BY_GOOGLE_ONLY, [user.email])
    await page.goto("/account")
    form = page.get_by_role("region", name="Set a password")
    await expect(form).to_contain_text("This account signs in with Google")
    await expect(page.locator("input[autocomplete=current-password]")).to_have_count(0)
    await page.get_by_role("button", name="Delete account").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("textbox")).to_have_count(1)
    await expect(dialog.locator("input[type=password]")).to_have_count(0)
    await page.keyboard.press("Escape")
    await form.locator("input[autocomplete=new-password]").fill("a password of my own")
    await form.get_by_role("button", name="Set a password").click()
    await expect(page.get_by_role("region", name="Change password")).to_be_visible()
    await page.get_by_role("button", name="Sign out", exact=True).first.click()
    await page.wait_for_url("**/login**")
    await user.sign_in("a password of my own")
    await page.wait_for_url("**/sessions")


async def test_versions_say_when_and_why_they_were_made(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    session_id = await user.play_sample()
    await page.goto(f"/sessions/{session_id}")
    await page.wait_for_selector(".map-canvas")
    await page.get_by_role("region", name="Map").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Versions").click()
    entry = page.get_by_role("dialog").get_by_role("listitem").first
    await expect(entry).to_contain_text(re.compile(r"Version 1 .*\d\d:\d\d.*First map", re.DOTALL))


async def test_the_first_page_offers_the_extension_for_this_browser(
    user: BrowserUser, server: httpx2.AsyncClient, tmp_path: Path
) -> None:
    if not PACKAGE.exists():
        pytest.skip("the extension is not built: run `make extension`")
    page = user.page
    await user.sign_up()
    guide = page.locator(".extension-guide")
    await expect(guide.get_by_role("listitem")).to_have_count(3)
    await expect(guide).to_contain_text("chrome://extensions")
    async with page.expect_download() as loading:
        await guide.get_by_role("link", name="Download the extension").click()
    path = tmp_path / "extension.zip"
    await (await loading.value).save_as(path)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert {"manifest.json", "server.json", "popup.html"} <= set(archive.namelist())
