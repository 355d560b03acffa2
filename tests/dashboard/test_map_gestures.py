"""What the pointer and the keyboard do on the map of a recorded session, in Chromium with the whole product."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass

import httpx2
import pytest
from playwright.async_api import Browser, Page, Route, expect

from cluster.mindmap.evaluation.session_file import parse_events
from launch.samples import sample_events
from tests.dashboard.browser_user import BrowserUser, answers_patch, expect_toast
from tests.support.client import PASSWORD
from tests.support.conditions import LONG_PATIENCE_S, PATIENCE_S
from tests.support.recorded_session import record

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
    events = parse_events(sample_events("02-web-app-week").read_bytes())
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


@dataclass(frozen=True)
class StoredMap:
    """The map of the session as the server has it."""

    server: httpx2.AsyncClient
    recorded: RecordedUser

    async def labels(self, *kinds: str) -> dict[str, str]:
        """The ids of the nodes of these types, by their labels. There is at least one."""
        credentials = {"email": self.recorded.email, "password": PASSWORD}
        token = (await self.server.post("/v1/auth/login", json=credentials)).json()["token"]
        path = f"/v1/sessions/{self.recorded.session_id}/mindmap"
        reply = await self.server.get(path, headers={"Authorization": f"Bearer {token}"})
        found = reply.json()["mindmap"]["data"]["nodes"]
        labels = {node["label"]: node["id"] for node in found if node["type"] in kinds}
        assert labels, f"the map has no node of these types: {kinds}"
        return labels


@pytest.fixture
def stored(server: httpx2.AsyncClient, recorded: RecordedUser) -> StoredMap:
    return StoredMap(server, recorded)


async def put_cursor_on(page: Page, node_id: str) -> None:
    """Select a node as a link to it does, and end the selection: the map's cursor stays on the node."""
    await page.evaluate(
        """id => {
            history.pushState({}, '', `${location.pathname}?node=${id}`);
            dispatchEvent(new PopStateEvent('popstate'));
        }""",
        node_id,
    )
    cursor = page.locator("#map-cursor")
    await expect(cursor).to_have_attribute("data-node", node_id)
    await expect(page.locator(".evidence")).to_be_visible()
    await centre_of(page)
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("Escape")
    await expect(page.locator(".evidence")).to_have_count(0)
    await expect(cursor).to_have_attribute("data-node", node_id)


async def centre_of(page: Page) -> tuple[float, float]:
    """The centre of the label that the map's cursor is on, once it has stopped moving."""
    before = None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            # Labels have another width, and the map another place, once their fonts are loaded.
            await page.evaluate("() => document.fonts.ready.then(() => undefined)")
            box = await page.locator("#map-cursor").bounding_box()
            if box and box == before:
                return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            before = box
            # By the page's own clock, which a busy machine delays together with the page: a selected node is moved
            # into view by a timer of 30 ms.
            await page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
            await two_frames(page)


async def two_frames(page: Page) -> None:
    """Wait until the page has drawn what happened before."""
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.parametrize("pause_ms", [30, 150, 300])
async def test_double_click_renames_the_node_under_the_pointer(
    map_page: Page, stored: StoredMap, pause_ms: int
) -> None:
    page = map_page
    for label, node_id in list((await stored.labels("topic")).items())[:3]:
        await put_cursor_on(page, node_id)
        x, y = await centre_of(page)
        await page.mouse.click(x, y, delay=10)
        await asyncio.sleep(pause_ms / 1000)
        await page.mouse.down(click_count=2)
        await page.mouse.up(click_count=2)
        field = page.locator(".map-rename input")
        await expect(field).to_have_value(label)
        # The field stands where the label stood.
        box = await field.bounding_box()
        assert box
        assert abs(box["y"] + box["height"] / 2 - y) < 12
        await page.keyboard.press("Escape")
        await expect(field).to_have_count(0)


async def test_a_click_moves_nothing_under_the_pointer(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    for label, node_id in (await stored.labels("topic", "subtopic")).items():
        await put_cursor_on(page, node_id)
        x, y = await centre_of(page)
        await page.mouse.click(x, y)
        await expect(page.locator("#map-cursor")).to_have_attribute("aria-selected", "true")
        moved = await page.locator("#map-cursor").bounding_box()
        assert moved
        assert abs(moved["x"] + moved["width"] / 2 - x) < 2, label
        await expect(page.locator(".evidence h2")).to_have_text(label)
        # A node that the panel covers comes into view when no double click is possible any more.
        await centre_of(page)
        end = await page.locator("#map-cursor").bounding_box()
        panel = await page.locator(".evidence").bounding_box()
        assert end
        assert panel
        # So does the control behind its label that folds the branch; this tree has all its branches on the right.
        can_fold = await page.locator("#map-cursor").get_attribute("aria-expanded") is not None
        assert end["x"] + end["width"] + 20 * can_fold < panel["x"], label
        await page.locator(".map-canvas").focus()
        await page.keyboard.press("Escape")


async def test_the_mouse_folds_and_unfolds_a_branch_in_place(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    await put_cursor_on(page, next(iter((await stored.labels("topic")).values())))
    cursor = page.locator("#map-cursor")
    # How much of a map is unfolded at first depends on its size.
    is_unfolded = await cursor.get_attribute("aria-expanded") == "true"
    for expanded in ("false", "true") if is_unfolded else ("true", "false"):
        await centre_of(page)
        box = await cursor.bounding_box()
        assert box
        # The control stands behind the label; this tree has all its branches on the right.
        await page.mouse.click(box["x"] + box["width"] + 12, box["y"] + box["height"] / 2)
        await expect(cursor).to_have_attribute("aria-expanded", expanded)
        # Folding is no selection.
        assert "node=" not in page.url


async def test_f2_renames_in_place_on_the_map_in_the_outline_and_in_the_galaxy(
    map_page: Page, stored: StoredMap
) -> None:
    page = map_page
    label, node_id = next(iter((await stored.labels("topic")).items()))
    await put_cursor_on(page, node_id)
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


async def test_dragging_shows_a_ghost_and_its_target_then_moves_and_merges(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    (first, first_id), (second, second_id), *_ = (await stored.labels("topic")).items()
    await put_cursor_on(page, second_id)
    target = await centre_of(page)
    box = await page.locator("#map-cursor").bounding_box()
    assert box
    height = box["height"]
    await put_cursor_on(page, first_id)
    start = await centre_of(page)
    ghost = page.locator(".map-ghost")

    await page.mouse.move(*start)
    await expect(page.locator(".map-hover")).to_be_visible()
    await page.mouse.down()
    await page.mouse.move(start[0] + 30, start[1] + 20, steps=3)
    await expect(ghost).to_contain_text(first)
    await expect(page.locator(".map-hover")).to_have_count(0)
    await page.mouse.move(*target, steps=5)
    await expect(ghost).to_contain_text(f"Move “{first}” to “{second}”")
    await page.mouse.move(target[0], target[1] - height / 2 - 8, steps=3)
    await expect(ghost).to_contain_text(f"Merge “{first}” with “{second}”")
    # Escape ends a drag without an edit; a drop between all nodes gives this one a place of its own.
    await page.keyboard.press("Escape")
    await expect(ghost).to_have_count(0)
    await page.mouse.up()
    assert first in await stored.labels("topic")
    cursor = page.locator("#map-cursor")
    await expect(cursor).to_have_attribute("data-node", first_id)
    await page.mouse.move(*start)
    await page.mouse.down()
    free = start[0] + 60, 890
    await page.mouse.move(*free, steps=3)
    await expect(ghost).to_contain_text("Release to keep it here")
    async with page.expect_response(answers_patch("/mindmap")):
        await page.mouse.up()
    assert await centre_of(page) == pytest.approx(free, abs=3)
    # The keyboard moves it on, in one undo step, and the menu resets both.
    await page.locator(".map-canvas").focus()
    await page.keyboard.down("Shift")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        await page.keyboard.press(key)
    async with page.expect_response(answers_patch("/mindmap")):
        await page.keyboard.up("Shift")
    assert await centre_of(page) == pytest.approx((free[0] - 24, free[1] - 48), abs=3)
    await page.keyboard.press("Enter")
    evidence = page.locator(".evidence")
    await evidence.get_by_role("button", name="More edits").click()
    async with page.expect_response(answers_patch("/mindmap")):
        await page.get_by_role("menuitem", name="Reset place").click()
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("Escape")
    await expect(evidence).to_have_count(0)
    # The panel may have pushed the map to the left.
    assert (await centre_of(page))[1] == pytest.approx(start[1], abs=3)

    await put_cursor_on(page, first_id)
    await page.mouse.move(*await centre_of(page))
    await page.mouse.down()
    await page.mouse.move(*target, steps=8)
    await page.mouse.move(target[0], target[1] - height / 2 - 8, steps=3)
    await expect(ghost).to_contain_text("Merge")
    # The message comes at once, the server knows of the edit when it has answered.
    async with page.expect_response(answers_patch("/mindmap")):
        await page.mouse.up()
    await expect_toast(page, f"“{first}” merged into “{second}”")
    assert first not in await stored.labels("topic")
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect_toast(page, "Undone")
    assert first in await stored.labels("topic")

    # A finger that rests on the node drags it too; one that moves at once pans the map.
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    # Whether the device has a touch screen is asked when the map is created.
    await page.reload()
    await page.locator(".map-tiles canvas").first.wait_for()

    async def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    await put_cursor_on(page, second_id)
    target = await centre_of(page)
    await put_cursor_on(page, first_id)
    start = await centre_of(page)
    await touch("touchStart", start)
    await expect(ghost).to_contain_text(first)
    await touch("touchMove", ((start[0] + target[0]) / 2, (start[1] + target[1]) / 2))
    await touch("touchMove", target)
    await expect(ghost).to_contain_text(f"Move “{first}” to “{second}”")
    assert await centre_of(page) == start, "the map did not pan"
    async with page.expect_response(answers_patch("/mindmap")):
        await touch("touchEnd")
    await expect_toast(page, f"“{first}” moved to “{second}”")
    assert first not in await stored.labels("topic")
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect_toast(page, "Undone")
    assert first in await stored.labels("topic")
    await put_cursor_on(page, first_id)
    start = await centre_of(page)
    # Sent without a wait for the answer: a finger does not wait for a busy page either.
    await asyncio.gather(touch("touchStart", start), touch("touchMove", (start[0] + 15, start[1])))
    for step in range(2, 5):
        await touch("touchMove", (start[0] + 15 * step, start[1]))
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    await touch("touchEnd")
    moved = await centre_of(page)
    assert moved[0] > start[0] + 20
    await expect(ghost).to_have_count(0)


#: Sends events of the mouse to an element without a pause, as a page that was busy finds them: it cannot render between
#: them. Points are shares of the element's size.
EVENTS_WITHOUT_RENDERING = """(element, points) => {
    const box = element.getBoundingClientRect();
    const send = (kind, [x, y]) => element.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: 0,
        buttons: kind === 'pointerup' ? 0 : 1, clientX: box.x + x * box.width, clientY: box.y + y * box.height,
    }));
    // Elements of a page capture only a pointer that is pressed.
    element.setPointerCapture = () => undefined;
    send('pointerdown', points[0]);
    for (const point of points.slice(1)) send('pointermove', point);
    send('pointerup', points.at(-1));
}"""


async def test_a_busy_page_loses_no_drag(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    canvas = page.locator(".map-canvas")
    box = await canvas.bounding_box()
    assert box
    (first, first_id), (second, second_id), *_ = (await stored.labels("topic")).items()

    async def share(node_id: str) -> tuple[float, float]:
        await put_cursor_on(page, node_id)
        x, y = await centre_of(page)
        return (x - box["x"]) / box["width"], (y - box["y"]) / box["height"]

    target = await share(second_id)
    start = await share(first_id)
    half_way = (start[0] + target[0]) / 2, (start[1] + target[1]) / 2
    drag = [start, half_way, target, target]
    async with page.expect_response(answers_patch("/mindmap")):
        await canvas.evaluate(EVENTS_WITHOUT_RENDERING, drag)
    assert first not in await stored.labels("topic")
    await expect_toast(page, f"“{first}” moved to “{second}”")
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect_toast(page, "Undone")

    # A part of the timeline is chosen in the same way.
    strip = page.locator(".minimap canvas")
    await strip.evaluate(EVENTS_WITHOUT_RENDERING, [[0.2, 0.5], [0.7, 0.5]])
    await expect(page.locator(".timeline .chip", has_text="Clear")).to_be_visible()


#: Counts the drags that the page shows from now on.
COUNT_GHOSTS = """() => {
    globalThis.numGhosts = 0;
    const look = () => { numGhosts += document.querySelectorAll('.map-ghost').length; };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""


async def test_escape_ends_a_drag_until_the_button_is_pressed_again(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    await put_cursor_on(page, next(iter((await stored.labels("topic")).values())))
    x, y = await centre_of(page)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 40, y + 30, steps=3)
    await expect(page.locator(".map-ghost")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator(".map-ghost")).to_have_count(0)
    await page.evaluate(COUNT_GHOSTS)
    await page.mouse.move(x + 90, y + 60, steps=5)
    await two_frames(page)
    assert await page.evaluate("numGhosts") == 0
    await page.mouse.up()


async def test_a_finger_that_moves_pans_a_busy_page_too(map_page: Page, stored: StoredMap) -> None:
    """The page is busy for longer than a finger has to rest on a node to drag it."""
    page = map_page
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    await page.reload()
    await page.locator(".map-tiles canvas").first.wait_for()
    await put_cursor_on(page, next(iter((await stored.labels("topic")).values())))
    x, y = await centre_of(page)
    await page.evaluate(COUNT_GHOSTS)
    await page.evaluate(
        """() => {
            addEventListener('touchstart', () => {
                const until = performance.now() + 700;
                while (performance.now() < until) { /* busy */ }
            }, { once: true });
        }"""
    )

    async def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": px, "y": py} for px, py in points]
        await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    moves = (touch("touchMove", (x + 15 * step, y)) for step in range(1, 5))
    await asyncio.gather(touch("touchStart", (x, y)), *moves)
    await touch("touchEnd")
    assert (await centre_of(page))[0] > x + 20
    assert await page.evaluate("numGhosts") == 0


async def test_an_edit_is_visible_at_once_however_slow_the_server(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    label, node_id = next(iter((await stored.labels("topic")).items()))
    await put_cursor_on(page, node_id)
    answer = asyncio.Event()

    async def later(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await page.route("**/mindmap", lambda route: later(route) if route.request.method == "PATCH" else route.continue_())
    num_frames: list[int] = []
    names = [f"Before the answer {i}" for i in range(3)]
    for name in names:
        await page.keyboard.press("F2")
        await page.locator(".map-rename input").fill(name)
        # The frames from the key to the new label. A busy machine draws them later, but no more of them.
        num_frames.append(
            await page.evaluate(
                """() => new Promise((resolve) => {
                    let frames = 0;
                    const count = () => { frames += 1; requestAnimationFrame(count); };
                    requestAnimationFrame(count);
                    const cursor = document.querySelector('#map-cursor');
                    new MutationObserver(() => resolve(frames)).observe(cursor, { attributes: true });
                    document.querySelector('.map-rename input').dispatchEvent(
                        new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
                })"""
            )
        )
        await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", name)
    # At 60 frames a second these are 50 ms.
    assert max(num_frames) <= 3
    # Undo is visible at once too, and both arrive in order.
    for shown in (*reversed(names[:-1]), label):
        await page.locator(".map-bar").get_by_role("button", name="Undo").click()
        await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", shown)
    answer.set()
    # Each undo says so when it is saved. The last one ends the edits of this test, which others must not meet.
    await expect_toast(page, "Undone", times=len(names))
    await expect(page.locator(".map-bar").get_by_role("button", name="Redo")).to_be_enabled()
    assert label in await stored.labels("topic")


async def test_a_refused_edit_is_taken_back_and_one_that_did_not_arrive_is_kept(
    map_page: Page, stored: StoredMap
) -> None:
    page = map_page
    label, node_id = next(iter((await stored.labels("topic")).items()))
    await put_cursor_on(page, node_id)

    async def rename(name: str) -> None:
        await page.keyboard.press("F2")
        await page.locator(".map-rename input").fill(name)
        await page.keyboard.press("Enter")

    async def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            await route.fulfill(status=400, json={"error": {"code": "BAD_REQUEST", "message": "refused"}})
        else:
            await route.continue_()

    async def disconnect(route: Route) -> None:
        await (route.abort("connectionrefused") if route.request.method == "PATCH" else route.continue_())

    await page.route("**/mindmap", refuse)
    await rename("Never saved")
    await expect_toast(page, "The edit was not saved.")
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", label)
    await page.unroute("**/mindmap")

    # Without a connection the edit stays on the screen, and outlives the page.
    await page.route("**/mindmap", disconnect)
    await rename("Saved later")
    await expect(page.locator(".map-notices").get_by_text("kept in this browser")).to_be_visible()
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", "Saved later")
    assert "Saved later" not in await stored.labels("topic")
    await page.goto("about:blank")
    await page.unroute("**/mindmap")
    await page.goto("/sessions")
    await expect_toast(page, "An edit from last time is saved now.")
    assert (await stored.labels("topic"))["Saved later"] == node_id

    # The same when the session itself is opened first; the edit is visible before the answer.
    await page.goto(f"/sessions/{stored.recorded.session_id}")
    await page.locator(".map-tiles canvas").first.wait_for()
    await put_cursor_on(page, node_id)
    await page.route("**/mindmap", disconnect)
    await rename(label)
    await expect(page.locator(".map-notices").get_by_text("kept in this browser")).to_be_visible()
    await page.reload()
    await page.locator(".map-tiles canvas").first.wait_for()
    await put_cursor_on(page, node_id)
    await expect(page.locator("#map-cursor")).to_have_attribute("aria-label", label)
    await page.unroute("**/mindmap")
    await expect_toast(page, "An edit from last time is saved now.")
    assert (await stored.labels("topic"))[label] == node_id


async def test_two_tabs_see_each_other_and_never_overwrite_silently(
    map_page: Page, stored: StoredMap, browser: Browser, recorded: RecordedUser, origin: str
) -> None:
    page = map_page
    label, node_id = next(iter((await stored.labels("topic")).items()))
    await put_cursor_on(page, node_id)
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce", base_url=origin
    )
    other = BrowserUser(await context.new_page(), origin)
    await open_session(other, recorded)
    await put_cursor_on(other.page, node_id)

    # What one tab saves, the other shows without a reload.
    await page.keyboard.press("F2")
    await page.locator(".map-rename input").fill("From the first tab")
    await page.keyboard.press("Enter")
    await expect(other.page.locator("#map-cursor")).to_have_attribute("aria-label", "From the first tab")

    # An edit that is based on an older state is refused, and can be applied on purpose.
    await other.page.route("**/stream*", lambda route: route.abort())
    await other.page.reload()
    await other.page.locator(".map-tiles canvas").first.wait_for()
    await put_cursor_on(other.page, node_id)
    await page.keyboard.press("F2")
    async with page.expect_response(answers_patch("/mindmap")):
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
    async with page.expect_response(answers_patch("/mindmap")):
        await page.keyboard.press("Enter")
    assert label in await stored.labels("topic")
    await context.close()


async def test_a_new_topic(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    await page.get_by_role("button", name="New topic").click()
    await page.get_by_label("New name").fill("A topic of my own")
    async with page.expect_response(answers_patch("/mindmap")):
        await page.get_by_role("button", name="Save").click()
    await expect_toast(page, "“A topic of my own” added")
    assert "A topic of my own" in await stored.labels("topic")
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect_toast(page, "Undone")


async def test_the_keyboard_reaches_the_map_in_three_stops(map_page: Page) -> None:
    page = map_page
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Skip to the map")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".map-canvas")).to_be_focused()
    # The timeline is one stop, and the arrow keys move in it.
    await page.get_by_role("group", name="Timeline").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("[data-index='1'] .visit-title")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("[data-index='1'] .visit-out")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator(".timeline :focus")).to_have_count(0)


async def test_the_palette_acts_on_the_session_in_front(map_page: Page) -> None:
    page = map_page

    async def choose(words: str) -> None:
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox", name="Search everything").fill(words)
        await page.keyboard.press("Enter")

    await choose("share")
    await expect(page.get_by_role("dialog", name="Share")).to_be_visible()
    await page.keyboard.press("Escape")
    await choose("draw again")
    await expect(page.get_by_role("dialog", name="Draw the map again?")).to_be_visible()
    await page.keyboard.press("Escape")
    async with page.expect_download() as download:
        await choose("png")
    assert (await download.value).suggested_filename.endswith(".png")
    await choose("edit title")
    title = page.get_by_label("Title", exact=True)
    await expect(title).to_be_focused()
    # What is not saved says why, and what can be done.
    await page.route("**/v1/sessions/*", lambda route: route.abort("connectionrefused"))
    await title.fill("Never saved")
    await page.keyboard.press("Enter")
    await expect_toast(page, "The title was not saved. No connection. The server cannot be reached.")


async def test_common_acts_take_few_clicks(map_page: Page, stored: StoredMap) -> None:
    """Of the mouse; a double click is one."""
    page = map_page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate(
        """() => {
            globalThis.numClicks = 0;
            addEventListener('click', (event) => { numClicks += event.isTrusted && event.detail === 1; }, true);
        }"""
    )

    async def clicks() -> int:
        """The clicks since the last call."""
        return int(await page.evaluate("() => { const before = numClicks; numClicks = 0; return before; }"))

    node_id = next(iter((await stored.labels("topic")).values()))
    await put_cursor_on(page, node_id)
    await page.mouse.dblclick(*await centre_of(page))
    await page.locator(".map-rename input").fill("Renamed with one")
    async with page.expect_response(answers_patch("/mindmap")):
        await page.keyboard.press("Enter")
    cursor = page.locator("#map-cursor")
    await expect(cursor).to_have_attribute("aria-label", "Renamed with one")
    assert await clicks() == 1
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    await expect_toast(page, "Undone")

    await put_cursor_on(page, node_id)
    is_unfolded = await cursor.get_attribute("aria-expanded") == "true"
    await centre_of(page)
    box = await cursor.bounding_box()
    assert box
    await clicks()
    await page.mouse.click(box["x"] + box["width"] + 12, box["y"] + box["height"] / 2)
    await expect(cursor).to_have_attribute("aria-expanded", "false" if is_unfolded else "true")
    assert await clicks() == 1

    async with page.expect_download():
        await page.get_by_role("button", name="Export", exact=True).click()
        await page.get_by_role("menuitem", name="PNG").click()
    assert await clicks() == 2

    await page.get_by_role("button", name="Share", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Create link").click()
    await expect_toast(page, "copied")
    assert await clicks() == 2
    link = await page.evaluate("() => navigator.clipboard.readText()")
    assert "/shared/" in link
    await page.goto(link)
    await expect(page.get_by_role("tree", name=re.compile("^Map of"))).to_be_visible()


async def test_chosen_sessions_are_deleted_and_restored_together(user: BrowserUser, origin: str) -> None:
    page = user.page
    events = parse_events(sample_events("04-korean-office").read_bytes())[:12]
    for _ in range(3):
        record(origin, user.email, events)
    await page.goto("/login")
    await user.sign_in()
    cards = page.locator("[data-session]")
    await expect(cards).to_have_count(3)
    for i in range(2):
        await cards.nth(i).get_by_role("checkbox").check()
    bar = page.get_by_role("toolbar", name="Chosen sessions")
    await expect(bar).to_contain_text("2 sessions chosen")
    answer = asyncio.Event()

    async def later(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    # The list does not wait for the server.
    await page.route("**/v1/sessions/*", later)
    await bar.get_by_role("button", name="Delete").click()
    await expect(cards).to_have_count(1)
    answer.set()
    await page.get_by_role("button", name="Undo").click()
    await expect(cards).to_have_count(3)
    # What was not deleted is back, also while the lists cannot be read.
    for i in range(2):
        await cards.nth(i).get_by_role("checkbox").check()
    await page.route("**/v1/sessions**", lambda route: route.abort("connectionrefused"))
    await bar.get_by_role("button", name="Delete").click()
    await expect_toast(page, "The server cannot be reached.")
    await expect(cards).to_have_count(3)
    await page.unroute("**/v1/sessions**")
    # On a phone the title stays a line above the links to maps and topics of several sessions.
    await page.set_viewport_size({"width": 390, "height": 844})
    title = await page.get_by_role("heading", level=1, name="Sessions").bounding_box()
    assert title
    assert title["width"] > title["height"]


async def test_a_page_is_read_with_its_passages_in_place(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    await put_cursor_on(page, next(iter((await stored.labels("topic")).values())))
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Read here").first.click()
    reader = page.get_by_role("dialog")
    await expect(reader.locator("mark.cited").first).to_be_in_viewport()
    quote = await page.locator(".evidence blockquote").first.inner_text()
    marked = " ".join(await reader.locator("mark.cited").all_inner_texts())
    assert " ".join(marked.split()) in " ".join(quote.split())


async def test_the_whole_map_is_in_view_at_first_and_after_expand_all(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    canvas = await page.locator(".map-canvas").bounding_box()
    assert canvas
    await page.get_by_role("button", name="Expand all").click()
    for node_id in list((await stored.labels("page")).values())[::6]:
        await put_cursor_on(page, node_id)
        await page.get_by_role("button", name="Fit to view").click()
        await centre_of(page)
        box = await page.locator("#map-cursor").bounding_box()
        assert box
        assert canvas["x"] <= box["x"]
        assert box["x"] + box["width"] <= canvas["x"] + canvas["width"]
        assert canvas["y"] <= box["y"]
        assert box["y"] + box["height"] <= canvas["y"] + canvas["height"]


async def test_a_link_between_topics_gets_a_name(map_page: Page, stored: StoredMap) -> None:
    page = map_page
    (_, first_id), (second, _), *_ = (await stored.labels("topic")).items()
    await put_cursor_on(page, first_id)
    await page.keyboard.press("Enter")
    evidence = page.locator(".evidence")
    await expect(evidence.get_by_role("button", name="More edits")).to_be_visible()
    name = evidence.get_by_role("button", name=f"Name the link to “{second}”")
    if await name.count() == 0:
        await evidence.get_by_role("button", name="More edits").click()
        await page.get_by_role("menuitem", name="Link to…", exact=True).click()
        # Edits are sent one after the other: the name is the second.
        async with page.expect_response(answers_patch("/mindmap")):
            await page.get_by_role("dialog").get_by_role("button", name=second, exact=True).click()
    await name.click()
    await page.get_by_label("Name of the link").fill("both keep versions")
    async with page.expect_response(answers_patch("/mindmap")):
        await page.keyboard.press("Enter")
    await page.reload()
    await expect(evidence).to_contain_text("both keep versions")


#: Looks four times a second whether the core is in view: it is where the cursor is, and a map that runs out of view
#: pushes it over an edge. Once it may be between two places.
WATCH_CORE = """() => {
    globalThis.core = { numInside: 0, outside: [] };
    let before = null;
    setInterval(() => {
        const [map, box] = ['.map-canvas', '#map-cursor'].map((each) =>
            document.querySelector(each)?.getBoundingClientRect());
        if (!map || !box?.width) return;
        const isInside =
            box.left >= map.left && box.right <= map.right && box.top >= map.top && box.bottom <= map.bottom;
        if (isInside) core.numInside += 1;
        else if (before) core.outside.push([before, box.toJSON()]);
        before = isInside ? null : box.toJSON();
    }, 250);
}"""


@pytest.mark.parametrize("width", [1440, 390])
async def test_a_growing_map_stays_in_view(user: BrowserUser, width: int) -> None:
    page = user.page
    await page.set_viewport_size({"width": width, "height": 844})
    await user.sign_up()
    await page.get_by_role("button", name="Play a sample session").click()
    await page.wait_for_url("**/sessions/*-*")
    if width < 768:
        await page.get_by_role("navigation").get_by_role("button", name="Map", exact=True).click()
    await expect(page.locator(".badge.recording")).to_be_visible()
    # The name of what is recorded has space beside the buttons.
    title = await page.get_by_role("heading", level=1).bounding_box()
    assert title is not None
    assert title["width"] > 100
    await page.locator(".map-tiles canvas").first.wait_for()
    await page.evaluate(WATCH_CORE)
    await page.wait_for_selector(
        ".badge.recording, .badge.processing", state="detached", timeout=LONG_PATIENCE_S * 1_000
    )
    await page.wait_for_function("globalThis.core.numInside > 0")
    assert await page.evaluate("core.outside") == []


async def test_a_notice_lies_over_the_map_and_moves_nothing(
    user: BrowserUser, recorded: RecordedUser, server: httpx2.AsyncClient
) -> None:
    page = user.page
    # The page of a completed session opens its stream after a pause. A map that is drawn again before needs no notice.
    async with page.expect_response(re.compile(rf"/sessions/{recorded.session_id}/stream\b")):
        await open_session(user, recorded)
    await page.evaluate(
        """() => {
            const canvas = document.querySelector('.map-canvas');
            globalThis.tops = [];
            globalThis.said = [];
            const look = () => {
                tops.push(canvas.getBoundingClientRect().top);
                said.push(...[...document.querySelectorAll('.notice')].map((each) => each.textContent));
            };
            look();
            new ResizeObserver(look).observe(canvas);
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    credentials = {"email": recorded.email, "password": PASSWORD}
    token = (await server.post("/v1/auth/login", json=credentials)).json()["token"]
    path = f"/v1/sessions/{recorded.session_id}/mindmap/generate"
    reply = await server.post(path, json={"force": True}, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 202, reply.text
    await page.wait_for_function("() => said.some((each) => each.includes('Drawing the map again'))")
    await expect(page.locator(".notice")).to_have_count(0)
    tops = await page.evaluate("tops")
    assert max(tops) - min(tops) < 1


#: The controls that messages cover, of those that the reader could reach without the messages.
COVERED_BY_TOASTS = """() => {
    const toasts = [...document.querySelectorAll('.toast')];
    const boxes = toasts.map((toast) => toast.getBoundingClientRect());
    const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const isAlone = (box, i) => !boxes.slice(i + 1).some((other) => meets(box, other));
    const covered = boxes.every(isAlone) ? [] : ['a message'];
    const controls = 'nav a, nav button, .map-tools button, .legend button, .map-bar button, .edit-row button';
    for (const control of document.querySelectorAll(controls)) {
        const box = control.getBoundingClientRect();
        const below = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        const top = below.find((each) => !each.closest('.toasts'));
        if (top && control.contains(top) && boxes.some((each) => meets(box, each)))
            covered.push(control.getAttribute('aria-label') ?? control.textContent);
    }
    const isOnScreen = (box) => box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
    if (!boxes.every(isOnScreen)) covered.push('a part off the screen');
    const isSettled = toasts.every((toast) => toast.getAnimations().length === 0);
    return { isSettled: toasts.length === 3 && isSettled, covered };
}"""


@pytest.mark.parametrize("has_evidence", [False, True])
@pytest.mark.parametrize("width", [1440, 390])
async def test_messages_above_each_other_cover_no_control(
    user: BrowserUser, recorded: RecordedUser, width: int, has_evidence: bool
) -> None:
    page = user.page
    # On a busy machine the first message would be gone before the third is shown.
    await page.add_init_script(
        "const set = setTimeout; globalThis.setTimeout = (f, ms, ...args) => set(f, ms < 4000 ? ms : 9 * ms, ...args);"
    )
    await page.set_viewport_size({"width": width, "height": 844})
    await open_session(user, recorded, "?view=map")
    if has_evidence:
        await page.locator(".map-canvas").focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await expect(page.locator(".edit-row")).to_be_visible()
    await page.route("**/export*", lambda route: route.abort("connectionrefused"))
    for name in ("Markdown", "FreeMind (.mm)", "Data (JSON)"):
        await page.get_by_role("button", name="Export", exact=True).click()
        await page.get_by_role("menuitem", name=name).click()
    await page.wait_for_function(f"() => ({COVERED_BY_TOASTS})().isSettled")
    assert (await page.evaluate(COVERED_BY_TOASTS))["covered"] == []
