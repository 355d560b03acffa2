"""`make eval-passages`: how many marked passages are found again: by their link in real Chromium, and in the reader.

Marks passages on generated pages as a mouse does, and captures passage and page text with the extension's code. Builds
the link "Open at this passage" with the dashboard's code, opens it, and looks where the browser paints the mark. The
reader of the dashboard must find the passage in the captured text, at the place that was marked. Prints one JSON object
per language and kind of page, then the total: `marked` of `quotes` are painted at the right place, `in_reader` are
found in the captured text; `failed` names the others. Fails when one of both is below 98 %.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, async_playwright

from benchmarks.passage_pages import MarkedPage, marked_pages
from tests.dashboard.browser_user import CHROMIUM_FLAGS
from tests.support.chromium import CHROMIUM

MIN_SHARE = 0.98
ORIGIN = "http://pages.test"
_CLIENTS = Path(__file__).parents[1] / "clients"
#: What runs in the marked page: the extension's capture, and the dashboard's link.
_ENTRY = """
import { passageOf } from "../extension/src/capture/highlight.ts";
import { readPage } from "../extension/src/capture/text.ts";
import { placeOf, textDirective, withTextDirective } from "../api/src/passage.ts";
const numLetters = (text) => text.replace(/[^\\p{L}\\p{N}]/gu, "").length;
globalThis.linkToSelection = () => {
  const before = document.createRange();
  before.selectNodeContents(document.body);
  const { startContainer, startOffset } = getSelection().getRangeAt(0);
  before.setEnd(startContainer, startOffset);
  const passage = passageOf(window, "mouse", 1);
  const page = readPage(document);
  const known = { quote: passage.text, ...(passage.anchor?.quote ?? {}), pageText: page.text, language: page.language };
  const place = placeOf(page.text, known);
  const shift = place && numLetters(page.text.slice(0, place.start)) - numLetters(before.toString());
  return { quote: passage.text, href: withTextDirective(location.href, textDirective(known)), shift };
};
"""
#: Selects a passage; returns the rectangles of its text, and the extent of the text that whole words may add to it.
_SELECT = """([start, end]) => {
  const nodes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(), from = 0; node; from += node.data.length, node = walker.nextNode())
    nodes.push({ node, from, to: from + node.data.length });
  const rectsOf = (a, b) => nodes.flatMap(({ node, from, to }) => {
    if (to <= a || from >= b) return [];
    const part = document.createRange();
    part.setStart(node, Math.max(a, from) - from);
    part.setEnd(node, Math.min(b, to) - from);
    return [...part.getClientRects()].filter((r) => r.width > 1 && r.height > 1)
      .map((r) => ({ x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height }));
  });
  const first = nodes.find((each) => start < each.to);
  const last = nodes.find((each) => end <= each.to);
  getSelection().setBaseAndExtent(first.node, start - first.from, last.node, end - last.from);
  const around = rectsOf(start - 15, end + 15);
  return { rects: rectsOf(start, end), top: Math.min(...around.map((r) => r.y)),
    bottom: Math.max(...around.map((r) => r.y + r.height)) };
}"""
#: The painted mark: its vertical extent and its pixels inside the given rectangles, from a picture of the page.
_FIND_MARK = """async ([picture, rects]) => {
  const image = await createImageBitmap(await (await fetch(picture)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let [top, bottom, inside, area] = [null, null, 0, 0];
  const isMark = (i) => data[i] > 200 && data[i + 1] < 90 && data[i + 2] > 200;
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < image.width; x++)
      if (isMark(4 * (y * image.width + x))) { top ??= y; bottom = y; break; }
  for (const r of rects)
    for (let y = Math.max(0, Math.ceil(r.y)); y < Math.min(image.height, r.y + r.height); y++)
      for (let x = Math.ceil(r.x); x < Math.min(image.width, r.x + r.width); x++) {
        area++;
        if (isMark(4 * (y * image.width + x))) inside++;
      }
  return { top, bottom, share: area ? inside / area : 0 };
}"""
#: No word of the pages is longer.
_MAX_WORD_LETTERS = 25
_STYLE = "body { font: 18px/1.6 'Noto Sans CJK KR', sans-serif; width: 700px } ::target-text { background: #ff00ff }"


@dataclass(frozen=True)
class Outcome:
    """Where the link of one passage led."""

    page: MarkedPage
    quote: str
    href: str
    #: Why the link does not lead to the passage, and why the reader does not show it; empty when they do.
    why: str
    why_not_in_reader: str


def bundle() -> str:
    """The clients' code as one script."""
    with tempfile.TemporaryDirectory(dir=_CLIENTS) as folder:
        entry, out = Path(folder) / "entry.ts", Path(folder) / "out.js"
        entry.write_text(_ENTRY)
        rolldown = _CLIENTS / "node_modules/.bin/rolldown"
        command = [str(rolldown), str(entry), "--file", str(out), "--format", "iife", "--platform", "browser"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
        if ran.returncode:
            raise SystemExit(ran.stderr or ran.stdout)
        return out.read_text()


def document(page: MarkedPage) -> str:
    """The page as the server sends it. A page with a route draws itself, as applications do."""
    content = page.html
    if page.route:
        content = f"<div id=app></div><script>app.innerHTML = {json.dumps(page.html)}</script>".replace("</p", "<\\/p")
    return (
        f"<!doctype html><html lang={page.language}><meta charset=utf-8><title>{page.name}</title>"
        f"<style>{_STYLE}</style><body>{content}</body></html>"
    )


async def measure(browser_page: Page, painter: Page, page: MarkedPage, script: str) -> Outcome:
    """Mark the passage, open its link, and look where the browser marks it."""

    async def answer(route: Route) -> None:
        await route.fulfill(body=document(page), content_type="text/html")

    await browser_page.route(f"{ORIGIN}/**", answer)
    await browser_page.goto("about:blank")
    await browser_page.goto(f"{ORIGIN}/{page.name}{page.route}")
    marked: dict[str, Any] = await browser_page.evaluate(_SELECT, [page.start, page.end])
    await browser_page.evaluate(script)
    link: dict[str, Any] = await browser_page.evaluate("linkToSelection()")
    await browser_page.goto("about:blank")
    await browser_page.goto(link["href"])
    await browser_page.wait_for_timeout(60)
    scroll_y = float(await browser_page.evaluate("scrollY"))
    picture = await browser_page.screenshot()
    await browser_page.unroute(f"{ORIGIN}/**")
    # A mark that begins earlier on the page is what the browser scrolls to, so that it is in the picture.
    shown = [{**rect, "y": rect["y"] - scroll_y} for rect in marked["rects"]]
    mark: dict[str, Any] = await painter.evaluate(_FIND_MARK, [_data_url(picture), shown])
    top, bottom = marked["top"] - scroll_y, marked["bottom"] - scroll_y
    why = ""
    if mark["top"] is None:
        why = "nothing is marked"
    elif mark["top"] < top - 14 or mark["bottom"] > bottom + 14:
        why = f"marked from {mark['top']} to {mark['bottom']} instead of {top:.0f} to {bottom:.0f}"
    elif mark["share"] < 0.3:
        why = f"only {mark['share']:.0%} of the passage is marked"
    elif scroll_y < 300:
        why = "the page did not scroll to the passage"
    return Outcome(page, link["quote"], link["href"], why, _why_not_in_reader(link["shift"]))


def _why_not_in_reader(shift: int | None) -> str:
    """`shift` is where the reader marks the passage, in letters after the place where the selection began."""
    if shift is None:
        return "the captured text does not contain the passage"
    # Whole words begin before the selection.
    if not -_MAX_WORD_LETTERS < shift <= 0:
        return f"marked {shift} letters after its place"
    return ""


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


async def evaluate(num_pages: int | None) -> list[Outcome]:
    """The outcomes of all passages, or of the first `num_pages`."""
    script = bundle()
    pages = list(marked_pages())[:num_pages]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        context = await browser.new_context(viewport={"width": 900, "height": 700})
        browser_page, painter = await context.new_page(), await context.new_page()
        outcomes: list[Outcome] = []
        for page in pages:
            outcomes.append(await measure(browser_page, painter, page, script))
            for why in (outcomes[-1].why, outcomes[-1].why_not_in_reader):
                if why:
                    print(f"{page.name}: {why}", file=sys.stderr, flush=True)
        await browser.close()
    return outcomes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, help="only so many pages")
    outcomes = asyncio.run(evaluate(parser.parse_args().pages))
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.page.language, outcome.page.kind].append(outcome)
    for (language, kind), members in groups.items():
        failed = [
            {"name": o.page.name, "why": o.why, "in_reader": o.why_not_in_reader, "quote": o.quote, "href": o.href}
            for o in members
            if o.why or o.why_not_in_reader
        ]
        line = {"language": language, "kind": kind, **_counts(members), "failed": failed}
        print(json.dumps(line, ensure_ascii=False))
    counts = _counts(outcomes)
    shares = {f"{name}_share": counts[name] / len(outcomes) for name in ("marked", "in_reader")}
    print(json.dumps(counts | {name: round(share, 4) for name, share in shares.items()}))
    if min(shares.values()) < MIN_SHARE:
        raise SystemExit(1)


def _counts(outcomes: list[Outcome]) -> dict[str, int]:
    return {
        "quotes": len(outcomes),
        "marked": sum(not o.why for o in outcomes),
        "in_reader": sum(not o.why_not_in_reader for o in outcomes),
    }


if __name__ == "__main__":
    main()
