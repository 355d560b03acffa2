"""How soon an edit is visible in Chromium when the server answers 1.5 s later; part of `make bench-dashboard`.

The time is that from the last input event (key, click) until the effect is in the page, and until the next frame: the
changed outline, the evidence panel for links and pins, the position of the node for places. The first is the product's
own; a frame also waits for the machine, which rasters without a GPU here.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, Route, expect

from tests.dashboard.browser_user import answers_patch

SERVER_LATENCY_S = 1.5
ROUNDS = 3
OUTLINE, EVIDENCE, CURSOR = ".outline", ".evidence", "#map-cursor"

#: Waits for a change of the text, or of the position, of what a selector finds; resolves with the milliseconds until it
#: is in the page, and until the next frame.
_ARM = """(selector) => {
    const read = () => {
        const found = document.querySelector(selector);
        return `${found?.textContent} ${found?.style.transform} ${found?.querySelector('[aria-pressed]')?.ariaPressed}`;
    };
    const before = read();
    let inputAt = performance.now();
    const note = (event) => { inputAt = event.timeStamp; };
    for (const type of ['keydown', 'keyup', 'pointerup', 'click']) addEventListener(type, note, true);
    window.effect_ = new Promise((resolve) => {
        const observer = new MutationObserver(() => {
            if (read() === before) return;
            observer.disconnect();
            const inPageMs = performance.now() - inputAt;
            requestAnimationFrame(() => resolve([inPageMs, performance.now() - inputAt]));
        });
        observer.observe(document.body, { attributes: true, characterData: true, childList: true, subtree: true });
    });
}"""


@dataclass(frozen=True)
class Edit:
    """One kind of edit: what is done before the measured input, the input, and where its effect is seen."""

    kind: str
    prepare: Callable[[Page], Awaitable[None]]
    finish: Callable[[Page], Awaitable[None]]
    seen_in: str = OUTLINE


async def measure_edits(page: Page, path: str) -> dict[str, dict[str, float]]:
    """The times of every kind of edit, and of undo, on the map at `path`, in milliseconds."""

    async def delay(route: Route) -> None:
        if route.request.method == "PATCH":
            await asyncio.sleep(SERVER_LATENCY_S)
        await route.continue_()

    await page.route("**/mindmap", delay)
    times_ms: dict[str, list[tuple[float, float]]] = {}
    for edit in EDITS:
        layout = "tree" if edit.seen_in == CURSOR else "outline"
        await page.goto(f"{path}?view=map&layout={layout}")
        for _ in range(ROUNDS):
            await _select_topic(page, layout)
            await edit.prepare(page)
            await _measured(page, edit, edit.finish, times_ms.setdefault(edit.kind, []))
            await _measured(page, edit, _undo, times_ms.setdefault("undo", []))
    return {kind: _summary(pairs) for kind, pairs in times_ms.items()}


def _summary(pairs: list[tuple[float, float]]) -> dict[str, float]:
    in_page, to_frame = zip(*pairs, strict=True)
    return {
        "median_ms": round(statistics.median(in_page), 1),
        "max_ms": round(max(in_page), 1),
        "median_frame_ms": round(statistics.median(to_frame), 1),
    }


async def _measured(
    page: Page, edit: Edit, act: Callable[[Page], Awaitable[None]], times_ms: list[tuple[float, float]]
) -> None:
    await page.evaluate(_ARM, edit.seen_in)
    async with page.expect_response(answers_patch("/mindmap"), timeout=60_000):
        await act(page)
    in_page_ms, frame_ms = await page.evaluate("() => window.effect_")
    times_ms.append((float(in_page_ms), float(frame_ms)))


async def _undo(page: Page) -> None:
    await page.locator(".map-bar").get_by_role("button", name="Undo").click()


async def _select_topic(page: Page, layout: str) -> None:
    if layout == "outline":
        await page.locator(".outline-row.topic").first.click()
        await expect(page.locator(EVIDENCE).get_by_role("button", name="More edits")).to_be_visible()
        return
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(CURSOR)).to_have_attribute("aria-level", "2")


def _button(name: str) -> Callable[[Page], Awaitable[None]]:
    async def press(page: Page) -> None:
        await page.locator(EVIDENCE).get_by_role("button", name=name, exact=True).click()

    return press


async def _open_menu(page: Page) -> None:
    await page.locator(EVIDENCE).get_by_role("button", name="More edits").click()


def _menu_item(name: str) -> Callable[[Page], Awaitable[None]]:
    async def pick(page: Page) -> None:
        await page.get_by_role("menuitem", name=name, exact=True).click()

    return pick


def _entry(name: str) -> Callable[[Page], Awaitable[None]]:
    async def open_and_pick(page: Page) -> None:
        await _open_menu(page)
        await _menu_item(name)(page)

    return open_and_pick


async def _name_it(page: Page) -> None:
    await page.get_by_role("dialog").get_by_role("textbox").first.fill("A name for the measurement")


async def _rename_in_place(page: Page) -> None:
    await page.locator(".outline-row.topic").first.focus()
    await page.keyboard.press("F2")
    await page.locator(".outline-row input").fill("A name for the measurement")


async def _press_enter(page: Page) -> None:
    await page.keyboard.press("Enter")


async def _choose_first(page: Page) -> None:
    await page.get_by_role("dialog").locator(".choices button").first.click()


async def _prepare_split(page: Page) -> None:
    await _entry("Split off…")(page)
    await _name_it(page)
    await page.get_by_role("dialog").get_by_role("checkbox").first.check()


async def _prepare_new_topic(page: Page) -> None:
    await page.locator(".map-bar").get_by_role("button", name="New topic").click()
    await _name_it(page)


async def _prepare_below(page: Page) -> None:
    await _entry("Add below…")(page)
    await _name_it(page)


async def _select_page(page: Page) -> None:
    await page.locator(".outline-row.page").first.click()
    await _button("Move to…")(page)


async def _hold_shift(page: Page) -> None:
    await page.locator(".map-canvas").focus()
    await page.keyboard.down("Shift")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")


async def _split_off(page: Page) -> None:
    await page.get_by_role("dialog").get_by_role("button", name="Split off", exact=True).click()


async def _nothing(page: Page) -> None:
    """The measured input is the only one."""


async def _press_pin(page: Page) -> None:
    await page.locator(EVIDENCE).get_by_role("button", name="Pin", exact=True).click()


async def _release_shift(page: Page) -> None:
    await page.keyboard.up("Shift")


EDITS = (
    Edit("rename", _rename_in_place, _press_enter),
    Edit("move", _select_page, _choose_first),
    Edit("merge", _button("Merge into…"), _choose_first),
    Edit("split", _prepare_split, _split_off),
    Edit("new topic", _prepare_new_topic, _press_enter),
    Edit("add below", _prepare_below, _press_enter),
    Edit("hide", _open_menu, _menu_item("Hide")),
    Edit("remove", _open_menu, _menu_item("Remove")),
    Edit("link", _entry("Link to…"), _choose_first, EVIDENCE),
    Edit("pin", _nothing, _press_pin, EVIDENCE),
    Edit("place", _hold_shift, _release_shift, CURSOR),
)
