"""How the time of every function that reads untrusted text grows: twice the input may take 2.2 times as long.

    python -m benchmarks.bench_growth [READER ...] [--json out.json]

Measures the functions and inputs of `tests/support/untrusted_text_readers.py`, those whose name contains one of the
arguments. Prints one JSON object per function and shape, with its exponent of growth, and exits with 1 when one exceeds
the rule. It takes minutes and a quiet machine: what the caches of the processor hold moves a linear function by more
than the rule allows, so the test suite only looks for quadratic time (`tests/unit/test_growth.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import add_busy_option, require_quiet_machine
from tests.support.growth import EXACT, Growth, measuring_process
from tests.support.untrusted_text_readers import COUNT_READERS, TEXT_READERS, count_growth, text_growth

#: Sizes, each with the time from which it is measured: shorter calls read a bounded part of their input.
_CHARS = ((8_000, 0.002), (64_000, 0.001))
_COUNTS = ((500, 0.001), (3_000, 0.001))
_NUM_SHAPES = 4


def _measure(words: list[str]) -> Iterator[tuple[str, str, Growth]]:
    """(reader, shape, growth) of each measurement; the readers of many events or nodes have no shape."""

    def is_chosen(name: str) -> bool:
        return not words or any(word in name for word in words)

    with measuring_process() as process:
        for name in filter(is_chosen, TEXT_READERS):
            for shape, growth in process.submit(text_growth, name, EXACT, _CHARS, _NUM_SHAPES).result():
                yield name, shape, growth
        for name in filter(is_chosen, COUNT_READERS):
            yield name, "", process.submit(count_growth, name, EXACT, _COUNTS).result()


def _row(reader: str, shape: str, growth: Growth) -> dict[str, Any]:
    return {
        "reader": reader,
        "shape": shape,
        "size": growth.size,
        "us_each": round(growth.seconds * 1e6 / growth.size, 3),
        "exponent": round(growth.exponent, 3),
        "ratio_for_twice_the_input": round(growth.ratio, 2),
        "num_repeats": growth.num_repeats,
        "is_accepted": growth.is_accepted,
    }


def main() -> None:
    """Print each measurement as it is made, and which ones exceed the rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_growth", description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", help="parts of names of functions; all without")
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    add_busy_option(parser)
    options = parser.parse_args()
    require_quiet_machine(options)
    rows = []
    for measured in _measure(options.readers):
        rows.append(_row(*measured))
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=2))
    too_steep = [row for row in rows if not row["is_accepted"]]
    print(f"{len(rows) - len(too_steep)} of {len(rows)} within the rule", file=sys.stderr)
    sys.exit(1 if too_steep or not rows else 0)


if __name__ == "__main__":
    main()
