"""Size, time and memory of the report of a run, without a database.

    python benchmarks/bench_run_report.py --maps 500 [--language ko] [--out DIR]

The items are generated; the maps side by side are those of the bundled samples, without their last pages and with them.
Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.analysis.run_report import DrawnPair, ReportOptions, RunResults, write_files
from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
from launch.samples import sample_events, sample_names
from models.mindmap.diff import diff_documents
from models.runs.parameters import SCORES, RunParameters
from models.runs.run_store import Run, RunProgress

_NOW = datetime(2026, 11, 29, tzinfo=UTC)


def main() -> None:
    """Write one report and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=500)
    parser.add_argument("--language", choices=("en", "ko"), default="en")
    parser.add_argument("--out", type=Path, help="keep the report in this directory")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    results = generated_results(arguments.maps)
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.out or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        began, began_cpu = time.perf_counter(), time.process_time()
        html_bytes = write_files(
            directory, results, ReportOptions(language=arguments.language), "http://127.0.0.1:9000"
        )
        report = {
            "maps": arguments.maps,
            "pictures": len(results.pairs),
            "html_bytes": html_bytes,
            "parquet_bytes": (directory / "maps.parquet").stat().st_size,
            "seconds": round(time.perf_counter() - began, 3),
            "cpu_seconds": round(time.process_time() - began_cpu, 3),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
    print(json.dumps(report))


def generated_results(num_maps: int) -> RunResults:
    """A finished run with `num_maps` maps."""
    chance = random.Random(7)
    items = [_item(chance, position) for position in range(1, num_maps + 1)]
    numbers = Counter(item["status"] for item in items)
    progress = RunProgress(
        total=num_maps,
        waiting=0,
        running=0,
        done=numbers["done"],
        unchanged=numbers["unchanged"],
        superseded=0,
        failed=numbers["failed"],
        promoted=0,
        rolled_back=0,
        canary_left=0,
        edits_lost=sum(item["num_edits_lost"] for item in items),
        tokens=sum(item["tokens"] for item in items),
        cost_micros=sum(item["cost_micros"] for item in items),
    )
    parameters = RunParameters(prompt_version=1, pipeline_version=1, canary=0.01)
    run = Run("benchmark", "finished", None, parameters, None, 50_000_000, 5, True, _NOW, _NOW)
    showable = frozenset(item["session_id"] for item in items)
    return RunResults(run, progress, items, showable, [_pair(name) for name in sample_names()], {}, _NOW)


def _item(chance: random.Random, position: int) -> dict[str, Any]:
    status = chance.choices(["done", "unchanged", "failed"], [85, 10, 5])[0]
    is_done = status == "done"
    before = {score: min(1.0, max(0.0, chance.gauss(0.75, 0.12))) for score in SCORES}
    after = {score: min(1.0, max(0.0, value + chance.gauss(0.03, 0.08))) for score, value in before.items()}
    kinds = chance.sample(["topic_renamed", "page_moved", "topic_split", "topics_merged", "topic_added"], 2)
    return {
        "session_id": uuid.UUID(int=chance.getrandbits(128)),
        "position": position,
        "status": status,
        "attempts": 1,
        "error": "the map did not pass its checks (bad_id)" if status == "failed" else None,
        "base_version": 1,
        "version": 2 if is_done else None,
        "num_pages": chance.randint(5, 60),
        "tokens": chance.randint(500, 9000) if is_done else 0,
        "cost_micros": chance.randint(500, 30_000) if is_done else 0,
        "took_ms": round(chance.lognormvariate(6, 0.6)),
        "node": "node",
        "num_edits": 3,
        "num_edits_lost_before": 0,
        "num_edits_lost": chance.choice([0, 0, 1]) if is_done else 0,
        "scorecard_before": before,
        "scorecard_after": after if is_done else {},
        "changes": {kind: chance.randint(1, 5) for kind in kinds} if is_done else {},
        "conflicts": [],
        "finished_at": _NOW,
    }


def _pair(name: str) -> DrawnPair:
    pages = pages_from_events(parse_events(sample_events(name).read_bytes()))
    before, after = build_map(pages[:-3], with_meaning=False), build_map(pages)
    return DrawnPair(uuid.uuid5(uuid.NAMESPACE_URL, name), before, after, diff_documents(before, after))


if __name__ == "__main__":
    main()
