"""`python -m tests`: which failed tests run once more, alone."""

from __future__ import annotations

import pytest

from tests.__main__ import MAX_UNSTABLE, is_second_run_useful


@pytest.mark.parametrize(
    ("num_failed", "statuses", "is_useful"),
    [
        (1, {"parallel": 1, "serial": 0}, True),
        (MAX_UNSTABLE, {"parallel": 1, "serial": 1}, True),
        (1, {"parallel": 1, "serial": 5}, True),
        (0, {"parallel": 0, "serial": 0}, False),
        (MAX_UNSTABLE + 1, {"parallel": 1, "serial": 0}, False),
        # Interrupted, an internal error, a wrong argument: other tests may not have run.
        (1, {"parallel": 2, "serial": 0}, False),
        (1, {"parallel": 1, "serial": 3}, False),
        (1, {"parallel": 4, "serial": 0}, False),
    ],
)
def test_few_failed_tests_of_complete_phases_run_again(
    num_failed: int, statuses: dict[str, int], is_useful: bool
) -> None:
    assert is_second_run_useful([f"tests/test_{i}.py::test_x" for i in range(num_failed)], statuses) is is_useful
