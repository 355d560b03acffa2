"""`trailmind demo`: a real recorded session through the real system, and the map that comes out."""

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

DEFAULT_SAMPLE = "02-web-app-week"


def sample_path(name: str = DEFAULT_SAMPLE) -> Path:
    """The file of a bundled session."""
    return Path(str(files("launch") / "samples" / f"{name}.events.json"))


def run_demo(origin: str, session_file: Path, console: Console) -> dict[str, Any]:
    """Record, stop and map `session_file` on the server at `origin`; what came out, JSON-able."""
    events = shift_to_end_at(read_session_file(session_file), int(time.time() * 1000))
    with (
        httpx2.Client(base_url=origin, timeout=60.0, trust_env=False) as client,
        Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
        ) as bar,
    ):
        task = bar.add_task("Signing up", total=None)

        def on_progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        recorder = ReplayClient(client)
        recorder.sign_up(f"demo-{secrets.token_hex(6)}@trailmind.local", secrets.token_urlsafe(18))
        session_id = recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"]
        recorder.send(session_id, events, repeat_batch=1, on_progress=on_progress)
        stopped_at = time.perf_counter()
        recorder.call("stop", "POST", f"/v1/sessions/{session_id}/stop")
        mindmap = recorder.wait_for_map(session_id, on_progress)
        stop_to_map_ms = round((time.perf_counter() - stopped_at) * 1e3, 1)
        timeline = recorder.call("get_timeline", "GET", f"/v1/sessions/{session_id}/timeline")
        stats = recorder.call("get_stats", "GET", f"/v1/sessions/{session_id}/events/stats")
        link = recorder.call("get_picture_link", "POST", f"/v1/sessions/{session_id}/mindmap/picture")
    return {
        "session_id": session_id,
        "mindmap": mindmap,
        "timeline": timeline,
        "stats": stats,
        "timings_ms": {**recorder.timings.summary(), "stop_to_map": stop_to_map_ms},
        "receipt": recorder.verdict_counts,
        "picture_url": link["url"],
    }


def print_result(result: dict[str, Any], console: Console) -> None:
    """Print the result for a person."""
    document = MindmapDocument.from_json(result["mindmap"]["data"])
    console.print(to_tree_text(document), markup=False, highlight=False, soft_wrap=True)
    receipt, stats = result["receipt"], result["stats"]
    console.print(
        f"\n[bold]Receipt[/]  {receipt['seen']} events sent (one batch twice, its answer was lost on purpose):"
        f" {receipt['stored']} stored, {receipt['duplicate']} recognised as repeats, {receipt['excluded']} excluded,"
        f" {receipt['invalid']} invalid. The server holds {stats['total_events']}.",
        soft_wrap=True,
    )
    timings = dict(result["timings_ms"])
    stop_to_map = timings.pop("stop_to_map")
    console.print(f"[bold]Times[/]    Stop → map {stop_to_map / 1000:.2f} s")
    for step, t in timings.items():
        console.print(
            f"         {step:<17} {t['calls']:>3} calls   median {t['p50']:>7.1f} ms   worst {t['max']:>7.1f} ms"
        )


def result_json(result: dict[str, Any]) -> str:
    """The result for a program: one JSON object."""
    return json.dumps(result, ensure_ascii=False)
