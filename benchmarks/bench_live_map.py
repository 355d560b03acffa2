"""Time to place a page on a map that grows page by page: one JSON object per size.

Run as `python -m benchmarks.bench_live_map [PAGES ...]`. Pages are those of `bench_map_pure`, one at a time, in one
process. `place_*_ms` is the time until a page is on the map (without the poll interval of the database, at most half a
second); `regroup_*_ms` is the time of a whole grouping, which runs beside it when the session has grown by half;
`open_ms` is the time to place all pages at once, as when a recording is opened that was not watched until then;
`ids_kept` is the share of all node ids ever shown that are on the last map.

`--server` measures the whole way instead: a running product receives `--pages` pages one at a time, and `page_shown_s`
is the time from sending each until the event stream has sent a map with it. The aim is a median of two seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bench_map_pure import synthetic
from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.mindmap.live.live_map import LiveMap, regroup
from launch.replay import ReplayClient, shift_to_end_at
from tests.support.client import PASSWORD, visit
from tests.support.map_sessions import make_session
from tests.support.product import Product


def measure(num_pages: int) -> dict[str, float | int]:
    """Grow one map to `num_pages` pages."""
    live = LiveMap()
    seen: set[str] = set()
    place_times, regroup_times = [], []
    for page in synthetic(num_pages):
        started_at = time.perf_counter()
        live.place_pages([page])
        place_times.append(time.perf_counter() - started_at)
        if live.needs_regrouping:
            started_at = time.perf_counter()
            live.apply_regrouping(regroup(live.features(), None, None))
            regroup_times.append(time.perf_counter() - started_at)
        seen |= {node.id for node in live.document.nodes}
    last = place_times[-max(20, num_pages // 10) :]
    kept = seen & {node.id for node in live.document.nodes}
    opened = LiveMap()
    started_at = time.perf_counter()
    opened.place_pages(list(synthetic(num_pages)))
    open_s = time.perf_counter() - started_at
    return {
        "pages": num_pages,
        "open_ms": round(1000 * open_s, 1),
        "place_median_ms": round(1000 * statistics.median(place_times), 1),
        "place_last_median_ms": round(1000 * statistics.median(last), 1),
        "place_p95_ms": round(1000 * sorted(place_times)[int(0.95 * len(place_times))], 1),
        "place_max_ms": round(1000 * max(place_times), 1),
        "regroups": len(regroup_times),
        "regroup_max_ms": round(1000 * max(regroup_times, default=0.0), 1),
        "ids_kept": round(len(kept) / len(seen), 4),
    }


def measure_server(num_pages: int) -> dict[str, object]:
    """Send pages to a product of our own and watch its event stream."""
    with Product() as product, httpx2.Client(base_url=product.origin, timeout=60.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        recorder.sign_up(f"live-{int(time.time())}@bench.local", PASSWORD)
        session = str(recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"])
        shown_at: dict[int, float] = {}
        threading.Thread(target=_watch, args=(product.origin, recorder.headers, session, shown_at), daemon=True).start()
        times_s = []
        for number, event in enumerate(shift_to_end_at(_events(num_pages), int(time.time() * 1000)), 1):
            sent_at = time.monotonic()
            recorder.send(session, [event], repeat_batch=-1, on_progress=lambda *_: None)
            deadline = sent_at + 60.0
            while not any(num_shown >= number for num_shown in list(shown_at)):
                if time.monotonic() > deadline:
                    raise SystemExit(f"page {number} was not shown within a minute")
                time.sleep(0.01)
            times_s.append(min(at for num_shown, at in shown_at.items() if num_shown >= number) - sent_at)
        recorder.call("stop", "POST", f"/v1/sessions/{session}/stop")
    return {
        "pages": num_pages,
        "page_shown_s": {"median": round(statistics.median(times_s), 2), "max": round(max(times_s), 2)},
        "load": round(os.getloadavg()[0], 1),
    }


def _events(num_pages: int) -> list[dict[str, Any]]:
    """Visits of different pages on three subjects in turn."""
    pages = make_session((num_pages + 2) // 3)[:num_pages]
    return [visit(page.url, page.visited_at_ms[0], title=page.title, content=page.text) for page in pages]


def _watch(origin: str, headers: dict[str, str], session: str, shown_at: dict[int, float]) -> None:
    """Note when the stream first sent a map of each number of pages."""
    url = f"{origin}/v1/sessions/{session}/stream"
    # The stream is cut when the product stops.
    with (
        contextlib.suppress(httpx2.HTTPError),
        httpx2.stream("GET", url, headers=headers, timeout=None, trust_env=False) as response,
    ):
        for line in response.iter_lines():
            if line.startswith("data:"):
                num_pages = json.loads(line.removeprefix("data:")).get("num_pages")
                if num_pages is not None:
                    shown_at.setdefault(num_pages, time.monotonic())


def main() -> None:
    """Measure the sizes on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[100, 200, 500], help="pages")
    parser.add_argument("--server", action="store_true", help="measure the whole way through a running product")
    parser.add_argument("--pages", type=int, default=20, help="pages for --server")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    if arguments.server:
        print(json.dumps(measure_server(arguments.pages)), flush=True)
        return
    for size in arguments.sizes:
        print(json.dumps(measure(size)), flush=True)


if __name__ == "__main__":
    main()
