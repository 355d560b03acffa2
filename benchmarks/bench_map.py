"""`make bench-map`: from Stop to a finished map, through the whole product.

Replays every sample session and a synthetic one of 500 pages with their texts. A user reads for some time before Stop,
and meanwhile the server prepares the map: Stop comes when it has nothing left to prepare (with `--at-once`: right after
the last event). Prints one JSON object per session: `pages`, `prepared_pages`, `stop_to_map_s`, `pure_s`, the time of
the pipeline alone on the same pages in this process, `ratio_to_pure`, `stages_s` (from the server's progress events)
and `peak_rss_mb`, the largest memory of any process that generates maps.
"""

from __future__ import annotations

import argparse
import asyncio
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
import psycopg

from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.jobs.worker import KEEP_READY_PERIOD_S
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import UniversalSentenceEncoder, encoder_model
from launch.replay import ReplayClient, read_session_file, shift_to_end_at
from models.recording.page_vectors import load_vectors
from models.recording.timeline_store import load_pages
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


async def _prepared(dsn: str, session_id: uuid.UUID, timeout_s: float = 120.0) -> int:
    """The number of prepared pages of a recording, once it has not grown for three passes of the server."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        count, since, began = 0, time.monotonic(), time.monotonic()
        while time.monotonic() - since < 3 * KEEP_READY_PERIOD_S and time.monotonic() - began < timeout_s:
            known = len(await load_vectors(connection, [session_id], encoder_model()))
            if known != count:
                count, since = known, time.monotonic()
            await asyncio.sleep(1.0)
        return count


async def _pure_s(dsn: str, session_id: uuid.UUID, user_id: uuid.UUID) -> float:
    """Seconds of the pipeline on the session's pages, with the encoder, in this process."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        _, pages = await load_pages(connection, session_id, user_id)
    # A new one: an encoder remembers the texts of earlier sessions.
    encoder = UniversalSentenceEncoder() if encoder_model() else None
    began = time.perf_counter()
    outline = build_outline([page_features(page, encoder) for page in pages])
    compose_document(outline, pages, provider="local", session_title=None)
    return time.perf_counter() - began


def measure(running: Product, events: list[dict[str, Any]], *, at_once: bool = False) -> dict[str, Any]:
    """Record a session, stop it, and wait for its map. Raises `SystemExit` if there is none."""
    dsn = running.settings.database.postgres_dsn
    with httpx2.Client(base_url=running.origin, timeout=120.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        recorder.sign_up(f"{uuid.uuid4().hex}@bench.local", uuid.uuid4().hex)
        session = recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"]
        moved = shift_to_end_at(events, int(time.time() * 1000))
        recorder.send(session, moved, repeat_batch=-1, on_progress=lambda *_: None)
        session_id, user_id = uuid.UUID(session), uuid.UUID(recorder.call("me", "GET", "/v1/auth/me")["user"]["id"])
        num_prepared = 0 if at_once else asyncio.run(_prepared(dsn, session_id))
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
        pure_s = asyncio.run(_pure_s(dsn, session_id, user_id))
        return {
            "pages": pages,
            "prepared_pages": num_prepared,
            "topics": sum(n["type"] == "topic" for n in data["nodes"]),
            "stop_to_map_s": round(seconds, 3),
            "pure_s": round(pure_s, 3),
            "ratio_to_pure": round(seconds / pure_s, 2),
            "stages_s": {k: round(v / 1e3, 3) for k, v in timings.items()},
            "peak_rss_mb": round(peak[0], 1),
        }


def main() -> None:
    """Start a local server, measure, and stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=500, help="size of the synthetic session")
    parser.add_argument("--at-once", action="store_true", help="stop immediately after the last event")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    with Product() as running:
        measure(running, read_session_file(sorted(SAMPLES.glob("*.events.json"))[0]), at_once=True)  # warm-up
        for file in sorted(SAMPLES.glob("*.events.json")):
            result = measure(running, read_session_file(file), at_once=arguments.at_once)
            print(json.dumps({"session": file.name.removesuffix(".events.json"), **result}), flush=True)
        result = measure(running, synthetic(arguments.pages), at_once=arguments.at_once)
        print(json.dumps({"session": f"synthetic-{arguments.pages}", **result}), flush=True)


if __name__ == "__main__":
    main()
