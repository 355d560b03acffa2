"""`make bench-dashboard`: frame rates and load times of the dashboard, in Chromium with software rendering.

Prints one JSON object per finding:

- `weight_kb`: what each route downloads, after gzip, without fonts and the 3-D chunk.
- `map`, once per layout, on a map of about 1,000 nodes: `open_to_map_ms` from opening the address with an empty cache
  to the first frame: median and maximum of five runs; `pan_fps` and `pan_worst_frame_ms` while the map is dragged in
  circles for two seconds, `far_*` while it is dragged over several widths of the screen in two movements, `zoom_*`
  while the wheel zooms in and out; `switch_ms` from choosing the layout to its first frame. `of_bare` is `pan_fps`
  divided by that of an empty page dragged in the same way. The worst frame is the 99th percentile. `*_cpu_ms` is the
  processor time of all of the browser's processes for each frame, which holds on a busy machine too.
- `before`: the same with the dashboard built in the checkout `--before`, against the same server and the same map, each
  layout directly after that of this checkout. Its files pass through the benchmark, so `open_to_map_ms` is left out.
- `edits`: for every kind of edit the time from the last input to the first frame that shows it, while the server
  answers 1.5 s later (`benchmarks/edit_latency.py`).
- `lighthouse`: its scores for the session list and a session page (desktop: 40 ms round trip, 10 Mbit/s).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.async_api import Browser, BrowserContext, Page, Route, ViewportSize, async_playwright

from benchmarks.bench_map import SAMPLES, synthetic
from benchmarks.edit_latency import measure_edits
from benchmarks.machine import (
    ProcessCost,
    add_busy_option,
    cpu_seconds_by_name,
    process_costs,
    require_quiet_machine,
)
from launch.ray_environment import free_ports
from launch.replay import read_session_file
from tests.dashboard.browser_user import CHROMIUM_FLAGS, BrowserUser
from tests.dashboard.bundle_size import route_bundle_sizes
from tests.support.chromium import CHROMIUM
from tests.support.product import Product
from tests.support.recorded_session import record

LIGHTHOUSE = Path(__file__).parent / "lighthouse"
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
NUM_OPENED = 5
LAYOUTS = ("tree", "radial", "galaxy")

_COUNT_FRAMES = """() => { window.frames_ = []; let last = performance.now();
const tick = (now) => { window.frames_.push(now - last); last = now; window.ticking_ = requestAnimationFrame(tick); };
window.ticking_ = requestAnimationFrame(tick); }"""


async def frames_of(page: Page, act: Callable[[Page], Awaitable[None]]) -> dict[str, float]:
    """Frames per second during `act`, the 99th percentile of the frame times, and the processor time of a frame."""
    await page.evaluate(_COUNT_FRAMES)
    before = browser_costs()
    await act(page)
    by_name = cpu_seconds_by_name(before, browser_costs())
    cpu_s = sum(seconds for name, seconds in by_name.items() if "chrom" in name)
    frames: list[float] = sorted(
        await page.evaluate("() => { cancelAnimationFrame(window.ticking_); return window.frames_; }")
    )
    return {
        "fps": len(frames) / (sum(frames) / 1000),
        "worst": frames[int(len(frames) * 0.99)],
        "cpu_ms": 1000 * cpu_s / len(frames),
    }


def browser_costs() -> dict[psutil.Process, ProcessCost]:
    """What the processes of this program have cost so far, among them those of its browsers."""
    return process_costs(psutil.Process().children(recursive=True), with_memory=False)


async def use_build(context: BrowserContext, checkout: Path) -> None:
    """Answer for the pages and files of the dashboard with those built in `checkout`."""
    files = checkout / "serve" / "static" / "dashboard"

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path.removeprefix("/")
        if (files / path).is_file():
            await route.fulfill(path=files / path)
        elif route.request.is_navigation_request():
            await route.fulfill(path=files / "index.html")
        else:
            await route.continue_()

    await context.route("**/*", answer)


async def let_presses_pan(page: Page) -> None:
    """Let every press on a flat map pan it, whatever stands there in a build.

    On a node it would drag the node, and the pointer on its way there would emphasize it, which draws the map again.
    """
    await page.evaluate(
        """() => {
            const canvas = document.querySelector('.map-canvas:not(.galaxy)');
            const options = { capture: true };
            canvas?.addEventListener('pointerdown', (event) => event.stopPropagation(), options);
            canvas?.addEventListener('pointermove', (event) => event.buttons || event.stopPropagation(), options);
        }"""
    )


async def drag(page: Page, seconds: float = 2.0) -> None:
    """Drag in circles around the centre of the map."""
    x, y = VIEWPORT["width"] * 0.62, VIEWPORT["height"] * 0.55
    await page.mouse.move(x, y)
    await page.mouse.down()
    began, i = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        i += 1
        await page.mouse.move(x + 130 * ((i % 60) / 30 - 1), y + 70 * ((i % 44) / 22 - 1))
    await page.mouse.up()


async def drag_far(page: Page, strokes: int = 6) -> None:
    """Drag the map over more than half of the screen in two movements, forth and back."""
    for stroke in range(strokes):
        sign = 1 if stroke < strokes / 2 else -1
        x, y = VIEWPORT["width"] * (0.5 + 0.28 * sign), VIEWPORT["height"] * 0.55
        await page.mouse.move(x, y)
        await page.mouse.down()
        for step in range(1, 41):
            await page.mouse.move(x - sign * step * 20, y + step * sign * 2)
        await page.mouse.up()


async def wheel(page: Page, turns: int = 60) -> None:
    """Zoom in and out again."""
    await page.mouse.move(VIEWPORT["width"] * 0.6, VIEWPORT["height"] * 0.55)
    for turn in range(turns):
        await page.mouse.wheel(0, -50 if turn < turns / 2 else 50)
        await asyncio.sleep(0.016)


async def first_picture_ms(page: Page, since: float = 0.0) -> float:
    """When the map was first drawn, on the page's clock."""
    marks = "performance.getEntriesByName('trailmind:map').map(e => e.startTime)"
    for _ in range(600):  # Waiting inside the page would need `eval`, which its policy forbids.
        times_ms = [float(each) for each in await page.evaluate(marks) if each >= since]
        if times_ms:
            return times_ms[0]
        await asyncio.sleep(0.05)
    raise SystemExit("no map was drawn within 30 seconds")


async def measure_map(context: BrowserContext, origin: str, session: str, layout: str) -> dict[str, float]:
    """One layout of one session in a new page."""
    opened: list[float] = []
    for _ in range(NUM_OPENED):
        page = await context.new_page()
        await (await context.new_cdp_session(page)).send("Network.clearBrowserCache")
        await page.goto(f"{origin}/sessions/{session}?view=map&layout={layout}", wait_until="commit")
        opened.append(await first_picture_ms(page))
        # Not "networkidle": the page keeps its event stream open.
        await page.wait_for_load_state("load")
        await asyncio.sleep(1.0)
        if len(opened) < NUM_OPENED:
            await page.close()
    await let_presses_pan(page)
    result = {"open_to_map_ms": statistics.median(opened), "slowest_open_ms": max(opened)}
    for name, act in {"pan": drag, "far": drag_far, "zoom": wheel}.items():
        frames = await frames_of(page, act)
        result |= {
            f"{name}_fps": frames["fps"],
            f"{name}_worst_frame_ms": frames["worst"],
            f"{name}_cpu_ms": frames["cpu_ms"],
        }
        await asyncio.sleep(0.3)
    other = "radial" if layout == "tree" else "tree"
    await page.locator(".map-bar .segmented button").nth(("tree", "radial", "galaxy").index(other)).click()
    await asyncio.sleep(1.0)
    since = float(await page.evaluate("performance.now()"))
    await page.locator(".map-bar .segmented button").nth(LAYOUTS.index(layout)).click()
    result["switch_ms"] = await first_picture_ms(page, since) - since
    await page.close()
    return result


async def signed_in_page(context: BrowserContext, origin: str, email: str) -> Page:
    """A page of `context` after the user with this address has signed in."""
    page = await context.new_page()
    user = BrowserUser(page, origin)
    user.email = email
    await page.goto("/login")
    await user.sign_in()
    await page.wait_for_url("**/sessions")
    return page


async def measure_maps(origin: str, email: str, session: str, layouts: Sequence[str], before: Path | None) -> None:
    """Every layout, each in a browser context with nothing in its cache but the login."""
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        bare = await browser.new_page(viewport=VIEWPORT)
        await bare.set_content("<body style='height:100vh'>")
        of_bare = await frames_of(bare, drag)
        await bare.close()
        for layout in layouts:
            for build in (None, before) if before else (None,):
                context = await browser.new_context(viewport=VIEWPORT, locale="en-US", base_url=origin)
                if build:
                    await use_build(context, build)
                await (await signed_in_page(context, origin, email)).close()
                result = await measure_map(context, origin, session, layout)
                if build:
                    del result["open_to_map_ms"], result["slowest_open_ms"]
                ratio = result["pan_fps"] / of_bare["fps"]
                facts = {
                    "measure": "before" if build else "map",
                    "layout": layout,
                    "load": round(os.getloadavg()[0], 1),
                }
                figures = {**{k: round(v, 1) for k, v in result.items()}, "of_bare": round(ratio, 2)}
                print(json.dumps(facts | figures), flush=True)
                await context.close()
        await browser.close()


async def measure_edit_latency(origin: str, email: str, session: str) -> None:
    """How soon edits of a recorded session are visible."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        context = await browser.new_context(viewport=VIEWPORT, locale="en-US", base_url=origin)
        page = await signed_in_page(context, origin, email)
        times_ms = await measure_edits(page, f"/sessions/{session}")
        print(json.dumps({"measure": "edits", "load": round(os.getloadavg()[0], 1), **times_ms}), flush=True)
        await browser.close()


async def measure_pages(origin: str, email: str, session: str, profile: Path) -> None:
    """Lighthouse on the most used pages, signed in."""
    (port,) = free_ports(1)
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            args=[*CHROMIUM_FLAGS, f"--remote-debugging-port={port}"],
            viewport=None,
        )
        page = await context.new_page()
        user = BrowserUser(page, origin)
        user.email = email
        await page.goto(f"{origin}/login")
        await user.sign_in()
        await page.wait_for_url("**/sessions")
        await page.goto("about:blank")
        for name, path in {"session list": "/sessions", "session page": f"/sessions/{session}"}.items():
            report = await asyncio.to_thread(lighthouse, f"{origin}{path}", port)
            scores = {each["id"]: round(100 * each["score"]) for each in report["categories"].values()}
            audits = report["audits"]
            times = {
                key: round(audits[key]["numericValue"], 3)
                for key in (
                    "first-contentful-paint",
                    "largest-contentful-paint",
                    "total-blocking-time",
                    "cumulative-layout-shift",
                )
            }
            failed = sorted(
                key
                for category in report["categories"].values()
                for ref in category["auditRefs"]
                if ref["weight"] > 0
                and (audits[key := ref["id"]]["score"] or 0) < 0.9
                and audits[key]["scoreDisplayMode"] not in ("notApplicable", "manual", "informative")
            )
            assert report["finalDisplayedUrl"].startswith(f"{origin}{path}"), report["finalDisplayedUrl"]
            print(
                json.dumps({"measure": "lighthouse", "page": name, **scores, **times, "below_90": failed}), flush=True
            )
        await context.close()


def lighthouse(url: str, port: int) -> dict[str, Any]:
    """Lighthouse's report on `url`, opened in the browser that listens on `port`."""
    ran = subprocess.run(
        [
            *("node", str(LIGHTHOUSE / "node_modules/lighthouse/cli/index.js"), url, f"--port={port}"),
            *("--preset=desktop", "--disable-storage-reset", "--output=json", "--quiet"),
            "--only-categories=performance,accessibility,best-practices",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CHROME_PATH": CHROMIUM},
    )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def main() -> None:
    """Start a Trailmind (or use a running one), fill it, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=930, help="pages of the large session (930 make some 1,000 nodes)")
    parser.add_argument("--origin", help="a running Trailmind instead of one of its own")
    parser.add_argument("--only", choices=("weight", "map", "edits", "lighthouse"))
    parser.add_argument("--layout", choices=LAYOUTS, help="one layout of the map only")
    parser.add_argument("--before", type=Path, metavar="DIR", help="another checkout with a built dashboard to compare")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    measures = [arguments.only] if arguments.only else ["weight", "map", "edits", "lighthouse"]
    if "weight" in measures:
        print(
            json.dumps({"measure": "weight_kb", **{k: round(v / 1024, 1) for k, v in route_bundle_sizes().items()}}),
            flush=True,
        )
    if measures == ["weight"]:
        return
    if arguments.origin:
        run(arguments.origin, arguments, measures)
    else:
        with Product() as product:
            run(product.origin, arguments, measures)


def run(origin: str, arguments: argparse.Namespace, measures: list[str]) -> None:
    """Everything that needs a server."""
    if "map" in measures:
        email = f"map-{int(time.time())}@bench.local"
        session = record(origin, email, synthetic(arguments.pages))
        layouts = [arguments.layout] if arguments.layout else LAYOUTS
        asyncio.run(measure_maps(origin, email, session, layouts, arguments.before))
    if "edits" in measures:
        email = f"edits-{int(time.time())}@bench.local"
        session = record(origin, email, read_session_file(SAMPLES / "02-web-app-week.events.json"))
        asyncio.run(measure_edit_latency(origin, email, session))
    if "lighthouse" in measures:
        email = f"list-{int(time.time())}@bench.local"
        sessions = [record(origin, email, read_session_file(file)) for file in sorted(SAMPLES.glob("*.events.json"))]
        with tempfile.TemporaryDirectory() as profile:
            asyncio.run(measure_pages(origin, email, sessions[1], Path(profile)))


if __name__ == "__main__":
    main()
