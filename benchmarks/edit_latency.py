"""How soon an edit is visible in Chromium when the server answers 1.5 s later; part of `make bench-dashboard`.

The time is that from the last input event (key, mouse button) until the effect is in the page, and until the next
frame: the changed outline, the evidence panel for links and pins, the position of the node for places, its state for
folds on the map. The first is the product's own; a frame also waits for the machine, which rasters without a GPU here.
`main_thread_ms` is the processor time of the page's main thread from the input to the frame after the effect, which
holds on a busy machine too.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import CDPSession, Locator, Page, Route, expect

from tests.dashboard.browser_user import answers_patch

SERVER_LATENCY_S = 1.5
ROUNDS = 3
OUTLINE, EVIDENCE, CURSOR = ".outline", ".evidence", "#map-cursor"

#: Waits for a change of the text, or of the position, of what a selector finds; resolves with the milliseconds until it
#: is in the page, and until the next frame.
_ARM = """(selector) => {
    const read = () => {
        const found = document.querySelector(selector);
        const isPressed = found?.querySelector('[aria-pressed]')?.ariaPressed;
        return [found?.textContent, found?.style.transform, found?.ariaExpanded, isPressed].join();
    };
    const before = read();
    let inputAt = performance.now();
    const note = (event) => { inputAt = event.timeStamp; };
    for (const type of ['keydown', 'keyup', 'pointerup', 'click']) addEventListener(type, note, true);
    window.effect_ = new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`no effect in ${selector}`)), 30_000);
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
    """One kind of edit: what is done before the measured input, the input, and where its effect is seen.

    `prepare` moves the mouse onto what a measured click presses, because finding it runs scripts in the page.
    """

    kind: str
    prepare: Callable[[Page], Awaitable[None]]
    finish: Callable[[Page], Awaitable[None]]
    seen_in: str = OUTLINE


@dataclass(frozen=True)
class Times:
    """From the input to the effect in the page and to the next frame, and the processor time of the main thread."""

    in_page_ms: float
    frame_ms: float
    main_thread_ms: float


async def measure_edits(page: Page, path: str) -> dict[str, dict[str, float]]:
    """The times of every kind of edit, of undo and redo, and of folds, on the map at `path`, in milliseconds."""

    async def delay(route: Route) -> None:
        if route.request.method == "PATCH":
            await asyncio.sleep(SERVER_LATENCY_S)
        await route.continue_()

    await page.route("**/mindmap", delay)
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable")
    times: dict[str, list[Times]] = {}
    for edit in EDITS:
        layout = "tree" if edit.seen_in == CURSOR else "outline"
        await page.goto(f"{path}?view=map&layout={layout}")
        for _ in range(ROUNDS):
            await _select_topic(page, layout)
            await edit.prepare(page)
            for kind, finish in ((edit.kind, edit.finish), ("undo", _press_mouse), ("redo", _press_mouse)):
                if kind != edit.kind:
                    await _aim(page.locator(".map-bar").get_by_role("button", name=kind.capitalize()))
                async with page.expect_response(answers_patch("/mindmap"), timeout=60_000):
                    times.setdefault(kind, []).append(await _measured(page, devtools, edit.seen_in, finish))
            async with page.expect_response(answers_patch("/mindmap"), timeout=60_000):
                await page.locator(".map-bar").get_by_role("button", name="Undo").click()
    for fold in FOLDS:
        layout = "tree" if fold.seen_in == CURSOR else "outline"
        await page.goto(f"{path}?view=map&layout={layout}")
        await _select_topic(page, layout)
        row = page.locator(CURSOR if fold.seen_in == CURSOR else ".outline-row.topic").first
        for _ in range(2 * ROUNDS):
            await fold.prepare(page)
            # How much of a map is unfolded at first depends on its size.
            kind = fold.kind if await row.get_attribute("aria-expanded") == "true" else f"un{fold.kind}"
            times.setdefault(kind, []).append(await _measured(page, devtools, fold.seen_in, fold.finish))
    return {kind: _summary(each) for kind, each in times.items()}


def _summary(times: list[Times]) -> dict[str, float]:
    return {
        "median_ms": round(statistics.median(each.in_page_ms for each in times), 1),
        "max_ms": round(max(each.in_page_ms for each in times), 1),
        "median_frame_ms": round(statistics.median(each.frame_ms for each in times), 1),
        "max_frame_ms": round(max(each.frame_ms for each in times), 1),
        "main_thread_ms": round(statistics.median(each.main_thread_ms for each in times), 1),
    }


async def _measured(page: Page, devtools: CDPSession, seen_in: str, act: Callable[[Page], Awaitable[None]]) -> Times:
    await page.evaluate(_ARM, seen_in)
    before_s = await _main_thread_s(devtools)
    await act(page)
    in_page_ms, frame_ms = await page.evaluate("() => window.effect_")
    main_thread_ms = 1_000 * (await _main_thread_s(devtools) - before_s)
    return Times(float(in_page_ms), float(frame_ms), main_thread_ms)


async def _main_thread_s(devtools: CDPSession) -> float:
    metrics = await devtools.send("Performance.getMetrics")
    return next(float(each["value"]) for each in metrics["metrics"] if each["name"] == "ThreadTime")


async def _aim(target: Locator) -> None:
    await expect(target).to_be_enabled()
    await target.hover()


async def _press_mouse(page: Page) -> None:
    await page.mouse.down()
    await page.mouse.up()


async def _select_topic(page: Page, layout: str) -> None:
    if layout == "outline":
        await page.locator(".outline-row.topic").first.click()
        await expect(page.locator(EVIDENCE).get_by_role("button", name="More edits")).to_be_visible()
        return
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(CURSOR)).to_have_attribute("aria-level", "2")


def _button(name: str) -> Callable[[Page], Awaitable[None]]:
    async def aim(page: Page) -> None:
        await _aim(page.locator(EVIDENCE).get_by_role("button", name=name, exact=True))

    return aim


def _entry(name: str) -> Callable[[Page], Awaitable[None]]:
    """The mouse is on an entry of the menu of further edits."""

    async def aim(page: Page) -> None:
        await page.locator(EVIDENCE).get_by_role("button", name="More edits").click()
        await _aim(page.get_by_role("menuitem", name=name, exact=True))

    return aim


def _choice(open_dialog: Callable[[Page], Awaitable[None]]) -> Callable[[Page], Awaitable[None]]:
    """The mouse is on the first choice of a dialog."""

    async def aim(page: Page) -> None:
        await open_dialog(page)
        await _press_mouse(page)
        await _aim(page.get_by_role("dialog").locator(".choices button").first)

    return aim


async def _name_it(page: Page) -> None:
    await page.get_by_role("dialog").get_by_role("textbox").first.fill("A name for the measurement")


async def _rename_in_place(page: Page) -> None:
    await page.locator(".outline-row.topic").first.focus()
    await page.keyboard.press("F2")
    await page.locator(".outline-row input").fill("A name for the measurement")


async def _press_enter(page: Page) -> None:
    await page.keyboard.press("Enter")


async def _prepare_split(page: Page) -> None:
    await _entry("Split off…")(page)
    await _press_mouse(page)
    await _name_it(page)
    await page.get_by_role("dialog").get_by_role("checkbox").first.check()
    await _aim(page.get_by_role("dialog").get_by_role("button", name="Split off", exact=True))


async def _prepare_new_topic(page: Page) -> None:
    await page.locator(".map-bar").get_by_role("button", name="New topic").click()
    await _name_it(page)


async def _prepare_below(page: Page) -> None:
    await _entry("Add below…")(page)
    await _press_mouse(page)
    await _name_it(page)


async def _select_page(page: Page) -> None:
    await page.locator(".outline-row.page").first.click()
    await _button("Move to…")(page)


async def _hold_shift(page: Page) -> None:
    await page.locator(".map-canvas").focus()
    await page.keyboard.down("Shift")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")


async def _release_shift(page: Page) -> None:
    await page.keyboard.up("Shift")


async def _aim_at_fold_of_row(page: Page) -> None:
    await _aim(page.locator(".outline-row.topic .outline-fold").first)


async def _focus_map(page: Page) -> None:
    """Enter folds the selected topic; where its control is depends on the flight of the camera."""
    await page.locator(".map-canvas").focus()


EDITS = (
    Edit("rename", _rename_in_place, _press_enter),
    Edit("move", _choice(_select_page), _press_mouse),
    Edit("merge", _choice(_button("Merge into…")), _press_mouse),
    Edit("split", _prepare_split, _press_mouse),
    Edit("new topic", _prepare_new_topic, _press_enter),
    Edit("add below", _prepare_below, _press_enter),
    Edit("hide", _entry("Hide"), _press_mouse),
    Edit("remove", _entry("Remove"), _press_mouse),
    Edit("link", _choice(_entry("Link to…")), _press_mouse, EVIDENCE),
    Edit("pin", _button("Pin"), _press_mouse, EVIDENCE),
    Edit("place", _hold_shift, _release_shift, CURSOR),
)
#: Measured in pairs: the second input reverses the first.
FOLDS = (
    Edit("fold in the outline", _aim_at_fold_of_row, _press_mouse),
    Edit("fold on the map", _focus_map, _press_enter, CURSOR),
)
