"""Commands report what is wrong in one sentence without traceback and password."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from typer.testing import CliRunner

from cluster.settings import VARIABLES, load_settings
from launch.cli import main as cli
from launch.cli.jobs import _print_jobs
from launch.listening_port import check_port
from launch.local_server import server_stores
from launch.stores import StoresInUse, data_dir_holder
from launch.stores.lock import DataDirLock
from models.errors import ConfigurationError


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


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["trailmind", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["jobs", "drop", "1"], "there is no action “drop”; usage: trailmind jobs [list | retry ID | discard ID]"),
        (["jobs", "retry"], "`jobs retry` needs the id of a job; usage: trailmind jobs [list | retry ID | discard ID]"),
        (["jobs", "discard"], "`jobs discard` needs the id of a job; usage: trailmind jobs [list | retry"),
        (["jobs", "list", "1"], "`jobs list` takes no job id; usage: trailmind jobs [list | retry ID | discard ID]"),
        (
            ["jobs", "--status", "finished"],
            "there is no state “finished”: write one of pending, running, retrying, dead",
        ),
        (["status", "--url", "api.example"], "--url: “api.example” is no address; write it as http://"),
        (["operators", "grant"], "usage: trailmind operators [list | add ADDRESS | remove ADDRESS]"),
        (["regenerate", "--since", "2026-02-02", "--until", "2026-02-01"], "--until must be later than --since"),
        (["regenerate", "start", "--since", "2026-02-02", "--until", "2026-02-01"], "--until must be later than"),
        (["regenerate", "start", "--canary", "all"], "--canary: “all” is not a share; write it as 1% or 0.01"),
        (["regenerate", "start", "--promote", "some"], "--promote: there is no “some”: write none, gate or all"),
        (["regenerate", "start", "--score", "beauty<0.5"], "--score: there is no score “beauty”; the scores are "),
        (["regenerate", "start", "--option", "max_topics"], "--option: “max_topics” has no number; write it as "),
        (["regenerate", "start", "--max-score-drop", "2"], "--max-score-drop: a score is between 0 and 1"),
        (["regenerate", "start", "--sessions", "/nowhere"], "--sessions: /nowhere cannot be read (FileNotFoundError)"),
    ],
)
def test_a_wrong_use_names_the_right_one(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, monkeypatch) == 1
    assert capsys.readouterr().err.startswith(f"trailmind: {sentence}")


def test_a_day_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["regenerate", "--since", "yesterday"], monkeypatch) == 2
    message = " ".join(re.sub(r"[^\w“”'-]+", " ", capsys.readouterr().err).split())
    assert "“yesterday” is not a day write it as 2026-11-28" in message


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "1e12"])
@pytest.mark.parametrize(
    "option", [["start", "--cost-budget"], ["start", "--max-cost-per-map"], ["resume", "a-run", "--cost-budget"]]
)
def test_an_impossible_amount_is_refused(option: list[str], amount: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["regenerate", *option, amount], monkeypatch) == 2


def test_a_taken_port_is_named_with_its_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"^port {port} is in use by .*: stop it, or choose another port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


@pytest.mark.parametrize("command", [["up"], ["cluster", "up"], ["demo", "--once"]])
def test_a_start_on_a_taken_port_ends_at_once_with_one_sentence(command: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = [sys.executable, "-m", "launch.cli.main", *command]
        arguments += ["--data-dir", str(tmp_path / "data"), "--port", str(port)]
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    first, *rest = result.stderr.splitlines()
    assert first == "Starting …"
    assert rest[0].startswith(f"trailmind: port {port} is in use by ")
    assert len(rest) == 1
    assert not (tmp_path / "data").exists(), "nothing was started"


#: A server with external stores holds its data directory all the same.
_EXTERNAL_STORES = {"DATABASE_URL": "postgresql://nowhere.invalid/x", "REDIS_URL": "redis://nowhere.invalid"}


@pytest.mark.parametrize(("command", "stores"), [(["up"], _EXTERNAL_STORES), (["cluster", "up"], {})])
def test_a_start_on_a_used_data_directory_names_the_process_at_once(
    command: list[str], stores: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    lock = DataDirLock(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as ray:
        # What a running server publishes: the address of its Ray, which must answer, and the origin of its API.
        (tmp_path / "run" / "ray-address").write_text(f"127.0.0.1:{ray.getsockname()[1]}")
        (tmp_path / "run" / "origin").write_text("http://127.0.0.1:4321")
        arguments = [sys.executable, "-m", "launch.cli.main", *command, "--data-dir", str(tmp_path), "--port", "0"]
        result = subprocess.run(
            arguments, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **stores}
        )
    lock.release()
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "Starting …",
        f"trailmind: process {os.getpid()} already runs Trailmind on {tmp_path}, at http://127.0.0.1:4321; stop it, or "
        "choose another data directory with --data-dir or TRAILMIND_DATA_DIR",
    ]


def test_a_server_with_external_stores_holds_its_data_directory(tmp_path: Path) -> None:
    urls = {
        "database_url": SecretStr("postgresql://nowhere.invalid/x"),
        "redis_url": SecretStr("redis://nowhere.invalid"),
    }
    settings = load_settings(data_dir=tmp_path, environment="test", **urls)
    with server_stores(settings, print), pytest.raises(StoresInUse), server_stores(settings, print):
        pass
    assert data_dir_holder(tmp_path) is None


def test_the_first_line_is_printed_before_slow_imports() -> None:
    """Ray, SQLAlchemy, numpy and the HTTP client take seconds to import on a busy machine."""
    slow = "{'ray', 'sqlalchemy', 'numpy', 'httpx2', 'psycopg'}"
    check = f"import sys, launch.cli.main; print(sorted({slow} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout == "[]\n"


def test_jobs_are_listed_with_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
    row = {"id": 7, "state": "dead", "task": "maps.generate", "attempts": 5, "session_id": "s", "reason": None}
    _print_jobs([{**row, "ordered_at": at, "scheduled_at": None}], as_json=False)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:6] == ["ID", "STATE", "TASK", "ATTEMPTS", "ENQUEUED", "SCHEDULED"]
    assert f"{at.astimezone():%Y-%m-%d %H:%M}" in line
    assert line.index(f"{at.astimezone():%Y}") == head.index("ENQUEUED")


def test_a_list_of_jobs_fits_the_terminal_and_is_a_line_for_each_job_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
    reason = "the map did not pass its checks\n(two_parents, no_core)"
    task = "ai.release_expired_reservations"
    row = {"id": 7, "state": "retrying", "task": task, "attempts": 5, "ordered_at": at, "scheduled_at": at}
    jobs = [
        {**row, "session_id": "1b2b8fc8-f26c-4e03-957e-022a6678b755", "reason": reason},
        {**row, "session_id": None, "reason": None},
    ]
    _print_jobs(jobs, as_json=False)
    in_file = capsys.readouterr().out.splitlines()
    assert len(in_file) == 3
    assert in_file[1].endswith(
        "1b2b8fc8-f26c-4e03-957e-022a6678b755 the map did not pass its checks (two_parents, no_core)"
    )
    for columns in (80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        _print_jobs(jobs, as_json=False)
        shown = capsys.readouterr().out.splitlines()
        assert max(map(len, shown)) <= columns
        assert " ".join(" ".join(shown).split()) == " ".join(" ".join(in_file).split())
    assert shown == in_file


def test_the_names_of_settings_are_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = CliRunner().invoke(cli.app, ["settings"]).output
    assert [variable.name for variable in VARIABLES if variable.name not in output] == []
    assert output.count("…") == sum((variable.field.description or "").count("…") for variable in VARIABLES)
