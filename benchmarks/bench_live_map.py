"""Time to place a page on a map that grows page by page: one JSON object per size.

Run as `python -m benchmarks.bench_live_map [PAGES ...]`. Pages are those of `bench_map_pure`, one at a time, in one
process. `place_*_ms` is the time until a page is on the map (without the poll interval of the database, at most half a
second); `regroup_*_ms` is the time of a whole grouping, which runs beside it when the session has grown by half;
`open_ms` is the time to place all pages at once, as when a recording is opened that was not watched until then;
`ids_kept` is the share of all node ids ever shown that are on the last map.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bench_map_pure import synthetic
from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.mindmap.live.live_map import LiveMap, regroup


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


def main() -> None:
    """Measure the sizes on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[100, 200, 500], help="pages")
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    for size in arguments.sizes:
        print(json.dumps(measure(size)), flush=True)


if __name__ == "__main__":
    main()
