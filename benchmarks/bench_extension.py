"""`python -m benchmarks.bench_extension`: cost of the Chrome extension, in Chromium.

- `popup_ms`: from navigation to the first complete frame, with 5,000 queued events of 500 pages, beside an empty page
  of the extension in the same browser.
- `memory_mb`: JavaScript heap of the service worker (peak while those 5,000 events go out, and at rest) and of the
  popup; what the recorder adds to the heap of a page, beside the same page unrecorded.
- `content_script_ms`: CPU time of the recorder in a page load, by the sampling profiler, beside the page's own scripts
  and layout; and what reading the text costs once the page has settled.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import add_busy_option, require_quiet_machine
from tests.extension.browser import EXTENSION_ID, Chromium, wait_until
from tests.extension.builds import build_extension, with_permissions_granted
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.queued_events import insert_queued_events
from tests.extension.user_actions import ready_to_record, start_recording, stop_recording, stored_receipt

METRICS = {"popup_ms": 200, "memory_mb": 50, "content_script_ms": 5}


def spread(values: list[float]) -> dict[str, float]:
    """Median, worst and count, to a tenth."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(p95, 1),
        "worst": round(ordered[-1], 1),
        "count": len(ordered),
    }


def opened_ms(tab: Tab, num_times: int, ready: str) -> list[float]:
    """Milliseconds from each navigation until `ready` returns a number."""
    times_ms = []
    for _ in range(num_times):
        tab.send("Page.reload")
        time.sleep(0.3)
        times_ms.append(float(wait_until(lambda: tab.evaluate(ready), what="the page")))
    return times_ms


def heap_mb(tab: Tab) -> float:
    """JavaScript heap of a page in use, after collecting garbage."""
    tab.send("HeapProfiler.collectGarbage")
    return float(tab.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def page_costs(tab: Tab, site: LocalSite, script: str, num_pages: int, first: int) -> list[float]:
    wait_ms = 1_000 if script == "recorder.js" else 2_500
    return [tab.script_cost_ms(site.url(f"/article/{first + i}"), script, wait_ms) for i in range(num_pages)]


def measure(num_popups: int, num_pages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="trailmind-bench-") as temp:
        return _measure(Path(temp), num_popups, num_pages)


def _measure(temp: Path, num_popups: int, num_pages: int) -> dict[str, Any]:
    server, site = FakeServer().start(), LocalSite()
    (temp / "profile").mkdir()
    build = with_permissions_granted(build_extension(temp / "product"), temp / "extension")
    chromium = Chromium(build, temp / "profile").start()
    try:
        popup = ready_to_record(chromium, server)
        reader = chromium.open()
        # The page without the recorder first.
        unrecorded = page_costs(reader, site, "recorder.js", 2, 900)
        bare_heap = heap_mb(reader)

        start_recording(popup)
        reader.goto(site.url("/article/1"))
        time.sleep(1)
        recorder = page_costs(reader, site, "recorder.js", num_pages, 2)
        extract = page_costs(reader, site, "extract.js", num_pages, 2 + num_pages)
        reader.goto(site.url("/article/901"))
        time.sleep(2)
        recorded_heap = heap_mb(reader)
        reader.close()

        server.stop()
        insert_queued_events(popup, 5_000)
        second = chromium.popup()
        popups = opened_ms(second, num_popups, "document.getElementById('root')?.dataset.ready")
        popup_heap = heap_mb(second)
        empty = chromium.open(f"chrome-extension://{EXTENSION_ID}/pdf-reader.html")
        ready = "performance.getEntriesByType('navigation')[0]?.loadEventEnd || 0"
        wait_until(
            lambda: empty.evaluate(f"location.protocol === 'chrome-extension:' && {ready}"), what="an empty page"
        )
        empties = opened_ms(empty, num_popups, ready)

        server.start()
        began = time.monotonic()
        popup.evaluate("chrome.runtime.sendMessage({command: 'retry', args: {}})")
        heaps: list[float] = []

        def all_sent() -> bool:
            heaps.append(chromium.worker_heap_mb())
            return stored_receipt(popup)["waiting"] == 0

        wait_until(all_sent, 120, "everything sent")
        took_s = time.monotonic() - began
        stop_recording(popup)
        at_rest = chromium.worker_heap_mb()
    finally:
        chromium.kill()
        server.stop()
        site.close()

    popup_spread, empty_spread = spread(popups), spread(empties)
    total = max(heaps) + popup_heap + max(0.0, recorded_heap - bare_heap)
    script = spread(recorder)
    return {
        "popup_ms": {
            **popup_spread,
            "empty_page": empty_spread,
            "ratio": round(popup_spread["median"] / max(empty_spread["median"], 0.1), 1),
        },
        "memory_mb": {
            "worker_peak_sending": round(max(heaps), 1),
            "worker_at_rest": round(at_rest, 1),
            "popup": round(popup_heap, 1),
            "page_unrecorded": round(bare_heap, 1),
            "page_recorded": round(recorded_heap, 1),
            "worker_popup_and_page_share": round(total, 1),
        },
        "content_script_ms": {
            "recorder_at_load": script,
            "text_after_settling": spread(extract),
            "unrecorded": round(max(unrecorded), 1),
        },
        "sending_5000_events_s": round(took_s, 1),
        "wanted_below": METRICS,
        "met": {
            "popup_ms": popup_spread["worst"] < METRICS["popup_ms"],
            "memory_mb": total < METRICS["memory_mb"],
            "content_script_ms": script["median"] < METRICS["content_script_ms"],
        },
        "load": round(os.getloadavg()[0], 1),
        "chromium": subprocess.run(
            [shutil.which("chromium") or "chromium", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--popups", type=int, default=20)
    parser.add_argument("--pages", type=int, default=15)
    add_busy_option(parser)
    options = parser.parse_args()
    require_quiet_machine(options)
    print(json.dumps(measure(options.popups, options.pages), indent=2))


if __name__ == "__main__":
    main()
