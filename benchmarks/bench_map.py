"""`make bench-map`: from Stop to a finished map, through the whole product.

Plays every sample session (15 to 100+ pages) and one of 500 pages put together from all of them. Prints one JSON object
per session: `pages`, `stop_to_map_s`, `stages_s` (from the server's progress events) and `peak_rss_mb`, the largest
memory of any process that generates maps.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from launch.replay import ReplayClient, read_session_file, shift_to_end_at
from models.urls import page_url
from tests.support.product import Product

SAMPLES = Path(__file__).parents[1] / "launch" / "samples"


def synthetic(num_pages: int) -> list[dict[str, Any]]:
    """A session of `num_pages` different pages: the samples' texts, taken in turn, under addresses of their own."""
    found = {
        page_url(e["url"]): e
        for f in sorted(SAMPLES.glob("*.events.json"))
        for e in read_session_file(f)
        if e["type"] == "page_visit"
    }
    visits = list(found.values())
    events, now = [], 1_760_000_000_000
    for i in range(num_pages):
        source = visits[i % len(visits)]
        lap = i // len(visits)
        url = source["url"].partition("#")[0]
        text = source.get("content") or ""
        # Another lap shows the second half of the same text first: alike, as pages of one site are, but not equal.
        half = len(text) // 2
        events.append(
            {
                **source,
                "url": f"{url}{'&' if '?' in url else '?'}page={lap}" if lap else url,
                "content": text[half:] + text[:half] if lap % 2 else text,
                "timestamp": now,
            }
        )
        now += 45_000
        leave = {"type": "page_leave", "timestamp": now, "url": events[-1]["url"], "metadata": {"duration_ms": 40_000}}
        events.append(leave)
    return events


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """The largest resident size in MB of any Ray worker or job worker, looked at ten times a second."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for process in psutil.process_iter(["cmdline", "memory_info"]):
                line = " ".join(process.info["cmdline"] or [])
                if line.startswith("ray::") and ("_describe" in line or "_outline" in line or "_draw" in line):
                    peak[0] = max(peak[0], process.info["memory_info"].rss / 1e6)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def measure(running: Product, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Record, stop, and wait for the map."""
    with httpx2.Client(base_url=running.origin, timeout=120.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        recorder.sign_up(f"{uuid.uuid4().hex}@bench.local", uuid.uuid4().hex)
        session = recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"]
        moved = shift_to_end_at(events, int(time.time() * 1000))
        recorder.send(session, moved, repeat_batch=-1, on_progress=lambda *_: None)
        timings: dict[str, float] = {}
        with peak_memory() as peak:
            began = time.perf_counter()
            recorder.call("stop", "POST", f"/v1/sessions/{session}/stop")
            with client.stream("GET", f"/v1/sessions/{session}/stream", headers=recorder.headers) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        timings = json.loads(line[6:]).get("timings_ms", timings)
            mindmap = recorder.call("get_mindmap", "GET", f"/v1/sessions/{session}/mindmap")["mindmap"]
            took = time.perf_counter() - began
        if mindmap["status"] != "completed":
            raise SystemExit(f"no map: {mindmap}")
        data = mindmap["data"]
        pages = sum(n["type"] == "page" for n in data["nodes"]) + len(data["left_out"])
        return {
            "pages": pages,
            "topics": sum(n["type"] == "topic" for n in data["nodes"]),
            "stop_to_map_s": round(took, 3),
            "stages_s": {k: round(v / 1e3, 3) for k, v in timings.items()},
            "peak_rss_mb": round(peak[0], 1),
        }


def main() -> None:
    """Start a Trailmind of our own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=500, help="size of the synthetic session")
    arguments = parser.parse_args()
    with Product() as running:
        measure(running, read_session_file(sorted(SAMPLES.glob("*.events.json"))[0]))  # warm-up
        for file in sorted(SAMPLES.glob("*.events.json")):
            result = measure(running, read_session_file(file))
            print(json.dumps({"session": file.name.removesuffix(".events.json"), **result}), flush=True)
        result = measure(running, synthetic(arguments.pages))
        print(json.dumps({"session": f"synthetic-{arguments.pages}", **result}), flush=True)


if __name__ == "__main__":
    main()
