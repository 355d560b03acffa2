"""Search filters, pages read in several sessions, and topics that recur over sessions."""

from __future__ import annotations

import asyncio
import re

import httpx2
import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from tests.dashboard.browser_user import BrowserUser, answers_patch, expect_toast
from tests.dashboard.test_access import choose_language
from tests.support.product import Product

pytestmark = pytest.mark.browser


async def test_two_sessions_on_one_subject(user: BrowserUser, server: httpx2.AsyncClient, product: Product) -> None:
    page = user.page
    await user.sign_up()
    first = await user.play_sample()
    topics = page.locator(".outline-row.topic")
    await page.goto(f"/sessions/{first}?layout=outline")
    await topics.first.click()
    await page.keyboard.press("F2")
    async with page.expect_response(answers_patch("/v1/sessions/")):
        await page.locator(".outline-row input").fill("In my words")
        await page.keyboard.press("Enter")
    await page.goto("/sessions")
    second = await user.play_sample()
    assert first != second

    # The name is on the second map too, which says where it comes from; one click takes the generated name.
    await page.goto(f"/sessions/{second}?layout=outline")
    await topics.filter(has_text="In my words").click()
    evidence = page.get_by_role("complementary", name="Evidence")
    source = evidence.locator("p", has_text="In your own words, from the session").get_by_role("link")
    await expect(source).to_have_attribute("href", re.compile(first))
    generated = evidence.get_by_role("button", name="Use the generated name instead")
    async with page.expect_response(answers_patch("/v1/sessions/")):
        await generated.click()
    await expect(generated).to_have_count(0)
    await expect(topics.filter(has_text="In my words")).to_have_count(0)

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
    list_width = await threads.first.locator(".panel-list").evaluate("list => list.offsetWidth")
    assert list_width > await threads.first.evaluate("thread => thread.offsetWidth") - 80
    num_threads = await threads.count()
    await threads.first.get_by_role("button", name="Take out").first.click()
    await expect(page.get_by_text("Taken out of this subject")).to_be_visible()
    await expect(threads).to_have_count(num_threads - 1)
    await page.locator(".toast").get_by_role("button", name="Undo").click()
    await expect(threads).to_have_count(num_threads)
    await expect(threads.filter(has_text="linked by you")).to_have_count(1)

    # Several sessions on one map, with edits and versions.
    await page.goto("/sessions")
    boxes = page.locator(".cards input[type=checkbox]")
    await expect(boxes).to_have_count(2)
    for i in range(2):
        await boxes.nth(i).check()
    await pick_in_palette(page, "One map", "2 sessions chosen")
    await page.wait_for_url("**/maps/**")
    await expect(page.locator(".joint-members li")).to_have_count(2)
    await use_as_the_map_of_a_session(page)
    await page.goto(f"{page.url.split('?')[0]}?layout=outline")
    await page.locator(".outline-row.topic").first.click(timeout=60_000)
    await page.keyboard.press("F2")
    async with page.expect_response(answers_patch("/v1/maps/")):
        await page.locator(".outline-row input").fill("Named by me")
        await page.keyboard.press("Enter")
    await page.reload()
    await expect(page.locator(".outline-row.topic", has_text="Named by me")).to_be_visible()
    await pick_in_palette(page, "Draw again", "this map")
    await expect_toast(page, "The sessions have not changed, so the map stays as it is.")

    # Another input makes another version, which can be compared with the first and replaced by it.
    with psycopg.connect(product.settings.database.postgres_dsn) as db:
        db.execute("UPDATE joint_maps SET title = 'Both at once' WHERE id = %s", [page.url.split("/maps/")[1][:36]])
    await page.get_by_role("button", name="More actions for the map").click()
    await page.get_by_role("menuitem", name="Draw again").click()
    await expect(page.get_by_role("heading", name="Both at once")).to_be_visible()
    await page.get_by_role("button", name="More actions for the map").click()
    await page.get_by_role("menuitem", name="Versions").click()
    versions = page.get_by_role("dialog", name="Versions")
    await versions.get_by_role("button", name="Compare with current").click()
    await expect(versions.locator("[aria-live] li")).to_contain_text(["Both at once"])
    # On a phone the text of a version has the width of the screen, with its buttons below.
    await page.set_viewport_size({"width": 390, "height": 844})
    text = await versions.locator("li > .grow").last.bounding_box()
    assert text is not None
    assert text["width"] > 250
    await page.set_viewport_size({"width": 1280, "height": 800})
    await versions.get_by_role("button", name="Restore").click()
    await expect(versions).to_contain_text("Restored from version 1")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="More actions for the map").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("dialog", name="Delete this map?").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Combined maps")).to_be_visible()

    # By days: the sample's sessions are of these days.
    await page.get_by_label("From").fill("2000-01-01")
    await page.get_by_label("To", exact=True).fill("2037-12-31")
    await page.get_by_label("Name").fill("All of it")
    await page.get_by_role("button", name="Draw a map over these days").click()
    await expect(page.get_by_role("heading", name="All of it")).to_be_visible()
    await expect(page.locator(".joint-members li")).to_have_count(2)

    # A new map that could not be made, or is worse, leaves the map with a sentence and a choice.
    await page.route(f"**/sessions/{first}/mindmap", fail_remake)
    await page.goto(f"/sessions/{first}")
    banner = page.get_by_role("region", name="The new map")
    await expect(banner).to_contain_text("The new map was made without a model, so the better one stays.")
    await expect(banner).to_contain_text("none answered in time")
    await expect(banner).to_contain_text("You see the version of")
    await expect(banner.get_by_role("button", name="Use the new map")).to_be_visible()
    await expect(banner.get_by_role("button", name="Try again")).to_be_visible()
    await page.unroute(f"**/sessions/{first}/mindmap")
    await banner.get_by_role("button", name="Keep this version").click()
    await expect(banner).to_have_count(0)

    # In Korean: the hour of a page is forgotten from search, and the receipt says what went.
    await choose_language(server, user.email, "ko")
    await page.goto("/search?q=git")
    await hits.first.get_by_role("button", name="기록 지우기…").click()
    await page.get_by_role("dialog").get_by_role("radio", name=re.compile("의 모든 기록$")).check()
    await page.get_by_role("dialog").get_by_role("button", name="영구히 지우기").click()
    await expect(page.get_by_text(re.compile(r"지웠어요\. \d+개 항목"))).to_be_visible()
    await page.goto("/account")
    # What was deleted before may have its receipt by now.
    receipt = page.get_by_role("region", name="지운 기록").locator("li").filter(has_text="한 시간")
    await expect(receipt).to_have_text(re.compile(r"^한 시간.*이벤트 \d+ .*검색 항목 \d+"))


async def use_as_the_map_of_a_session(page: Page) -> None:
    """Two stops lead to the map, no panel opens under a double click, and what is hidden can be shown again."""
    canvas, cursor = page.locator(".map-canvas"), page.locator("#map-cursor")
    await canvas.wait_for()
    await page.reload()
    await canvas.wait_for()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Skip to the map")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(canvas).to_be_focused()

    await page.keyboard.press("ArrowRight")
    await expect(cursor).to_have_attribute("aria-level", "2")
    label = await cursor.get_attribute("aria-label")
    assert label
    await page.keyboard.press("Escape")
    await expect(page.locator(".evidence")).to_have_count(0)
    # The map is dragged until the topic is where the panel opens.
    box, stage = await cursor.bounding_box(), await canvas.bounding_box()
    assert box
    assert stage
    corner = stage["x"] + 4, stage["y"] + 4
    target = stage["x"] + stage["width"] - 180
    await page.mouse.move(*corner)
    await page.mouse.down()
    await page.mouse.move(corner[0] + target - box["x"] - box["width"] / 2, corner[1], steps=4)
    await page.mouse.up()
    at = target, box["y"] + box["height"] / 2
    await page.mouse.click(*at)
    await asyncio.sleep(0.15)
    await page.mouse.down(click_count=2)
    await page.mouse.up(click_count=2)
    await expect(page.locator(".map-rename input")).to_have_value(label)
    await page.keyboard.press("Escape")

    evidence = page.locator(".evidence")
    await evidence.get_by_role("button", name="More edits").click()
    async with page.expect_response(answers_patch("/v1/maps/")):
        await page.get_by_role("menuitem", name="Hide", exact=True).click()
    await page.get_by_role("button", name="More actions for the map").click()
    await page.get_by_role("menuitem", name=re.compile(r"^\d+ left out$")).click()
    left_out = page.get_by_role("dialog", name="Left out")
    async with page.expect_response(answers_patch("/v1/maps/")):
        await left_out.locator("li", has_text=label).get_by_role("button", name="Show again").click()
    await expect(left_out.get_by_text("Hidden by you")).to_have_count(0)
    await page.keyboard.press("Escape")


async def pick_in_palette(page: Page, label: str, subject: str) -> None:
    """Run an action of the page in front, which names what it acts on."""
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill(label)
    await page.get_by_role("option", name=f"{label} · {subject}").click()


async def fail_remake(route: Route) -> None:
    """Answer as if the last generation had made a weaker map."""
    response = await route.fetch()
    body = await response.json()
    body["mindmap"] |= {
        "error_code": "WEAKER_MAP",
        "error_message": "kept",
        "offered_version": {"number": 1, "notes": [{"code": "models_late", "values": {}}], "created_at": "2026-11-28T"},
    }
    await route.fulfill(response=response, json=body)
