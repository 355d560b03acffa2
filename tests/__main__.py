"""`python -m tests [pytest arguments]`: the whole suite, as `make test` runs it.

First everything that tolerates a busy machine, in several processes; at the same time, in as many others, the tests
marked `real_time`, which wait on pages for most of their time and report when the first ones have ended. Then the tests
marked `serial`, in one process. All phases use one random order, whose seed is printed; `--randomly-seed=N` repeats it.

When at most eight tests failed, each runs once more, alone in a process. A test that passes alone is *unstable*: the
end of the report names it, its failure stays in the report above, and the run passes. `--strict`, as the nightly
workflow runs it, fails on unstable tests too.
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
_TESTS_FAILED = 1
_NO_TESTS_COLLECTED = 5
#: Not the tests that `make soak` and `make test-nightly` run.
_EVERY_DAY = "not soak and not nightly"
#: More failed tests than this have a cause that running them alone would hide.
MAX_UNSTABLE = 8


def run_suite(num_processes: int, pytest_arguments: list[str], *, is_strict: bool = False) -> int:
    """Run all phases and print one summary; the exit status is 0 when all passed.

    Unless `is_strict`, a test that fails beside others and passes alone does not change the exit status.
    """
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
        summaries = [json.loads(line) for line in lines]
        failed = [test for summary in summaries for test in summary["failed"]]
        unstable = _unstable(failed, statuses, seed, summary_file)
    for name, status in statuses.items():
        print(f"{name} phase: {_outcome(status)}")
    print(f"Repeat this order with {seed}")
    if unstable:
        _report_unstable(unstable)
    num_skipped = sum(summary["num_skipped_browser_tests"] for summary in summaries)
    if num_skipped:
        print(skipped_sentence(num_skipped))
    if COVERAGE_FIGURE.exists():
        print(COVERAGE_FIGURE.read_text().strip())
    if set(statuses.values()) == {_NO_TESTS_COLLECTED}:
        return _NO_TESTS_COLLECTED
    if unstable and set(unstable) == set(failed) and not is_strict:
        return 0
    return next((status for status in statuses.values() if status not in (0, _NO_TESTS_COLLECTED)), 0)


def _unstable(failed: list[str], statuses: dict[str, int], seed: str, summary_file: Path) -> list[str]:
    """The failed tests that pass alone; none where a phase ended for another reason than failed tests."""
    if not is_second_run_useful(failed, statuses):
        return []
    return [test for test in failed if _run_phase(["-n", "0", seed, test], summary_file) == 0]


def is_second_run_useful(failed: list[str], statuses: dict[str, int]) -> bool:
    """Whether running the failed tests alone can say that they are unstable."""
    return 0 < len(failed) <= MAX_UNSTABLE and set(statuses.values()) <= {0, _TESTS_FAILED, _NO_TESTS_COLLECTED}


def _report_unstable(tests: list[str]) -> None:
    print(f"{len(tests)} UNSTABLE: failed beside others (see above), passed alone. Find the cause:")
    for test in tests:
        print(f"  {test}")
        if os.environ.get("GITHUB_ACTIONS"):
            print(f"::warning title=Unstable test::{test}")


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
    """Parse the options of the suite and pass everything else to pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__.partition("\n")[0])
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes of the parallel phase; 0 for none")
    parser.add_argument("--strict", action="store_true", help="fail also when a failed test passes alone")
    options, pytest_arguments = parser.parse_known_args()
    sys.exit(run_suite(options.jobs, pytest_arguments, is_strict=options.strict))


if __name__ == "__main__":
    main()
