"""Time and memory of the local map in one process, without Ray or a database: one JSON object per session size.

Run as `python benchmarks/bench_map_pure.py [PAGES ...]`; each size is measured in a process of its own, so that
`peak_rss_mb` is that of one map. Each size is measured by words alone, with vectors that are stored, and with vectors
that the model makes now (`vectors`); `cpu_s` is the processor time, which other programs disturb less. Pages are those
of the bundled samples, repeated with other URLs and shuffled lines.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import add_busy_option, require_quiet_machine
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import StoredVectors
from launch.samples import sample_events, sample_names
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage
from models.urls import page_id


def synthetic(num_pages: int) -> list[CapturedPage]:
    """`num_pages` pages with the texts of the samples; further copies have shuffled lines and other URLs."""
    originals = [
        page for name in sample_names() for page in pages_from_events(parse_events(sample_events(name).read_bytes()))
    ]
    rng = random.Random(num_pages)
    pages = []
    for i in range(num_pages):
        page = originals[i % len(originals)]
        url, text = page.url, page.text
        if i >= len(originals):
            url = f"{page.url}?copy={i // len(originals)}"
            lines = text.split("\n")
            rng.shuffle(lines)
            text = "\n".join(lines[: max(3, len(lines) * 2 // 3)])
        pages.append(
            CapturedPage(
                page_id=page_id(url), url=url, title=page.title, text=text, dwell_ms=page.dwell_ms,
                max_scroll_depth=page.max_scroll_depth, highlights=page.highlights,
                visited_at_ms=(1_760_000_000_000 + i * 60_000,), visit_order=(i,),
            )
        )  # fmt: skip
    return pages


def measure(num_pages: int, vectors: str) -> dict[str, float | int | str]:
    """Seconds of each step and the process's peak memory, for one map."""
    pages = synthetic(num_pages)
    encoder = None if vectors == "none" else StoredVectors({})
    if vectors == "stored":
        made = [page_features(page, encoder).meaning for page in pages]
        encoder = StoredVectors({vector.text_key: vector.vector for vector in made})
    cpu_at = time.process_time()
    steps: dict[str, float] = {}
    started_at = step_at = time.perf_counter()
    features = [page_features(page, encoder) for page in pages]
    steps["features_s"] = time.perf_counter() - step_at
    step_at = time.perf_counter()
    outline = build_outline(features, encoder=encoder)
    steps["outline_s"] = time.perf_counter() - step_at
    step_at = time.perf_counter()
    document = compose_document(outline, pages, provider="local", session_title=None)
    steps["compose_s"] = time.perf_counter() - step_at
    total, cpu = time.perf_counter() - started_at, time.process_time() - cpu_at
    step_at = time.perf_counter()
    problems = validate_document(document, pages)
    steps["validate_s"] = time.perf_counter() - step_at
    assert not problems, problems[:3]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    rounded = {name: round(seconds, 3) for name, seconds in steps.items()}
    times = {"total_s": round(total, 3), "cpu_s": round(cpu, 3), **rounded}
    return {"pages": num_pages, "vectors": vectors, **times, "peak_rss_mb": round(peak, 1)}


def main() -> None:
    """Measure the sizes on the command line, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[30, 119, 500, 2000], help="pages")
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "VECTORS"), help=argparse.SUPPRESS)
    add_busy_option(parser)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(int(arguments.one[0]), arguments.one[1])))
        return
    require_quiet_machine(arguments)
    for size in arguments.sizes:
        for vectors in ("none", "stored", "made"):
            subprocess.run([sys.executable, __file__, "--one", str(size), vectors], check=True)


if __name__ == "__main__":
    main()
