"""What the pointer and the keyboard do on the map of a recorded session, in Chromium with the whole product."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route, expect

from benchmarks.bench_dashboard import record
from benchmarks.bench_map import SAMPLES
from launch.replay import read_session_file
from tests.dashboard.browser_user import BrowserUser

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class RecordedUser:
    """A user with one recorded session."""

    email: str
    session_id: str


@pytest.fixture(scope="module")
def recorded(origin: str) -> RecordedUser:
    """A session of 44 pages."""
    email = f"{uuid.uuid4().hex[:10]}@test.local"
    events = read_session_file(SAMPLES / "02-web-app-week.events.json")
    return RecordedUser(email, record(origin, email, events))


@pytest.fixture
async def map_page(user: BrowserUser, recorded: RecordedUser) -> Page:
    """The map of the session, side by side with its timeline."""
    await open_session(user, recorded)
    return user.page


async def open_session(user: BrowserUser, recorded: RecordedUser, query: str = "") -> None:
    user.email = recorded.email
    await user.page.goto("/login")
    await user.sign_in()
    await user.page.wait_for_url("**/sessions")
    await user.page.goto(f"/sessions/{recorded.session_id}{query}")
    await user.page.locator(".map-tiles canvas").first.wait_for()


async def nodes(page: Page, kind: str) -> dict[str, str]:
    """The labels of the nodes of a type by their ids, as the API returns them."""
    session = re.search(r"/sessions/([0-9a-f-]{36})", page.url)
    assert session
    async with page.expect_response(f"**/v1/sessions/{session[1]}/mindmap") as response:
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await page.reload()
    document = (await (await response.value).json())["mindmap"]["data"]
    await page.locator(".map-tiles canvas").first.wait_for()
    return {node["id"]: node["label"] for node in document["nodes"] if node["type"] == kind}


async def put_cursor_on(page: Page, label: str) -> str:
    """Select a node by searching for it, end the selection, and return the node's id."""
    await page.get_by_role("button", name="Find on the map").click()
    await page.get_by_role("searchbox", name="Find on the map").fill(label)
    await page.keyboard.press("Enter")
    cursor = page.locator("#map-cursor")
    await expect(cursor).to_have_attribute("aria-label", label)
    await page.keyboard.press("Escape")
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("Escape")
    await expect(page.locator(".evidence")).to_have_count(0)
    return str(await cursor.get_attribute("data-node"))


async def centre_of(page: Page) -> tuple[float, float]:
    """The centre of the label that the map's cursor is on, once it has stopped moving."""
    before = None
    for _ in range(100):
        box = await page.locator("#map-cursor").bounding_box()
        if box and box == before:
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = box
        await asyncio.sleep(0.1)
    raise AssertionError("the map did not come to rest")


@pytest.mark.parametrize("pause_ms", [30, 150, 300])
async def test_double_click_renames_the_node_under_the_pointer(map_page: Page, pause_ms: int) -> None:
    page = map_page
    for label in list((await nodes(page, "topic")).values())[:3]:
        await put_cursor_on(page, label)
        x, y = await centre_of(page)
        await page.mouse.click(x, y, delay=10)
        await asyncio.sleep(pause_ms / 1000)
        await page.mouse.down(click_count=2)
        await page.mouse.up(click_count=2)
        field = page.locator(".map-rename input")
        await expect(field).to_have_value(label)
        # The field stands where the label stood.
        box = await field.bounding_box()
        assert box and abs(box["y"] + box["height"] / 2 - y) < 12
        await page.keyboard.press("Escape")
        await expect(field).to_have_count(0)


async def test_a_click_moves_nothing_under_the_pointer(map_page: Page) -> None:
    page = map_page
    for label in (await nodes(page, "subtopic")).values():
        await put_cursor_on(page, label)
        x, y = await centre_of(page)
        await page.mouse.click(x, y)
        await expect(page.locator("#map-cursor")).to_have_attribute("aria-selected", "true")
        moved = await page.locator("#map-cursor").bounding_box()
        assert moved and abs(moved["x"] + moved["width"] / 2 - x) < 2, label
        await expect(page.locator(".evidence h2")).to_have_text(label)
        # A node that the panel covers comes into view when no double click is possible any more.
        end_x, _ = await centre_of(page)
        panel = await page.locator(".evidence").bounding_box()
        assert panel and (end_x < panel["x"])
        await page.locator(".map-canvas").focus()
        await page.keyboard.press("Escape")


async def test_the_mouse_folds_and_unfolds_a_branch_in_place(map_page: Page) -> None:
    page = map_page
    label = next(iter((await nodes(page, "subtopic")).values()))
    await put_cursor_on(page, label)
    cursor = page.locator("#map-cursor")
    await expect(cursor).to_have_attribute("aria-expanded", "false")
    for expanded in ("true", "false"):
        await centre_of(page)
        box = await cursor.bounding_box()
        assert box
        canvas = await page.locator(".map-canvas").bounding_box()
        assert canvas
        is_right = box["x"] > canvas["x"] + canvas["width"] / 2 or True
        await page.mouse.click(box["x"] + box["width"] + 12 if is_right else box["x"] - 12, box["y"] + box["height"] / 2)
        await expect(cursor).to_have_attribute("aria-expanded", expanded)
        # Folding is no selection.
        assert "node=" not in page.url


async def test_f2_renames_in_place_on_the_map_in_the_outline_and_in_the_galaxy(map_page: Page) -> None:
    page = map_page
    label = next(iter((await nodes(page, "topic")).values()))
    await put_cursor_on(page, label)
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill("Renamed on the map")
    await page.keyboard.press("Enter")
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", "Renamed on the map")

    await page.get_by_role("button", name="Outline", exact=True).click()
    await page.locator(".outline-row.topic", has_text="Renamed on the map").click()
    await page.keyboard.press("F2")
    await page.locator(".outline-row input").fill("Renamed in the outline")
    await page.keyboard.press("Enter")
    await expect(page.locator(".outline-row.topic", has_text="Renamed in the outline")).to_be_focused()

    await page.get_by_role("button", name="Galaxy", exact=True).click()
    await page.locator(".map-canvas.galaxy").wait_for()
    await page.locator(".evidence h2").click()
    await page.keyboard.press("F2")
    field = page.locator(".map-rename input")
    await expect(field).to_have_value("Renamed in the outline")
    await field.fill(label)
    await page.keyboard.press("Enter")
    await expect(page.locator(".evidence h2")).to_have_text(label)


async def test_dragging_shows_a_ghost_and_its_target_then_moves_and_merges(map_page: Page) -> None:
    page = map_page
    first, second, *_ = (await nodes(page, "topic")).values()
    await put_cursor_on(page, second)
    target = await centre_of(page)
    height = (await page.locator("#map-cursor").bounding_box() or {})["height"]
    await put_cursor_on(page, first)
    start = await centre_of(page)
    ghost = page.locator(".map-ghost")

    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move(start[0] + 30, start[1] + 20, steps=3)
    await expect(ghost).to_contain_text(first)
    await page.mouse.move(*target, steps=5)
    await expect(ghost).to_contain_text(f"Move “{first}” to “{second}”")
    await page.mouse.move(target[0], target[1] - height / 2 - 8, steps=3)
    await expect(ghost).to_contain_text(f"Merge “{first}” with “{second}”")
    # Let go beside every target, nothing happens.
    await page.mouse.move(start[0] + 300, 890, steps=3)
    await page.mouse.up()
    await expect(ghost).to_have_count(0)
    assert first in (await nodes(page, "topic")).values()

    await put_cursor_on(page, first)
    await page.mouse.move(*await centre_of(page))
    await page.mouse.down()
    await page.mouse.move(*target, steps=8)
    await page.mouse.move(target[0], target[1] - height / 2 - 8, steps=3)
    await expect(ghost).to_contain_text("Merge")
    await page.mouse.up()
    await expect(page.get_by_text(f"“{first}” merged into “{second}”")).to_be_visible()
    assert first not in (await nodes(page, "topic")).values()
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Undone")).to_be_visible()
    assert first in (await nodes(page, "topic")).values()


async def test_an_edit_is_visible_at_once_however_slow_the_server(map_page: Page) -> None:
    page = map_page
    label = next(iter((await nodes(page, "topic")).values()))
    await put_cursor_on(page, label)
    answer = asyncio.Event()

    async def later(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await page.route("**/mindmap", lambda route: later(route) if route.request.method == "PATCH" else route.continue_())
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill("Before the answer")
    # The time from the key to the new label, on the page's clock.
    elapsed_ms = await page.evaluate(
        """() => new Promise((resolve) => {
            const from = performance.now();
            const cursor = document.querySelector('#map-cursor');
            new MutationObserver(() => resolve(performance.now() - from)).observe(cursor, { attributes: true });
            document.querySelector('.map-rename input').dispatchEvent(
                new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
        })"""
    )
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", "Before the answer")
    assert elapsed_ms < 100
    # Undo is visible at once too, and both arrive in order.
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", label)
    answer.set()
    await expect(page.get_by_text("Undone")).to_be_visible()
    assert label in (await nodes(page, "topic")).values()


async def test_a_refused_edit_is_taken_back(map_page: Page) -> None:
    page = map_page
    label = next(iter((await nodes(page, "topic")).values()))
    await put_cursor_on(page, label)
    await page.route(
        "**/mindmap",
        lambda route: route.abort("connectionrefused") if route.request.method == "PATCH" else route.continue_(),
    )
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill("Never saved")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("The edit was not saved.")).to_be_visible()
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", label)


async def test_two_tabs_see_each_other_and_never_overwrite_silently(
    map_page: Page, browser: Browser, recorded: RecordedUser, origin: str
) -> None:
    page = map_page
    label = next(iter((await nodes(page, "topic")).values()))
    await put_cursor_on(page, label)
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=origin
    )
    other = BrowserUser(await context.new_page(), origin)
    await open_session(other, recorded)
    await put_cursor_on(other.page, label)

    # What one tab saves, the other shows without a reload.
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill("From the first tab")
    await page.keyboard.press("Enter")
    await expect(other.page.locator("#map-cursor")).to_have_attribute("aria-label", "From the first tab")

    # An edit that is based on an older state is refused, and can be applied on purpose.
    await other.page.route("**/stream*", lambda route: route.abort())
    await other.page.reload()
    await other.page.locator(".map-tiles canvas").first.wait_for()
    await put_cursor_on(other.page, "From the first tab")
    await page.keyboard.press("F2")
    async with page.expect_response(lambda response: response.request.method == "PATCH"):
        await page.locator(".map-rename input").fill("Later, first tab")
        await page.keyboard.press("Enter")
    await other.page.keyboard.press("F2")
    await other.page.locator(".map-rename input").fill("Second tab")
    await other.page.keyboard.press("Enter")
    await expect(other.page.get_by_text("The map was changed elsewhere meanwhile.")).to_be_visible()
    await expect(other.page.locator("#map-cursor")).to_have_attribute("aria-label", "Later, first tab")
    await other.page.get_by_role("button", name="Apply anyway").click()
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", "Second tab")
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill(label)
    await page.keyboard.press("Enter")
    await expect(other.page.locator("#map-cursor")).to_have_attribute("aria-label", label)
    await context.close()


async def test_a_new_topic(map_page: Page) -> None:
    page = map_page
    await page.get_by_role("button", name="New topic").click()
    await page.get_by_label("New name").fill("A topic of my own")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("“A topic of my own” added")).to_be_visible()
    assert "A topic of my own" in (await nodes(page, "topic")).values()
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Undone")).to_be_visible()
