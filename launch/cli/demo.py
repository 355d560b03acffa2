"""`trailmind demo`: replays a recorded session through the whole system and shows the map."""

from __future__ import annotations

import json
import secrets
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cluster.mindmap.render.tree_text import to_tree_text
from launch.replay import ReplayClient, read_session_file, shift_to_end_at
from models.mindmap.document import MindmapDocument
from models.plurals import counted

DEFAULT_SAMPLE = "02-web-app-week"


def sample_path(name: str = DEFAULT_SAMPLE) -> Path:
    """The file of a bundled session."""
    return Path(str(files("launch") / "samples" / f"{name}.events.json"))


def run_demo(origin: str, session_file: Path, console: Console) -> dict[str, Any]:
    """Record, stop and map `session_file` on the server at `origin`; return the map, timeline, counts and timings.

    The result can be encoded as JSON.

    Raises:
        BadRequest: the file is not a session file.
        ReplayFailed: the server refused a request, or the map failed.
    """
    events = shift_to_end_at(read_session_file(session_file), int(time.time() * 1000))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        httpx2.Client(base_url=origin, timeout=60.0, trust_env=False) as http,
        Progress(*columns, console=console, transient=True) as bar,
    ):
        row = bar.add_task("Signing up", total=None)

        def report(step: str, done: int, total: int) -> None:
            bar.update(row, description=step, completed=done, total=total)

        client = ReplayClient(http)
        client.sign_up(f"demo-{secrets.token_hex(6)}@trailmind.local", secrets.token_urlsafe(18))
        session_id = client.call("start", "POST", "/v1/sessions/start")["session"]["id"]
        client.send(session_id, events, repeat_batch=1, on_progress=report)
        stopped_at = time.perf_counter()
        client.call("stop", "POST", f"/v1/sessions/{session_id}/stop")
        mindmap = client.wait_for_map(session_id, report)
        stop_to_map_ms = round((time.perf_counter() - stopped_at) * 1e3, 1)
        timeline = client.call("get_timeline", "GET", f"/v1/sessions/{session_id}/timeline")
        stats = client.call("get_stats", "GET", f"/v1/sessions/{session_id}/events/stats")
        link = client.call("get_picture_link", "POST", f"/v1/sessions/{session_id}/mindmap/picture")
    return {
        "session_id": session_id,
        "mindmap": mindmap,
        "timeline": timeline,
        "stats": stats,
        "timings_ms": {**client.timings.summary(), "stop_to_map": stop_to_map_ms},
        "receipt": client.verdict_counts,
        "picture_url": link["url"],
    }


def print_result(result: dict[str, Any], console: Console) -> None:
    """Print the map as a tree, the counts of events and the timings."""
    document = MindmapDocument.from_json(result["mindmap"]["data"])
    console.print(to_tree_text(document), markup=False, highlight=False, soft_wrap=True)
    counts, stats = result["receipt"], result["stats"]
    console.print(
        f"\n[bold]Events[/]   {counts['seen']} sent (one batch twice, to simulate a lost response):"
        f" {counts['stored']} stored, {counts['duplicate']} duplicates, {counts['excluded']} excluded,"
        f" {counts['invalid']} invalid. The server stores {stats['total_events']}.",
        soft_wrap=True,
    )
    timings = dict(result["timings_ms"])
    stop_to_map = timings.pop("stop_to_map")
    console.print(f"[bold]Times[/]    Stop → map {stop_to_map / 1000:.2f} s")
    for step, timing in timings.items():
        console.print(
            f"         {step:<17} {counted(timing['calls'], 'call'):>9}   median {timing['p50']:>7.1f} ms"
            f"   max {timing['max']:>7.1f} ms"
        )


def result_json(result: dict[str, Any]) -> str:
    """The result of `run_demo` as one JSON object."""
    return json.dumps(result, ensure_ascii=False)
