"""A new user's actions from sign-up to deletion, in Chromium with the whole product."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.browser_user import BrowserUser, answers_patch
from tests.dashboard.conftest import PageErrors
from tests.support.conditions import LONG_PATIENCE_S

pytestmark = pytest.mark.browser


async def test_from_sign_up_to_deletion(
    user: BrowserUser, browser: Browser, server: httpx2.AsyncClient, page_errors: PageErrors
) -> None:
    page = user.page
    await user.sign_up()
    await expect(page.get_by_role("heading", name="Your first trail starts here")).to_be_visible()

    # The sample is recorded like any session, and the timeline grows meanwhile.
    await page.get_by_role("button", name="Play a sample session").click()
    await page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}"))
    await expect(page.get_by_text("Recording", exact=True)).to_be_visible()
    await expect(page.locator("article.visit").first).to_be_visible()
    # The live map grows too; the final map replaces it after the recording.
    await page.wait_for_selector(".map-canvas")
    await expect(page.get_by_text("Recording", exact=True)).to_be_visible()
    session_id = re.search(r"/sessions/([0-9a-f-]{36})", page.url).group(1)  # type: ignore[union-attr]
    await expect(page.locator(".badge.recording, .badge.processing")).to_have_count(0, timeout=LONG_PATIENCE_S * 1_000)

    # Every layout shows the map; the outline shows it as text.
    for layout in ("Radial", "Galaxy", "Tree"):
        await page.get_by_role("button", name=layout, exact=True).click()
        await expect(page.locator(".map-canvas")).to_be_visible()
    await page.get_by_role("button", name="Outline", exact=True).click()
    topics = page.locator(".outline-row.topic")
    assert await topics.count() >= 2

    # The selection is shared by outline, evidence, timeline and URL.
    await topics.first.click()
    evidence = page.get_by_role("complementary", name="Evidence")
    await expect(evidence.locator("blockquote").first).to_be_visible()
    await expect(page.locator("article.visit.chosen").first).to_be_visible()
    assert "node=" in page.url
    await page.reload()
    await expect(evidence).to_be_visible()
    await page.locator("button.visit-title").first.click()
    await expect(evidence.locator("h2")).to_be_visible()

    # The evidence quotes its page.
    quote = (await evidence.locator("figure blockquote").first.inner_text()).strip("“”")
    assert len(quote) > 3

    # The edited title is saved.
    await page.get_by_role("button", name="Edit title").click()
    await page.get_by_label("Title", exact=True).fill("My first trail")
    # A reload aborts a request that is still on its way.
    async with page.expect_response(answers_patch("/v1/sessions/")):
        await page.keyboard.press("Enter")
    await page.reload()
    await expect(page.get_by_role("heading", name="My first trail", level=1)).to_be_visible()

    # A renamed topic: undo, redo; a new version keeps the name.
    await page.get_by_role("button", name="Outline", exact=True).click()
    await topics.first.click()
    await evidence.get_by_role("button", name="Rename").click()
    await page.get_by_label("New name").fill("Named by hand")
    await page.get_by_role("button", name="Save").click()
    await expect(topics.first).to_contain_text("Named by hand")
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect(topics.first).not_to_contain_text("Named by hand")
    await page.locator(".map-bar").get_by_role("button", name="Redo").click()
    await expect(topics.first).to_contain_text("Named by hand")
    # A part of the topic is split off; a node is hidden and shown again.
    num_topics = await topics.count()
    await evidence.get_by_role("button", name="More edits").click()
    await page.get_by_role("menuitem", name="Split off").click()
    await page.get_by_label("Name of the new topic").fill("Taken out")
    await page.get_by_role("dialog").get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Split off").click()
    await expect(topics).to_have_count(num_topics + 1)
    await topics.filter(has_text="Taken out").click()
    await expect(evidence.locator("h2")).to_have_text("Taken out")
    await evidence.get_by_role("button", name="More edits").click()
    await page.get_by_role("menuitem", name="Hide").click()
    await expect(topics).to_have_count(num_topics)
    await page.locator(".map-bar").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="left out").click()
    await page.get_by_role("button", name="Show again").click()
    await expect(topics).to_have_count(num_topics + 1)
    await page.keyboard.press("Escape")

    await page.locator(".map-bar").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Draw again").click()
    await page.get_by_role("button", name="Draw again").click()
    await expect(evidence).to_contain_text("version 2", timeout=LONG_PATIENCE_S * 1_000)
    await expect(page.get_by_role("tree")).to_contain_text("Named by hand")

    # Shared read-only: a visitor without a login sees the map until the link is revoked.
    await page.get_by_role("button", name="Share", exact=True).click()
    await page.context.grant_permissions(["clipboard-read"])
    await page.get_by_role("button", name="Create link").click()
    await expect(page.get_by_text("The link is ready and copied.")).to_be_visible()
    link = await page.get_by_role("dialog").get_by_role("textbox").input_value()
    assert await page.evaluate("navigator.clipboard.readText()") == link, "two clicks copy a link"
    await page.get_by_role("button", name="Copy picture link").click()
    await expect(page.get_by_text("The picture link is copied.")).to_be_visible()
    picture = httpx2.URL(await page.evaluate("navigator.clipboard.readText()")).raw_path.decode()
    assert (await server.get(picture)).status_code == 200
    await page.get_by_role("button", name="Revoke all picture links").click()
    await expect(page.get_by_text("No picture link of this map works any longer.")).to_be_visible()
    assert (await server.get(picture)).status_code == 404
    visitor = await (await browser.new_context(locale="en-US")).new_page()
    await visitor.goto(link.replace(httpx2.URL(link).netloc.decode(), httpx2.URL(user.origin).netloc.decode()))
    await expect(visitor.locator(".map-canvas")).to_be_visible()
    await expect(visitor.get_by_role("button", name="Share", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.get_by_text("No links yet.")).to_be_visible()
    await visitor.reload()
    await expect(visitor.get_by_role("heading", name="This link no longer works")).to_be_visible()
    await page.keyboard.press("Escape")

    # Exported as a file.
    await page.get_by_role("button", name="Export", exact=True).click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name="Picture (PNG)").click()
    path = await (await download.value).path()
    assert path.read_bytes().startswith(b"\x89PNG")

    # Search finds a word of a page.
    await page.goto("/search?q=python")
    await expect(page.locator("a.hit mark").first).to_be_visible()

    # The server filters the list; the URL keeps the filter.
    await page.goto("/sessions?q=My+first")
    await expect(page.locator(f'[data-session="{session_id}"]')).to_be_visible()
    await page.goto("/sessions?from=2001-01-01&to=2001-12-31")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").first.click()
    await page.get_by_label("Site", exact=True).fill("nowhere.test")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()

    # The page about disclosures says that nothing was sent to a provider.
    await page.goto(f"/sessions/{session_id}")
    await page.locator(".session-head").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="What was sent where").click()
    await expect(page.get_by_text("Nothing left this server")).to_be_visible()

    # A page is forgotten in the session, a site from search.
    await page.goto(f"/sessions/{session_id}")
    visits = page.locator("article.visit")
    num_visits = await visits.count()
    await page.locator("button.visit-title").first.click()
    await evidence.get_by_role("button", name="Forget…").click()
    dialog = page.locator(".dialog")
    await expect(dialog.get_by_role("radio", name="This page")).to_be_checked()
    await dialog.get_by_role("button", name="Forget permanently").click()
    await expect(page.get_by_text(re.compile(r"Forgotten\. \d+ entries were deleted or rewritten\."))).to_be_visible()
    await expect(visits).not_to_have_count(num_visits)
    await page.goto("/search?q=python")
    await page.locator(".hits").get_by_role("button", name="Forget…").first.click()
    await dialog.get_by_role("radio", name=re.compile("Every page on ")).check()
    await dialog.get_by_role("button", name="Forget permanently").click()
    await expect(page.get_by_text(re.compile(r"Forgotten\. \d+ entries"))).to_be_visible()

    # Deletion, undo, and permanent deletion.
    await page.goto("/sessions")
    card = page.locator(f'[data-session="{session_id}"]')
    await expect(card.locator("img")).to_be_visible()
    for _ in range(2):
        await card.get_by_role("button", name="Actions for My first trail").click()
        await page.get_by_role("menuitem", name="Delete").click()
        await expect(card).to_have_count(0)
        await page.get_by_role("button", name="Undo").click()
        await expect(card).to_be_visible()
    await card.get_by_role("button", name="Actions for My first trail").click()
    async with page.expect_response(lambda reply: reply.request.method == "DELETE"):
        await page.get_by_role("menuitem", name="Delete").click()
    await expect(page.get_by_role("heading", name="Your first trail starts here")).to_be_visible()
    await page.goto(f"/sessions/{session_id}")
    await expect(page.get_by_role("heading", name="This session does not exist")).to_be_visible()
    # Everything that was deleted has its receipt.
    await page.goto("/account")
    receipts = page.get_by_role("region", name="What you deleted").locator("li")
    forgotten = r".*Events \d+ .*Search entries \d+"
    await expect(receipts).to_have_text(
        [
            re.compile("^A session.*Can still be restored"),
            re.compile(f"^A site{forgotten}"),
            re.compile(f"^A page{forgotten}"),
        ]
    )
    assert [message for message in page_errors.messages if "404" not in message] == []


async def test_sign_in_returns_to_the_requested_page(user: BrowserUser, page_errors: PageErrors) -> None:
    page = user.page
    await user.sign_up()
    await page.goto("/account")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url("**/login**")
    await page.goto("/search?q=bread")
    await page.wait_for_url("**/login?next=**")

    # A wrong password shows an error and keeps the typed e-mail address.
    await user.sign_in("not the password")
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    assert await page.locator("input[type=email]").input_value() == user.email
    await user.sign_in()
    await page.wait_for_url("**/search?q=bread")

    # A reload keeps the login, and no script can read a token.
    await page.reload()
    await expect(page.get_by_role("heading", name="Search")).to_be_visible()
    storage = await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
    assert "eyJ" not in storage
    assert [message for message in page_errors.messages if "401" not in message] == []


async def test_the_account_can_be_erased(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await page.goto("/account")
    await page.get_by_role("button", name="Delete account").click()
    confirm = page.get_by_role("button", name="Delete everything")
    await expect(confirm).to_be_disabled()
    dialog = page.get_by_role("dialog")
    await dialog.locator("input[type=email]").fill(user.email)
    await dialog.locator("input[type=password]").fill("correct horse battery")
    await confirm.click()
    await page.wait_for_url("**/login")
    await user.sign_in()
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
