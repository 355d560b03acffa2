"""The message of a command when a store is unavailable: one sentence without traceback and password."""

from __future__ import annotations

import sys

import pytest
import redis

from launch.cli import main as cli


@pytest.mark.parametrize("command", [["migrate"], ["jobs"]])
def test_an_unavailable_database_is_reported_in_one_sentence(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trailmind", *command])
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:planted-password@127.0.0.1:1/nothing")
    with pytest.raises(SystemExit) as end:
        cli.main()
    message = capsys.readouterr().err
    assert end.value.code == 1
    assert message.startswith("trailmind: PostgreSQL does not answer (DATABASE_URL): ")
    assert message.count("\n") == 1
    assert "planted-password" not in message


def test_an_unavailable_cache_is_reported_in_one_sentence() -> None:
    assert (
        cli._store_unreachable_message(redis.ConnectionError("refused"))
        == "Valkey does not answer (REDIS_URL): refused"
    )
    assert cli._store_unreachable_message(ValueError("something else")) is None
