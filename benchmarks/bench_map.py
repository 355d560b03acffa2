"""`make bench-map`: from Stop to a finished map, through the whole product.

Replays every sample session and a synthetic one of 500 pages with their texts. Prints one JSON object per session:
`pages`, `stop_to_map_s`, `stages_s` (from the server's progress events) and `peak_rss_mb`, the largest memory of any
process that generates maps.
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
    """The events of a session of `num_pages` different pages: the samples' texts in turn, under URLs of their own."""
    visit_of_url = {
        page_url(e["url"]): e
        for f in sorted(SAMPLES.glob("*.events.json"))
        for e in read_session_file(f)
        if e["type"] == "page_visit"
    }
    visits = list(visit_of_url.values())
    events, now = [], 1_760_000_000_000
    for i in range(num_pages):
        source = visits[i % len(visits)]
        lap = i // len(visits)
        url = source["url"].partition("#")[0]
        text = source.get("content") or ""
        # Odd laps swap the halves of the text: similar, as pages of one site are, but not equal.
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


#: Parts of the names of the Ray tasks that generate maps.
_MAP_TASKS = ("_describe", "_outline", "_draw")


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """The largest resident memory in MB of any Ray worker that generates maps, sampled ten times a second."""
    peak, is_over = [0.0], threading.Event()

    def sample() -> None:
        while not is_over.wait(0.1):
            for process in psutil.process_iter(["cmdline", "memory_info"]):
                command = " ".join(process.info["cmdline"] or [])
                if command.startswith("ray::") and any(name in command for name in _MAP_TASKS):
                    peak[0] = max(peak[0], process.info["memory_info"].rss / 1e6)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        is_over.set()
        sampler.join()


def measure(running: Product, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Record a session, stop it, and wait for its map. Raises `SystemExit` if there is none."""
    with httpx2.Client(base_url=running.origin, timeout=120.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        recorder.sign_up(f"{uuid.uuid4().hex}@bench.local", uuid.uuid4().hex)
        session = recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"]
        moved = shift_to_end_at(events, int(time.time() * 1000))
        recorder.send(session, moved, repeat_batch=-1, on_progress=lambda *_: None)
        timings: dict[str, float] = {}
        with peak_memory() as peak:
            started_at = time.perf_counter()
            recorder.call("stop", "POST", f"/v1/sessions/{session}/stop")
            with client.stream("GET", f"/v1/sessions/{session}/stream", headers=recorder.headers) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        timings = json.loads(line[6:]).get("timings_ms", timings)
            mindmap = recorder.call("get_mindmap", "GET", f"/v1/sessions/{session}/mindmap")["mindmap"]
            seconds = time.perf_counter() - started_at
        if mindmap["status"] != "completed":
            raise SystemExit(f"no map: {mindmap}")
        data = mindmap["data"]
        pages = sum(n["type"] == "page" for n in data["nodes"]) + len(data["left_out"])
        return {
            "pages": pages,
            "topics": sum(n["type"] == "topic" for n in data["nodes"]),
            "stop_to_map_s": round(seconds, 3),
            "stages_s": {k: round(v / 1e3, 3) for k, v in timings.items()},
            "peak_rss_mb": round(peak[0], 1),
        }


def main() -> None:
    """Start a local server, measure, and stop it."""
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
