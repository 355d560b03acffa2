"""`make bench-regenerate`: how fast a regeneration run is, and what users notice of it.

Records `--sessions` synthetic sessions (`benchmarks.eval_synthetic.session` on the pages of the samples) in a local
server, which makes their maps. Prints JSON objects: `machine`; `interactive`, the time from Stop to the map in seconds,
without and with a run beside it; `one_process`, the speed of a single worker process, before and after the run; `run`,
the speed of `trailmind regenerate start` with a Ray of its own on all cores, and `share`, its speed divided by cores
times the speed of one process. Speeds are maps a second. `cpu_s_per_map` is the CPU time of the processes that the
measurement has started. With `--nodes`, `nodes` is a run in a local cluster of so many nodes: the number of maps that
each node has made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
from psycopg_pool import AsyncConnectionPool

from benchmarks.bench_map import SAMPLES, measure
from benchmarks.eval_synthetic import session
from benchmarks.machine import machine
from cluster.maps.loader import PIPELINE_VERSION
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.runs.planning import Budget, RunPlanner
from cluster.runs.worker import work
from cluster.settings import Settings, load_settings, with_changes
from launch.local_server import with_running_stores
from launch.replay import ReplayClient, read_session_file
from launch.stores.embedded import EmbeddedStores
from models.recording.pages import CapturedPage
from models.runs.parameters import Gates, RunParameters, Selection
from tests.support.product import Product

#: Other topics than the maps have, so that every map changes.
OPTIONS = {"topic_resolution": 1.3}
_NO_GATES = ("--max-score-drop", "1", "--max-failures", "100%", "--max-edits-lost", "100%")
_SESSIONS_PER_USER = 25
_WARM_UP_MAPS = 5


def subjects() -> dict[str, list[tuple[str, str]]]:
    """(title, text) of the samples' pages by subject, of subjects with enough pages for a session."""
    found: dict[str, list[tuple[str, str]]] = {}
    for events_file in sorted(SAMPLES.glob("*.events.json")):
        truth = json.loads(events_file.with_name(events_file.name.replace(".events.", ".truth.")).read_text())
        subject_of = {page["url"]: page["topic"] for page in truth["pages"] if not page["noise"]}
        pages = {e["url"]: e for e in read_session_file(events_file) if e["type"] == "page_visit"}
        for url, event in pages.items():
            if url in subject_of and event.get("content"):
                name = f"{subject_of[url]}-{events_file.name[:2]}"
                found.setdefault(name, []).append((event["title"], event["content"]))
    return {name: texts for name, texts in found.items() if len(texts) >= 4}


def events_of(pages: Sequence[CapturedPage]) -> list[dict[str, Any]]:
    """The events of a session in which these pages are read."""
    visits = sorted((at_ms, page) for page in pages for at_ms in page.visited_at_ms)
    events: list[dict[str, Any]] = []
    for at_ms, page in sorted(visits, key=lambda visit: visit[0]):
        dwell_ms = page.dwell_ms // len(page.visited_at_ms)
        fields = {"url": page.url, "title": page.title, "content": page.text}
        events.append({"type": "page_visit", "timestamp": at_ms, **fields})
        events.append({"type": "page_leave", "timestamp": at_ms + dwell_ms, "url": page.url, "duration_ms": dwell_ms})
    return [{**event, "event_id": str(uuid.uuid4()), "seq": seq} for seq, event in enumerate(events)]


def record(running: Product, numbers: Sequence[int], texts: dict[str, list[tuple[str, str]]]) -> None:
    """Record and stop the sessions with these numbers as one user."""
    with httpx2.Client(base_url=running.origin, timeout=120.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        recorder.sign_up(f"{uuid.uuid4().hex}@bench.local", uuid.uuid4().hex)
        for number in numbers:
            pages, _ = session(texts, number)
            started = recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"]
            recorder.send(started, events_of(pages), repeat_batch=-1, on_progress=lambda *_: None)
            recorder.call("stop", "POST", f"/v1/sessions/{started}/stop")


def record_all(running: Product, num_sessions: int) -> int:
    """Record the sessions, wait for their maps, and return the number of maps."""
    texts = subjects()
    batches = [range(i, min(i + _SESSIONS_PER_USER, num_sessions)) for i in range(0, num_sessions, _SESSIONS_PER_USER)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda numbers: record(running, numbers, texts), batches))
    with psycopg.connect(running.settings.database.postgres_dsn, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE status = 'processing'), count(*) FILTER (WHERE status = 'completed')"
                " FROM browsing_sessions"
            ).fetchone()
            assert row is not None
            if row[0] == 0:
                return int(row[1])
            time.sleep(1.0)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


def stop_to_map(running: Product, count: int) -> list[float]:
    """Seconds from Stop to the map of `count` sessions of 12 pages or so, one after another."""
    texts = subjects()
    return [
        measure(running, events_of(session(texts, 10_000 + number)[0]), at_once=True)["stop_to_map_s"]
        for number in range(count)
    ]


def command(*arguments: str) -> list[str]:
    """`trailmind regenerate` with these arguments."""
    return [sys.executable, "-m", "launch.cli.main", "regenerate", *arguments]


def start_arguments(run_id: str) -> list[str]:
    """The arguments of the run that is measured."""
    options = [part for name, value in OPTIONS.items() for part in ("--option", f"{name}={value}")]
    return ["start", "--json", "--run-id", run_id, "--provider", "local", "--force", *options, *_NO_GATES]


def interactive(running: Product, count: int) -> dict[str, Any]:
    """Stop to map without and with a run beside it."""
    stop_to_map(running, 2)  # warm-up
    quiet = stop_to_map(running, count)
    data_dir = ("--data-dir", str(running.data_dir))
    run_id = f"beside-{uuid.uuid4().hex[:6]}"
    with subprocess.Popen(
        command(*start_arguments(run_id), *data_dir), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        with psycopg.connect(running.settings.database.postgres_dsn, autocommit=True) as connection:
            while num_finished(connection, run_id) < 2:
                if run.poll() is not None:
                    raise SystemExit("the run beside the application has ended")
                time.sleep(0.2)
            before, began = num_finished(connection, run_id), time.perf_counter()
            beside = stop_to_map(running, count)
            num_maps, took_s = num_finished(connection, run_id) - before, time.perf_counter() - began
        was_running = run.poll() is None
        subprocess.run(command("cancel", run_id, *data_dir), check=False, stdout=subprocess.DEVNULL)
        run.communicate()
    return {
        "stops": count,
        "quiet_p95_s": round(p95(quiet), 3),
        "beside_run_p95_s": round(p95(beside), 3),
        "ratio": round(p95(beside) / p95(quiet), 2),
        "run_worked_all_the_time": was_running,
        "run_maps_per_s": round(num_maps / took_s, 2),
    }


def num_finished(connection: psycopg.Connection, run_id: str) -> int:
    """The number of maps of the run that are done."""
    row = connection.execute(
        "SELECT count(*) FROM map_run_items WHERE run_id = %s AND finished_at IS NOT NULL", [run_id]
    ).fetchone()
    return int(row[0]) if row is not None else 0


@contextmanager
def cpu_seconds(roots: Callable[[], list[psutil.Process]]) -> Iterator[list[float]]:
    """Adds up the CPU time of processes and their children in the block, of ended ones up to their last half second."""
    used: dict[tuple[int, float], float] = {}
    total, is_over = [0.0], False

    def sample() -> None:
        for root in roots():
            with suppress(psutil.Error):
                for process in [root, *root.children(recursive=True)]:
                    with suppress(psutil.Error):
                        times = process.cpu_times()
                        used[process.pid, process.create_time()] = times.user + times.system

    def watch() -> None:
        while not is_over:
            sample()
            time.sleep(0.5)

    sample()
    at_start = dict(used)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(watch)
        try:
            yield total
        finally:
            is_over = True
            sample()
    total[0] = sum(seconds - at_start.get(process, 0.0) for process, seconds in used.items())


def run_parameters(limit: int) -> RunParameters:
    """The parameters of the runs that this process works on."""
    return RunParameters(
        selection=Selection(limit=limit),
        provider="local",
        prompt_version=PROMPT_VERSION,
        pipeline_version=PIPELINE_VERSION,
        options=OPTIONS,
        force=True,
        gates=Gates(max_score_drop=None, max_failures=None, max_edits_lost=None),
    )


def one_process(settings: Settings, num_maps: int) -> dict[str, float]:
    """The speed of one worker in this process."""

    async def run(limit: int) -> int:
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}
        )
        run_id = f"one-{uuid.uuid4().hex[:6]}"
        async with pool:
            await RunPlanner(settings, pool).create(run_id, run_parameters(limit), Budget())
        return await work(settings, run_id, uuid.uuid4(), work_s=1e9)

    asyncio.run(run(_WARM_UP_MAPS))
    with cpu_seconds(lambda: [psutil.Process()]) as cpu:
        began = time.perf_counter()
        processed = asyncio.run(run(num_maps))
        took_s = time.perf_counter() - began
    return speed(processed, took_s, cpu[0])


def speed(num_maps: int, took_s: float, cpu_s: float) -> dict[str, float]:
    """The figures of one measurement."""
    return {
        "maps": num_maps,
        "maps_per_s": round(num_maps / took_s, 3),
        "seconds": round(took_s, 2),
        "cpu_s_per_map": round(cpu_s / num_maps, 4),
    }


def whole_run(settings: Settings, environment: dict[str, str], limit: int) -> dict[str, Any]:
    """The speed of the command, from the first claim to the last map, and its whole time."""
    run_id = f"all-{uuid.uuid4().hex[:6]}"
    began = time.perf_counter()
    process = subprocess.Popen(
        command(*start_arguments(run_id), "--limit", str(limit)), env=environment, stdout=subprocess.PIPE
    )
    # PostgreSQL is a child of this process, as the command is.
    with cpu_seconds(lambda: [psutil.Process()]) as cpu:
        output, _ = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    progress = json.loads(output)["progress"]
    with psycopg.connect(settings.database.postgres_dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM max(finished_at) - min(finished_at - make_interval(secs => took_ms / 1e3)))"
            "::float8 FROM map_run_items WHERE run_id = %s",
            [run_id],
        ).fetchone()
        by_node = connection.execute(
            "SELECT node, count(*) FROM map_run_items WHERE run_id = %s GROUP BY node ORDER BY node", [run_id]
        ).fetchall()
    assert row is not None
    return {
        **speed(progress["done"], row[0], cpu[0]),
        "command_s": round(seconds, 2),
        "failed": progress["failed"],
        "by_node": {node.rpartition(" ")[2]: count for node, count in by_node},
    }


def in_local_cluster(data_dir: Path, num_nodes: int, limit: int) -> dict[str, Any]:
    """A run in a cluster of `num_nodes` nodes on this machine."""
    cluster = [sys.executable, "-m", "launch.cli.main", "cluster"]
    log = (data_dir / "nodes.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [*cluster, "up", "--nodes", str(num_nodes), "--data-dir", str(data_dir)], stdout=log, stderr=log
        ) as up,
    ):
        try:
            while not (data_dir / "run" / "cluster.json").exists():
                if up.poll() is not None:
                    raise SystemExit((data_dir / "nodes.log").read_text(errors="replace")[-2000:])
                time.sleep(0.5)
            settings = with_running_stores(load_settings(data_dir=data_dir))
            return whole_run(settings, {**os.environ, "TRAILMIND_DATA_DIR": str(data_dir)}, limit)
        finally:
            up.terminate()
            up.wait(timeout=120)


def main() -> None:
    """Record, measure, and remove everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--stops", type=int, default=20, help="interactive maps, quiet and beside a run; 0 skips them")
    parser.add_argument("--nodes", type=int, default=0, help="also a run in a local cluster of so many nodes")
    arguments = parser.parse_args()
    print(json.dumps({"machine": machine()}), flush=True)
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-bench-"))
    try:
        with Product(data_dir) as running:
            began = time.perf_counter()
            num_maps = record_all(running, arguments.sessions)
            recorded = {"sessions": num_maps, "seconds": round(time.perf_counter() - began, 1)}
            print(json.dumps({"recorded": recorded}), flush=True)
            if arguments.stops:
                print(json.dumps({"interactive": interactive(running, arguments.stops)}), flush=True)
        stores = EmbeddedStores(data_dir)
        urls = stores.start()
        try:
            environment = {
                **os.environ,
                "DATABASE_URL": urls.database_url,
                "REDIS_URL": urls.redis_url,
                "TRAILMIND_DATA_DIR": str(data_dir),
            }
            settings = with_changes(
                load_settings(data_dir=data_dir), database_url=urls.database_url, redis_url=urls.redis_url
            )
            # Before and after, because other programs may use the machine for a while.
            size = max(20, arguments.sessions // 8)
            first = one_process(settings, size)
            run = whole_run(settings, environment, arguments.sessions)
            second = one_process(settings, size)
            print(json.dumps({"one_process": [first, second]}), flush=True)
            cores = os.cpu_count() or 1
            single = (first["maps_per_s"] + second["maps_per_s"]) / 2
            share = round(run["maps_per_s"] / (cores * single), 3)
            cpu_share = round((first["cpu_s_per_map"] + second["cpu_s_per_map"]) / 2 / run["cpu_s_per_map"], 3)
            print(json.dumps({"run": {**run, "cores": cores, "share": share, "cpu_share": cpu_share}}), flush=True)
        finally:
            stores.stop()
        if arguments.nodes:
            nodes = in_local_cluster(data_dir, arguments.nodes, arguments.sessions)
            print(json.dumps({"nodes": nodes, "machine": machine()}), flush=True)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


if __name__ == "__main__":
    main()
