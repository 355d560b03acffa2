"""Active time as stored and as seen, in every situation that recorders get wrong, as JSON.

`python -m benchmarks.bench_dwell --rounds 5 --busy 2` repeats each situation five times beside two busy processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import add_busy_option, require_quiet_machine
from tests.extension.browser import Chromium
from tests.extension.builds import build_extension, with_permissions_granted
from tests.extension.dwell_situations import SITUATIONS, measure
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.recorded import Recorded

TOLERANCE_S = 1.0


def _round(build: Path, folder: Path, number: int, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    profile = folder / f"profile-{number}"
    profile.mkdir()
    server, site = FakeServer().start(), LocalSite()
    chromium = Chromium(build, profile).start()
    rows: dict[str, list[dict[str, Any]]] = {}
    try:
        recorded = Recorded(chromium, server, site)
        for situation in SITUATIONS:
            name = situation.__name__
            if names and name not in names:
                continue
            try:
                visits = measure(recorded, situation, f"{name.replace('_', '-')}-{number}")
            except (AssertionError, RuntimeError) as error:
                rows[name] = [{"error": str(error)[:300], "is_right": False}]
                continue
            rows[name] = [
                {
                    "path": v.path,
                    "seen_s": v.seen_s,
                    "stored_s": v.stored_s,
                    "is_right": v.stored_s is not None and abs(v.stored_s - v.seen_s) <= TOLERANCE_S,
                }
                for v in visits
            ]
    finally:
        chromium.kill()
        site.close()
        server.stop()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--busy", type=int, default=0, help="processes that keep a core busy meanwhile")
    parser.add_argument("--only", nargs="*", default=[], help="names of situations")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            build = with_permissions_granted(build_extension(Path(folder) / "product"), Path(folder) / "granted")
            rounds = [_round(build, Path(folder), n, arguments.only) for n in range(arguments.rounds)]
    finally:
        for process in busy:
            process.kill()
    table = {name: [found[name] for found in rounds] for name in rounds[0]}
    errors = [abs(v["stored_s"] - v["seen_s"]) for r in rounds for vs in r.values() for v in vs if v.get("stored_s")]
    summary = {
        "situations": len(table),
        "rounds": arguments.rounds,
        "right": sum(all(v["is_right"] for v in vs) for r in rounds for vs in r.values()),
        "of": sum(len(r) for r in rounds),
        "largest_error_s": round(max(errors, default=0.0), 2),
    }
    print(json.dumps({"summary": summary, "situations": table}, indent=1))


if __name__ == "__main__":
    main()
