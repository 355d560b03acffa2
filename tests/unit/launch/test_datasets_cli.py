"""`trailmind datasets` refuses what cannot work before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from launch.cli.main import app
from models.errors import TrailmindError

RUN = CliRunner()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--hour-width", "5"], "the day has no groups of 5 hours; use one of (1, 2, 3, 4, 6, 8, 12, 24)"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "--until must be later than --since"),
        (["--since", "yesterday"], "is not a day; write it as 2026-11-28"),
        (["--sessions", "missing.txt"], "missing.txt cannot be read"),
    ],
)
def test_bad_options_are_refused_with_a_sentence(tmp_path: Path, options: list[str], sentence: str) -> None:
    arguments = ["datasets", "export", "--out", str(tmp_path / "set"), "--data-dir", str(tmp_path / "data"), *options]
    result = RUN.invoke(app, arguments, env={"COLUMNS": "200"})
    message = str(result.exception) if isinstance(result.exception, TrailmindError) else result.output
    assert result.exit_code != 0
    assert sentence in message
    assert not (tmp_path / "set").exists()


def test_a_directory_without_a_dataset_is_refused(tmp_path: Path) -> None:
    for arguments in (["datasets", "show", str(tmp_path)], ["eval", "--dataset", str(tmp_path)]):
        result = RUN.invoke(app, arguments)
        assert isinstance(result.exception, TrailmindError)
        assert str(result.exception) == f"{tmp_path} is no dataset: `trailmind datasets export` makes one"
