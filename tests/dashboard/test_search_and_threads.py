"""Search filters, pages read in several sessions, and topics that recur over sessions."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.dashboard.browser_user import BrowserUser

pytestmark = pytest.mark.browser


async def test_two_sessions_on_one_subject(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    first = await user.play_sample()
    await page.goto("/sessions")
    second = await user.play_sample()
    assert first != second

    # A page that was read in both sessions is one result.
    await page.goto("/search?q=git")
    hits = page.locator(".hits > li")
    await expect(hits.first).to_contain_text("Also in")
    titles = await hits.locator(".strong").all_inner_texts()
    assert len(titles) == len(set(titles))

    # Filters are in the URL and survive a reload.
    await page.get_by_label("Only marked pages").check()
    await page.wait_for_url("**marked=true**")
    await page.get_by_label("Site").fill("git-scm.com")
    await page.get_by_label("Site").press("Enter")
    await page.wait_for_url("**domain=git-scm.com**")
    await page.reload()
    await expect(page.get_by_label("Only marked pages")).to_be_checked()
    await page.goto(f"/search?q=git&session={first}")
    await expect(hits.first).to_be_visible()
    await expect(hits.first).not_to_contain_text("Also in")
    await page.goto("/search?q=git&domain=nowhere.example")
    await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(hits.first).to_be_visible()

    # The palette shows the sentence that matches.
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill("virtual host")
    marked = page.locator(".palette-sentence mark").first
    await expect(marked).to_be_visible()
    await expect(marked).to_have_text(re.compile("virtual|host", re.IGNORECASE))
    await page.keyboard.press("Escape")

    # Topics that recur, with their confidence; one can be taken out.
    await page.goto("/sessions")
    await page.get_by_role("link", name="Recurring topics").click()
    threads = page.locator(".thread")
    await expect(threads.first).to_contain_text(re.compile(r"\d+% sure"))
    num_threads = await threads.count()
    await threads.first.get_by_role("button", name="Take out").first.click()
    await expect(page.get_by_text("Taken out of this subject")).to_be_visible()
    await expect(threads).to_have_count(num_threads - 1)
