"""The report of a failed test contains what the server logged as errors since the test began."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import server_errors
from tests.support.server_errors import errors_since, log_sizes


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(server_errors, "private_short_dir", lambda _: tmp_path / "short")
    logs = tmp_path / "short" / "ray" / "session_2026-01-01" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-1.out").write_text(json.dumps({"level": "error", "event": "before_the_test"}) + "\n")
    return tmp_path


def test_errors_since_the_test_began_are_reported_with_their_tracebacks(data_dir: Path) -> None:
    sizes = log_sizes(data_dir)
    worker = data_dir / "short" / "ray" / "session_2026-01-01" / "logs" / "worker-1.out"
    with worker.open("a") as log:
        log.write(json.dumps({"level": "info", "event": "request_served"}) + "\n")
        log.write(json.dumps({"level": "error", "event": "request_failed", "traceback": "File a\nKeyError"}) + "\n")
    (data_dir / "product.log").write_text(
        'starting\nTraceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: too long\nready\n'
    )
    assert errors_since(data_dir, sizes).splitlines() == [
        "product.log:",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in f',
        "ValueError: too long",
        "worker-1.out:",
        '{"level": "error", "event": "request_failed"}',
        "File a",
        "KeyError",
    ]


def test_without_errors_there_is_nothing_to_report(data_dir: Path) -> None:
    assert errors_since(data_dir, log_sizes(data_dir)) == ""


def test_a_log_line_that_is_not_json_or_no_record_is_no_error(data_dir: Path) -> None:
    (data_dir / "product.log").write_text("{half a line\n{}\n[1]\nplain words\n")
    assert errors_since(data_dir, log_sizes(data_dir) | {data_dir / "product.log": 0}) == ""
