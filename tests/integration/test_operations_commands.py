"""Every command of the operators' pages is executed here, or the page says that it is not testable here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from typer.testing import CliRunner

from launch.cli.main import app
from models.errors import TrailmindError
from models.migrations.run import migrate
from tests.conftest import Stores

ROOT = Path(__file__).parents[2]
PAGES = ("docs/operations.md", "docs/runbook.md")
#: A block of commands, with its mark.
_BLOCK = re.compile(r"^```console(?P<mark>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
#: A command in a sentence: a program with at least one argument. The dagger marks one that no test executes.
_INLINE = re.compile(r"`([a-z][a-z0-9-]* [^`]+)`(†?)")
#: How a page says with which program the commands begin that it shortens.
_PREFIX = "kubectl -n trailmind"
_EXECUTED_PROGRAMS = ("trailmind", "make", "jq", "df")
#: These find something wrong in an empty deployment: their exit status is no verdict about the command.
_REPORTS = ("status", "doctor", "mail check")


class Commands(NamedTuple):
    """The commands of a page: those that this test executes, and those with the mark that no test does."""

    executed: list[str]
    marked: list[str]
    #: What is wrong with the others, and with marks.
    problems: list[str]


def commands_of(page: str) -> Commands:
    """The commands in the text of a page."""
    found = Commands([], [], [])
    for block in _BLOCK.finditer(page):
        commands = [line[2:] for line in block["text"].replace("\\\n", " ").splitlines() if line.startswith("$ ")]
        (found.marked if block["mark"].split() == ["not-testable-here"] else found.executed).extend(commands)
    for command, dagger in _INLINE.findall(_ANY_BLOCK.sub("", page).replace("\n", " ")):
        if command != _PREFIX:
            (found.marked if dagger else found.executed).append(command)
    found.problems.extend(f"not marked: {c}" for c in found.executed if c.split()[0] not in _EXECUTED_PROGRAMS)
    found.problems.extend(f"marked, but it can run: {c}" for c in found.marked if c.split()[0] in _EXECUTED_PROGRAMS)
    return found


def all_executed() -> list[str]:
    """The commands of all pages that this test executes, each once, in the order of the pages."""
    return list(dict.fromkeys(c for page in PAGES for c in commands_of((ROOT / page).read_text()).executed))


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_executed_or_marked(name: str) -> None:
    found = commands_of((ROOT / name).read_text())
    assert found.problems == []
    assert found.executed
    assert found.marked


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("```console\n$ kubectl get pods\n```\n", ["not marked: kubectl get pods"]),
        ("```console not-testable-here\n$ kubectl get pods\n```\n", []),
        ("Run `kubectl get pods`†, then `kubectl get\nnodes`.\n", ["not marked: kubectl get nodes"]),
        ("Run `kubectl get\npods`†.\n", []),
        ("```console\n$ trailmind jobs\n```\n", []),
        ("Run `trailmind jobs`† or `trailmind jobs list`.\n", ["marked, but it can run: trailmind jobs"]),
    ],
)
def test_a_command_that_is_neither_is_found(text: str, problems: list[str]) -> None:
    assert commands_of(text).problems == problems


_LOGGED = """
import structlog
from telemetry.logs import configure_logging
configure_logging("INFO")
for status in (200, 402, 503):
    structlog.get_logger("serve").info("http_request", status=status)
"""


def test_the_other_programs_run() -> None:
    """What looks into logs finds the one request of three that its sentence is about."""
    log = subprocess.run([sys.executable, "-c", _LOGGED], capture_output=True, check=True, timeout=60).stdout
    commands = [shlex.split(c) for c in all_executed() if c.split()[0] not in {"trailmind", "make"}]
    assert {command[0] for command in commands} == set(_EXECUTED_PROGRAMS) - {"trailmind", "make"}
    for command in commands:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, input=log, capture_output=True, check=True, timeout=60)
        assert done.stdout.count(b"http_request") == (1 if command[0] == "jq" else 0), command
        assert done.stdout, command


def test_the_targets_of_make_are_run_by_the_checks() -> None:
    run = (ROOT / ".ci" / "run").read_text() + "".join(f.read_text() for f in (ROOT / ".github").rglob("*.yml"))
    targets = [command.split()[1] for command in all_executed() if command.startswith("make ")]
    assert targets
    assert [target for target in targets if f"make {target}" not in run] == []


@pytest.mark.services
def test_the_commands_of_trailmind_run(
    stores: Stores, fresh_database: str, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    address = "operator@test.local"
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "INSERT INTO users (id, email, password_hash, email_verified_at)"
            " VALUES (gen_random_uuid(), %s, 'x', now())",
            [address],
        )
        row = connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status)"
            " VALUES ('maintenance', 'test.none', 0, '{}', 'failed') RETURNING id"
        ).fetchone()
        assert row is not None
    values = {
        "ADDRESS": address,
        "ID": str(row[0]),
        "N": "3",
        "BACKUPS": str(tmp_path / "backups"),
        "KEY_FILE": str(tmp_path / "backup.key"),
        # Inside a cluster this is the API; here nothing listens.
        "http://trailmind-serve-svc:8000": "http://127.0.0.1:9",
        "s3://BUCKET/database": str(tmp_path / "backups"),
        "FILE": str(tmp_path / "other.key"),
    }
    for name in ("TRAILMIND_SMTP_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAILMIND_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("REDIS_URL", stores.redis_url)
    executed = 0
    for command in all_executed():
        program, *arguments = shlex.split(command)
        if program != "trailmind" or arguments[:2] == ["cluster", "drain-node"]:  # tests/chaos/test_cluster.py
            continue
        arguments = [values.get(argument, argument) for argument in arguments]
        is_restore = arguments[0] == "restore"
        monkeypatch.setenv("DATABASE_URL", empty_database if is_restore else fresh_database)
        result = CliRunner().invoke(app, arguments)
        executed += 1
        is_report = " ".join(arguments).startswith(_REPORTS)
        assert result.exit_code in ({0, 1, 3} if is_report else {0}), (command, result.output, result.exception)
        assert not isinstance(result.exception, TrailmindError), command
        assert result.output.strip(), command
    assert executed > 10
