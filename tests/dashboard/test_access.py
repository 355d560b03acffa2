"""Every page for everybody: no accessibility violation, no sideways scrolling, the keyboard reaches the map."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.dashboard.conftest import Trouble
from tests.dashboard.gallery import PAIRS, PLACES, SENT_TO, WITH_EXTENSION, arrive, share_token
from tests.dashboard.visitor import Visitor

pytestmark = pytest.mark.browser


def told(violations: list[dict[str, Any]]) -> list[str]:
    return [f"{v['id']}: {[node['target'] for node in v['nodes']][:3]}" for v in violations]


async def test_no_page_has_a_violation(visitor: Visitor, browser: Browser, origin: str, trouble: Trouble) -> None:
    await visitor.sign_up()
    session_id = await visitor.play_sample()
    share = await share_token(visitor)
    problems: list[str] = []
    for look in PAIRS:
        context = await browser.new_context(**look.options, base_url=origin)
        await context.add_init_script(WITH_EXTENSION)
        page = await context.new_page()
        trouble.watch(page)
        person = Visitor(page, origin)
        person.email = visitor.email
        places = PLACES if look is not PAIRS[-1] else {**PLACES, **SENT_TO}
        for name, path in places.items():
            where = f"{name} {look.name}"
            await arrive(person, path.format(id=session_id, share=share))
            problems += [f"{where}: {each}" for each in told((await Axe().run(page)).response["violations"])]
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                problems.append(f"{where}: {wide} px too wide")
        await context.close()
    assert problems == []
    assert trouble.found == []


async def test_the_map_by_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.sign_up()
    await visitor.play_sample()
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
    await expect(page.get_by_role("tree")).to_be_visible()
    await page.get_by_role("treeitem").first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("treeitem", selected=True)).to_have_attribute("aria-level", "2")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
