"""Exported pictures beside the map on the screen, in Chromium with the whole product."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
import resvg_py
from playwright.async_api import Page

from cluster.mindmap.render.png import BUNDLED_FONTS
from tests.dashboard.browser_user import BrowserUser
from tests.dashboard.test_map_gestures import (
    RecordedUser,
    StoredMap,
    centre_of,
    open_session,
    put_cursor_on,
    recorded,
    stored,
)

__all__ = ["recorded", "stored"]

pytestmark = pytest.mark.browser

_SVG = "{http://www.w3.org/2000/svg}"


async def export(page: Page, kind: str, folder: Path) -> bytes:
    """The picture of the map that the page saves from its menu."""
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as started:
        await page.get_by_role("menuitem", name=f"Picture ({kind})").click()
    path = folder / f"map.{kind.lower()}"
    await (await started.value).save_as(path)
    return path.read_bytes()


def labels(svg: bytes) -> dict[str, ElementTree.Element]:
    """The texts of a picture without their outlines."""
    root = ElementTree.fromstring(svg)
    return {text.text or "": text for text in root.iter(f"{_SVG}text") if text.get("aria-hidden") is None}


async def test_a_picture_has_the_sides_folds_and_theme_of_the_screen(
    user: BrowserUser, recorded: RecordedUser, stored: StoredMap, tmp_path: Path
) -> None:
    page = user.page
    await page.emulate_media(color_scheme="dark")
    await open_session(user, recorded, "?view=map")
    topics = await stored.labels("topic")
    folded = await export(page, "SVG", tmp_path)
    shown = labels(folded)
    assert set(topics) <= set(shown)
    assert not set(await stored.labels("page")) & set(shown), "the map of this session starts folded"
    # Each topic has the number of what is folded below it, and branches go to both sides of the core.
    assert len([text for text in shown if text.isdigit()]) >= 1
    assert {shown[topic].get("text-anchor") for topic in topics} == {"start", "end"}
    # Each topic is at the side where the screen has it.
    sides: dict[str, list[float]] = {"start": [], "end": []}
    for topic, node_id in topics.items():
        await put_cursor_on(page, node_id)
        x, _ = await centre_of(page)
        sides[shown[topic].get("text-anchor") or ""].append(x)
    assert max(sides["end"]) < min(sides["start"])
    background = await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--surface').trim()")
    assert f'fill="{background}"'.encode() in folded[:1_500]

    await page.goto(f"/sessions/{recorded.session_id}?view=map")
    await page.get_by_role("button", name="Expand all").click()
    await asyncio.sleep(0.5)
    whole = labels(await export(page, "SVG", tmp_path))
    assert len(set(await stored.labels("page")) & set(whole)) > 10


@pytest.mark.parametrize("layout", ["tree", "radial", "galaxy"])
async def test_pictures_are_sharp_and_their_labels_visible_in_other_programs(
    user: BrowserUser, recorded: RecordedUser, layout: str, tmp_path: Path
) -> None:
    await open_session(user, recorded)
    await user.page.goto(f"/sessions/{recorded.session_id}?view=map&layout={layout}")
    await user.page.locator(".map-tiles canvas, .galaxy canvas").first.wait_for()
    await asyncio.sleep(1)
    svg = await export(user.page, "SVG", tmp_path)
    root = ElementTree.fromstring(svg)
    png = await export(user.page, "PNG", tmp_path)
    size = struct.unpack(">II", png[16:24])
    assert size == pytest.approx([2 * float(root.get(side) or 0) for side in ("width", "height")], abs=3)
    # Drawn by another program, the picture without one label is another picture.
    drawn = draw(svg)
    outlines = [text for text in root.iter(f"{_SVG}text") if text.get("aria-hidden") is None]
    assert len(outlines) > 4
    for text in outlines[:5]:
        parent = next(each for each in root.iter() if text in list(each))
        parent.remove(text)
        without = draw(ElementTree.tostring(root))
        assert without != drawn, text.text
        drawn = without


def draw(svg: bytes) -> bytes:
    fonts = [str(font) for font in BUNDLED_FONTS]
    return bytes(resvg_py.svg_to_bytes(svg_string=svg.decode(), font_files=fonts, skip_system_fonts=True))
