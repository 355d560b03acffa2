"""Accessibility: axe finds no violation, no page scrolls horizontally, the map works by keyboard."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.dashboard.browser_user import BrowserUser
from tests.dashboard.conftest import PageErrors
from tests.dashboard.screenshots import (
    EXTENSION_STUB,
    LINKED_PAGES,
    OVERLAYS,
    PAGES,
    PAIRWISE_APPEARANCES,
    SINGLE_APPEARANCES,
    TABLET_APPEARANCES,
    TABLET_PAGES,
    Appearance,
    create_share_link,
    open_overlay,
    open_page,
)
from tests.support.client import PASSWORD

pytestmark = pytest.mark.browser


def describe_violations(violations: list[dict[str, Any]]) -> list[str]:
    return [f"{v['id']}: {[node['target'] for node in v['nodes']][:3]}" for v in violations]


# Messages that disappear by themselves do not count, nor what is inert.
_CONTROLS = """
    [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")].filter(
        (each) => !each.disabled && each.tabIndex >= 0 && !each.closest("[inert], .toast") &&
            !(each.type === "radio" && !each.checked) && each.checkVisibility({ visibilityProperty: true })
    )
"""


async def controls_out_of_reach(page: Page) -> list[str]:
    """The controls of a page that the Tab key does not reach from its top, of those that a mouse can use."""
    num_controls = await page.evaluate(
        f"() => {{ document.activeElement?.blur(); window.notReached = new Set({_CONTROLS}); return notReached.size; }}"
    )
    assert num_controls > 0
    for _ in range(num_controls + 10):
        await page.keyboard.press("Tab")
        await page.evaluate("() => notReached.delete(document.activeElement)")
    left: list[str] = await page.evaluate(
        "() => [...notReached].filter((each) => each.isConnected).map((each) => each.outerHTML.slice(0, 120))"
    )
    return left


async def choose_language(server: httpx2.AsyncClient, email: str, language: str) -> None:
    """The language of an account applies in every browser that signs in, whatever the browser prefers."""
    login = await server.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json()['token']}"}
    reply = await server.patch("/v1/users/me/settings", json={"language": language}, headers=headers)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("appearances", "tablets"),
    [(SINGLE_APPEARANCES, TABLET_APPEARANCES), pytest.param(PAIRWISE_APPEARANCES, [], marks=pytest.mark.nightly)],
    ids=["every value once", "every pair"],
)
async def test_no_page_violates_accessibility_rules(
    user: BrowserUser,
    browser: Browser,
    origin: str,
    server: httpx2.AsyncClient,
    page_errors: PageErrors,
    appearances: list[Appearance],
    tablets: list[Appearance],
) -> None:
    await user.sign_up()
    session_id = await user.play_sample()
    share = await create_share_link(user)
    problems: list[str] = []
    for appearance in appearances:
        context = await browser.new_context(**appearance.options, base_url=origin)
        await context.add_init_script(EXTENSION_STUB)
        page = await context.new_page()
        page_errors.watch(page)
        visitor = BrowserUser(page, origin)
        visitor.email = user.email
        await choose_language(server, user.email, appearance.language)
        pages = PAGES if appearance is not appearances[-1] else {**PAGES, **LINKED_PAGES}
        for name, path in pages.items():
            where = f"{name} {appearance.name}"
            await open_page(visitor, path.format(id=session_id, share=share))
            problems += [
                f"{where}: {violation}"
                for violation in describe_violations((await Axe().run(page)).response["violations"])
            ]
            overflow_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if overflow_px > 0:
                problems.append(f"{where}: {overflow_px} px too wide")
        # Where the dialog of the commands lies differs from device to device; its field has one line.
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox")).to_be_focused()
        width_px = appearance.options["viewport"]["width"]
        box, field = await page.get_by_role("dialog").bounding_box(), await page.get_by_role("combobox").bounding_box()
        assert box
        assert field
        is_inside = box["x"] >= 0 and box["x"] + box["width"] <= width_px
        if not is_inside or field["height"] >= 72:
            problems.append(f"commands {appearance.name}: {box}, field {field}")
        if appearance.device == "phone" and box["width"] < width_px:
            problems.append(f"commands {appearance.name}: {width_px - box['width']} px of the phone are not used")
        assert await page.locator("html").get_attribute("lang") == appearance.language
        await context.close()
    for number, appearance in enumerate(tablets):
        context = await browser.new_context(**appearance.options, base_url=origin)
        page = await context.new_page()
        visitor = BrowserUser(page, origin)
        visitor.email = user.email
        await choose_language(server, user.email, appearance.language)
        for name in (*TABLET_PAGES, *OVERLAYS[number::2]):
            if name in OVERLAYS:
                await open_overlay(visitor, name, session_id)
            else:
                await open_page(visitor, PAGES[name].format(id=session_id))
            where = f"{name} {appearance.name}"
            # The guards keep the focus inside an open menu; the menu itself is outside the landmarks, above the page.
            is_menu = await page.locator("[role=menu]").count() > 0
            options = {"rules": {"region": {"enabled": False}}} if is_menu else None
            checked = await Axe().run(page, {"exclude": [["[data-base-ui-focus-guard]"]]}, options)
            problems += [f"{where}: {violation}" for violation in describe_violations(checked.response["violations"])]
            overflow_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if overflow_px > 0:
                problems.append(f"{where}: {overflow_px} px too wide")
        await context.close()
    assert problems == []
    assert page_errors.messages == []


async def test_the_map_works_by_keyboard(user: BrowserUser) -> None:
    page = user.page
    await user.sign_up()
    await user.play_sample()
    await page.locator(".map-canvas").focus()
    await page.keyboard.press("ArrowRight")
    evidence = page.get_by_role("complementary", name="Evidence")
    await expect(evidence.locator("h2")).to_be_visible()
    first = await evidence.locator("h2").inner_text()
    await page.keyboard.press("ArrowDown")
    await expect(evidence.locator("h2")).not_to_have_text(first)
    await page.keyboard.press("Escape")
    await expect(evidence).to_have_count(0)
    await page.keyboard.press("4")
    outline = page.get_by_role("tree", name="Outline")
    await expect(outline).to_be_visible()
    await outline.get_by_role("treeitem").first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("treeitem", selected=True)).to_have_attribute("aria-level", "2")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
