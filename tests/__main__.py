"""`python -m tests [pytest arguments]`: the whole suite, as `make test` runs it.

First everything that tolerates a busy machine, in several processes; at the same time, in as many others, the tests
marked `real_time`, which wait on pages for most of their time and report when the first ones have ended. Then the tests
marked `serial`, in one process. All phases use one random order, whose seed is printed; `--randomly-seed=N` repeats it.
Failed tests are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from tests.support.chromium import skipped_sentence

_ROOT = Path(__file__).parents[1]
#: Written by `make coverage`.
COVERAGE_FIGURE = _ROOT / ".coverage-figure"
_NO_TESTS_COLLECTED = 5
#: Not the tests that `make soak` and `make test-nightly` run.
_EVERY_DAY = "not soak and not nightly"


def run_suite(num_processes: int, pytest_arguments: list[str]) -> int:
    """Run all phases and print one summary; the exit status is 0 when all passed."""
    seed = next((a for a in pytest_arguments if a.startswith("--randomly-seed")), "")
    if not seed:
        seed = f"--randomly-seed={random.randrange(2**32)}"
        pytest_arguments = [seed, *pytest_arguments]
    phases = {
        # The order of tests/conftest.py: files that need the whole product first, so that no process ends long before
        # the others.
        "parallel": [
            *("-n", str(num_processes), "--dist", "loadfile", "--no-loadscope-reorder"),
            *("-m", f"{_EVERY_DAY} and not serial and not real_time"),
        ],
        "real time": ["-n", str(num_processes), "-m", f"{_EVERY_DAY} and real_time and not serial"],
        "serial": ["-n", "0", "-m", f"{_EVERY_DAY} and serial"],
    }
    with tempfile.TemporaryDirectory(prefix="trailmind-tests-") as folder:
        summary_file = Path(folder) / "summary.jsonl"
        report = Path(folder) / "real-time.txt"
        with (
            report.open("wb") as output,
            _phase(phases["real time"] + pytest_arguments, summary_file, output) as beside,
        ):
            try:
                parallel = _run_phase(phases["parallel"] + pytest_arguments, summary_file)
                statuses = {"parallel": parallel, "real time": beside.wait()}
            finally:
                beside.terminate()
        sys.stdout.write(report.read_text(errors="replace"))
        sys.stdout.flush()
        statuses["serial"] = _run_phase(phases["serial"] + pytest_arguments, summary_file)
        lines = summary_file.read_text().splitlines() if summary_file.exists() else []
    for name, status in statuses.items():
        print(f"{name} phase: {_outcome(status)}")
    print(f"Repeat this order with {seed}")
    num_skipped = sum(json.loads(line)["num_skipped_browser_tests"] for line in lines)
    if num_skipped:
        print(skipped_sentence(num_skipped))
    if COVERAGE_FIGURE.exists():
        print(COVERAGE_FIGURE.read_text().strip())
    if set(statuses.values()) == {_NO_TESTS_COLLECTED}:
        return _NO_TESTS_COLLECTED
    return next((status for status in statuses.values() if status not in (0, _NO_TESTS_COLLECTED)), 0)


def _phase(arguments: list[str], summary_file: Path, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, "TEST_SUMMARY_FILE": str(summary_file)}
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output)


def _run_phase(arguments: list[str], summary_file: Path) -> int:
    with _phase(arguments, summary_file) as phase:
        return phase.wait()


def _outcome(status: int) -> str:
    return {0: "passed", _NO_TESTS_COLLECTED: "no tests selected"}.get(status, f"failed (pytest exit status {status})")


def main() -> None:
    """Parse `-j` and pass everything else to pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__.partition("\n")[0])
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes of the parallel phase; 0 for none")
    options, pytest_arguments = parser.parse_known_args()
    sys.exit(run_suite(options.jobs, pytest_arguments))


if __name__ == "__main__":
    main()
