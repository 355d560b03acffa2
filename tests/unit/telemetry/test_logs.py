"""Log lines are JSON with ids and contain no private data, whichever library logs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from models.errors import JobFailed
from telemetry.logs import (
    CONTEXT_IDS,
    LogContext,
    bind_context,
    configure_logging,
    current_context_ids,
    import_log_context,
    sanitize,
)


@pytest.fixture(autouse=True)
def _restored() -> Any:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_with_the_ids_bound(capsys: pytest.CaptureFixture[str]) -> None:
    import_log_context(LogContext({"request_id": "r-1", "session_id": "s-1", "job_id": 7, "password": "no"}, "INFO"))
    structlog.get_logger("x").info("map_drawn", num_pages=3)
    (line,) = lines(capsys)
    assert {k: line[k] for k in ("event", "level", "num_pages", *CONTEXT_IDS)} == {
        "event": "map_drawn",
        "level": "info",
        "num_pages": 3,
        "request_id": "r-1",
        "session_id": "s-1",
        "job_id": 7,
    }
    assert "password" not in line
    assert current_context_ids() == {"request_id": "r-1", "session_id": "s-1", "job_id": 7}
    bind_context(None)
    assert current_context_ids() == {}


SECRETS = [
    "ann.lee+x@example.co.uk",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "Bearer abcdefgh12345678",
    "https://example.com/reset?token=abcdef&next=1",
    "postgresql://ann:hunter2secret@db/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_and_addresses_are_redacted(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    structlog.get_logger("x").warning("odd", reason=f"it said {secret} today")
    logging.getLogger("somebody").error("failed for %s", secret)
    for line in lines(capsys):
        text = json.dumps(line)
        for part in ("ann.lee", "eyJ", "sk-proj", "abcdefgh12345678", "token=", "hunter2"):
            assert part not in text, text
        assert "[redacted]" in text
        assert "today" in text or line["logger"] == "somebody"


def test_tracebacks_contain_frames_and_types_but_no_foreign_messages(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    try:
        try:
            raise ValueError("Key (page)=(my private page text) already exists")
        except ValueError as error:
            raise JobFailed("the map did not pass its checks") from error
    except JobFailed as error:
        structlog.get_logger("x").error("unexpected_error", exc_info=error)
        logging.getLogger("lib").exception("went wrong")
    for line in lines(capsys):
        assert "private" not in json.dumps(line)
        assert "builtins.ValueError" in line["traceback"]
        assert "the map did not pass its checks" in line["traceback"]
        assert "test_logs.py" in line["traceback"]


def test_structures_are_replaced_by_their_size(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    structlog.get_logger("x").info("odd", page={"text": "private"}, rows=["private"] * 3)
    (line,) = lines(capsys)
    assert (line["page"], line["rows"]) == ("[dict of 1]", "[list of 3]")


def test_long_values_are_truncated_and_plain_ones_unchanged() -> None:
    assert len(sanitize("x" * 10_000)) < 600
    assert sanitize("describe: 3 of 7 pages in 12.5 ms") == "describe: 3 of 7 pages in 12.5 ms"
