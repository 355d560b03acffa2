"""What the command says when something outside is wrong: one sentence, no traceback, no password."""

from __future__ import annotations

import sys

import pytest
import redis

from launch.cli import main as cli


@pytest.mark.parametrize("command", [["migrate"], ["jobs"]])
def test_a_database_that_does_not_answer_is_one_sentence(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trailmind", *command])
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:planted-password@127.0.0.1:1/nothing")
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith("trailmind: PostgreSQL does not answer (DATABASE_URL): ")
    assert said.count("\n") == 1
    assert "planted-password" not in said


def test_a_cache_that_does_not_answer_is_one_sentence() -> None:
    assert (
        cli._store_unreachable_message(redis.ConnectionError("refused"))
        == "Valkey does not answer (REDIS_URL): refused"
    )
    assert cli._store_unreachable_message(ValueError("something else")) is None
