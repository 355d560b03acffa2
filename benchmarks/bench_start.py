"""`make bench-start`: time from the command to the first response, on an empty and on an existing data directory.

Prints one JSON object: `first_start_s` (with creating and migrating the database), `second_start_s` (the median of
`--starts`), each from the start of the process to the first 200 of `/ready`; `phases_s` of that start; `stop_s`; and
`bare_serve_start_s`, measured in the same run: Ray and Ray Serve with one route, until its first response;
`store_back_s`, the median and the maximum of the time in which a store that was killed answers again at its URL.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import redis

from benchmarks.machine import add_busy_option, require_quiet_machine
from launch.ray_environment import free_ports

_BARE = """
import sys
from fastapi import FastAPI
import ray
from ray import serve
ray.init(address="local", log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
app = FastAPI()
@app.get("/ready")
def hello(): return "hello"
@serve.deployment
@serve.ingress(app)
class Hello: pass
serve.run(Hello.bind())
sys.stdin.read()
"""


def measure(command: list[str], port: int, variables: dict[str, str], messages: Path | None = None) -> dict[str, Any]:
    """Start `command`, wait until it answers on `port` and stop it; return the durations in seconds."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRAILMIND_", "RAY_"))} | variables
    if messages is not None:
        messages.unlink(missing_ok=True)
    began, began_at = time.monotonic(), time.time()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{command[:3]} ended with {process.returncode}")
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/ready", timeout=5.0, trust_env=False).status_code == 200:
                    break
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)
        ready_s = time.monotonic() - began
        while messages is not None and not messages.exists() and process.poll() is None:
            time.sleep(0.05)
    finally:
        stopping = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)
    durations: dict[str, Any] = {"ready_s": ready_s, "stop_s": time.monotonic() - stopping}
    if messages is not None:
        marks = [(float(at) - began_at, what) for at, what in json.loads(messages.read_text())]
        ends = [at for at, _ in marks[1:]] + [ready_s]
        durations["phases_s"] = {
            "imports": round(marks[0][0], 2),
            **{what: round(end - at, 2) for (at, what), end in zip(marks, ends, strict=True)},
        }
    return durations


def _serve(data_dir: Path, port: int, messages: Path) -> None:
    """Run `trailmind up` and write the time of each of its messages."""
    from cluster.settings import load_settings
    from launch.local_server import LocalServer

    marks: list[tuple[float, str]] = []
    running = LocalServer(load_settings(data_dir=data_dir, port=port))
    names = {"Starting PostgreSQL": "stores", "Starting Ray": "ray", "Starting the API": "api"}

    def note(sentence: str) -> None:
        marks.extend((time.time(), name) for beginning, name in names.items() if sentence.startswith(beginning))

    running.start(note)
    (written := messages.with_suffix(".part")).write_text(json.dumps(marks))
    written.rename(messages)
    try:
        signal.pause()
    finally:
        running.stop()


def store_back_s(kills: int) -> dict[str, Any]:
    """From the kill of each embedded store until it answers again."""
    from launch.stores import EmbeddedStores

    times: dict[str, list[float]] = {"PostgreSQL": [], "Valkey": []}
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-stores-"))
    try:
        with EmbeddedStores(data_dir) as stores:
            urls = stores.start()
            asks = {
                "PostgreSQL": lambda: _ask_postgres(urls.database_url),
                "Valkey": lambda: _ask_valkey(urls.redis_url),
            }
            for name in list(asks) * kills:
                killed_pid = stores.pids()[name]
                os.kill(killed_pid, signal.SIGKILL)
                killed_at = time.monotonic()
                # The killed process may answer for another moment: the store is back when its successor answers.
                while stores.pids().get(name) in (None, killed_pid) or not asks[name]():
                    time.sleep(0.01)
                times[name].append(time.monotonic() - killed_at)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    return {
        name: {"median": round(statistics.median(each), 2), "max": round(max(each), 2)} for name, each in times.items()
    }


def _ask_postgres(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def _ask_valkey(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=3, help="number of further starts")
    parser.add_argument("--kills", type=int, default=5, help="how often each store is killed")
    parser.add_argument("--only-stores", action="store_true", help="measure only how soon a killed store is back")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    add_busy_option(parser)
    arguments = parser.parse_args()
    if not arguments.serve:
        require_quiet_machine(arguments)
    if arguments.serve:
        data_dir, port, messages = arguments.serve
        _serve(Path(data_dir), int(port), Path(messages))
        return
    if arguments.only_stores:
        print(json.dumps({"store_back_s": store_back_s(arguments.kills)}), flush=True)
        return
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-start-"))
    try:
        starts = []
        for _ in range(arguments.starts + 1):
            (port,) = free_ports(1)
            messages = data_dir / "messages.json"
            command = [
                sys.executable,
                "-m",
                "benchmarks.bench_start",
                "--serve",
                str(data_dir),
                str(port),
                str(messages),
            ]
            starts.append(measure(command, port, {}, messages))
        (port,) = free_ports(1)
        bare = measure(
            [sys.executable, "-c", _BARE, str(port)],
            port,
            {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_ENABLE_HA_PROXY": "1"},
        )
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    again = sorted(starts[1:], key=lambda start: start["ready_s"])
    middle = statistics.median_low([start["ready_s"] for start in again])
    chosen = next(start for start in again if start["ready_s"] == middle)
    result = {
        "first_start_s": round(starts[0]["ready_s"], 2),
        "second_start_s": round(middle, 2),
        "second_starts_s": [round(start["ready_s"], 2) for start in again],
        "phases_s": chosen["phases_s"],
        "stop_s": round(chosen["stop_s"], 2),
        "bare_serve_start_s": round(bare["ready_s"], 2),
        "ratio_to_bare_serve": round(middle / bare["ready_s"], 2),
        "store_back_s": store_back_s(arguments.kills),
        "cpus": os.cpu_count(),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
