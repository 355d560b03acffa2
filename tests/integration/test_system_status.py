"""`trailmind status` reports what works, what is down and what to do, whichever parts are down."""

from __future__ import annotations

import http.server
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from launch.cli.main import app
from models.migrations.run import latest_revision, migrate
from models.system_status import record_backup
from tests.conftest import Stores

READY = {"checks": {"postgresql": "ok", "shards": "ok"}}
LOST_SHARD = {"checks": {"postgresql": "ok", "shards": "1 of 4 do not answer"}}
WATCHDOG = {"labels": {"alertname": "TrailmindWatchdog", "severity": "none"}, "startsAt": "2026-11-28T10:00:00.000Z"}
CRITICAL = {
    "labels": {"alertname": "TrailmindCommitsFail", "severity": "critical"},
    "annotations": {"summary": "Group commits fail"},
    "startsAt": "2026-11-28T10:00:00.000Z",
}


@contextmanager
def json_server(replies: dict[str, Any]) -> Iterator[str]:
    """A server on this machine that answers each path with JSON; yields its origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = replies.get(self.path.partition("?")[0])
            self.send_response(200 if reply is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def migrated(fresh_database: str) -> str:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    return fresh_database


@pytest.fixture
def environment(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a deployment without a database; a test adds what it has."""
    monkeypatch.setenv("TRAILMIND_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", stores.redis_url)
    for name in ("DATABASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "TRAILMIND_SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def run_status(*arguments: str) -> tuple[int, str]:
    """The exit code and the output of `trailmind status`."""
    result = CliRunner().invoke(app, ["status", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def parts_of(output: str) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in json.loads(output)["parts"]}


def add_worker(connection: psycopg.Connection[Any]) -> None:
    # An hour ahead, so that it counts as alive however slow the test is.
    connection.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 hour')")


def add_jobs(connection: psycopg.Connection[Any], number: int, status: str, *, age: str = "1 second") -> None:
    connection.execute(
        "WITH j AS (INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status) SELECT 'maps',"
        " 'maps.generate', 0, '{}', %s FROM generate_series(1, %s) RETURNING id)"
        " UPDATE procrastinate_events SET at = now() - %s::interval FROM j WHERE job_id = j.id",
        [status, number, age],
    )
    connection.execute("UPDATE procrastinate_events SET at = now() - %s::interval", [age])


def test_a_whole_deployment(environment: pytest.MonkeyPatch, migrated: str) -> None:
    environment.setenv("DATABASE_URL", migrated)
    with psycopg.connect(migrated) as connection:
        add_worker(connection)
        record_backup(connection, "trailmind-x.tar.age", num_bytes=5 * 1024**2, is_encrypted=True)
    alerts = {"/ready": READY, "/api/v2/alerts": [WATCHDOG]}
    with json_server(alerts) as origin:
        environment.setenv("TRAILMIND_ALERTMANAGER_URL", origin)
        code, text = run_status("--url", origin)
        status = json.loads(run_status("--url", origin, "--json")[1])
    assert code == 0, text
    assert "everything works" in text
    assert "5 MB, encrypted: trailmind-x.tar.age" in text
    assert (status["state"], status["alerts"], status["last_backup"]["is_encrypted"]) == ("ok", [], True)
    assert status["versions"]["schema"] == latest_revision()
    assert status["database_bytes"] > 1_000_000
    assert migrated.partition("@")[0].rpartition(":")[2] not in text, "no part of the connection string is printed"


def test_nothing_runs(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")
    code, text = run_status("--url", "http://127.0.0.1:9")
    assert code == 1
    assert text.count("trailmind up") == 3, text
    assert "✗ API" in text
    assert "✗ PostgreSQL" in text
    assert "✗ Valkey" in text


def test_each_store_that_is_down_is_named_and_the_others_are_read(
    environment: pytest.MonkeyPatch, migrated: str
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://ann:hidden-word@127.0.0.1:9/none")
    code, output = run_status("--url", "http://127.0.0.1:9", "--json")
    parts = parts_of(output)
    assert (code, parts["postgresql"]["problem"], parts["valkey"]["state"]) == (1, "unreachable", "ok")
    assert "hidden-word" not in output
    environment.setenv("DATABASE_URL", migrated)
    environment.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    parts = parts_of(run_status("--json")[1])
    assert (parts["valkey"]["problem"], parts["postgresql"]["state"]) == ("unreachable", "ok")


def test_a_database_that_is_lost_while_it_is_read_is_named_once(environment: pytest.MonkeyPatch, migrated: str) -> None:
    async def lost(_: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    environment.setenv("DATABASE_URL", migrated)
    environment.setattr("models.system_status.last_backup", lost)
    status = json.loads(run_status("--json")[1])
    states = [(part["name"], part["state"]) for part in status["parts"]]
    assert [each for each in states if each[0] in ("postgresql", "workers", "jobs")] == [("postgresql", "down")]
    assert (status["queues"], status.get("database_bytes")) == ([], None)


def test_an_old_schema_is_named_with_its_remedy(environment: pytest.MonkeyPatch, fresh_database: str) -> None:
    environment.setenv("DATABASE_URL", fresh_database)
    assert parts_of(run_status("--json")[1])["postgresql"]["remedy"] == "run `trailmind migrate`"
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2], "0025")
    part = parts_of(run_status("--json")[1])["postgresql"]
    assert (part["state"], part["problem"]) == ("down", "schema_old")
    assert "0025" in part["message"]


def test_what_needs_attention(environment: pytest.MonkeyPatch, migrated: str) -> None:
    """A dead job, a backlog, a missing worker, an old backup, a failing provider, an alert and a lost shard."""
    environment.setenv("DATABASE_URL", migrated)
    environment.setenv("OPENAI_API_KEY", "sk-test-key-of-no-account")
    with psycopg.connect(migrated, autocommit=True) as connection:
        add_worker(connection)
        add_jobs(connection, 2, "failed")
        user_id = uuid.uuid4()
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'ann@test.local')", [user_id])
        for status in ("ok", "failed", "timeout", "refused"):
            connection.execute(
                "INSERT INTO ai_calls (id, user_id, task_type, provider, model, status, error_code, text_digest)"
                " VALUES (gen_random_uuid(), %s, 'outline', 'openai', 'm', %s, 'provider_error', '')",
                [user_id, status],
            )
    with json_server({"/ready": LOST_SHARD, "/api/v2/alerts": []}) as origin:
        environment.setenv("TRAILMIND_ALERTMANAGER_URL", origin + "/other")
        code, output = run_status("--url", origin, "--json")
        problems = {name: part["problem"] for name, part in parts_of(output).items() if part["state"] == "attention"}
        assert code == 3
        assert problems == {
            "api": "not_ready",  # shards are part of readiness
            "shards": "shards_missing",
            "jobs": "jobs_dead",
            "providers": "provider_failing",
            "alerts": "unreachable",
        }
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("DELETE FROM procrastinate_jobs")
        add_jobs(connection, 101, "todo", age="10 minutes")
        connection.execute("UPDATE users SET created_at = now() - interval '8 days'")
        connection.execute("DELETE FROM ai_calls")
    with json_server({"/ready": READY, "/api/v2/alerts": [WATCHDOG, CRITICAL]}) as origin:
        environment.setenv("TRAILMIND_ALERTMANAGER_URL", origin)
        code, output = run_status("--url", origin, "--json")
        text = run_status("--url", origin)[1]
    parts = parts_of(output)
    assert code == 1
    assert (parts["workers"]["state"], parts["workers"]["problem"]) == ("down", "no_worker")
    assert parts["jobs"]["problem"] == "backlog"
    assert parts["backup"]["problem"] == "backup_never"
    assert (parts["alerts"]["state"], parts["alerts"]["problem"]) == ("down", "alerts_firing")
    assert "CRITICAL  TrailmindCommitsFail" in text
    assert re.search(r"101 waiting, the oldest for \d+ min", text), text


def test_attention_alone_has_an_exit_code_of_its_own(environment: pytest.MonkeyPatch, migrated: str) -> None:
    environment.setenv("DATABASE_URL", migrated)
    with psycopg.connect(migrated, autocommit=True) as connection:
        add_worker(connection)
        connection.execute("INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'ann@test.local')")
        record_backup(connection, "old", num_bytes=1, is_encrypted=False)
        connection.execute("UPDATE audit_log SET at = now() - interval '9 days'")
    with json_server({"/ready": READY}) as origin:
        code, output = run_status("--url", origin, "--json")
        assert (code, parts_of(output)["backup"]["problem"]) == (3, "backup_old")


def test_a_backup_is_shown(environment: pytest.MonkeyPatch, migrated: str, tmp_path: Path) -> None:
    environment.setenv("DATABASE_URL", migrated)
    made = CliRunner().invoke(app, ["backup", str(tmp_path / "backups"), "--json"])
    assert made.exit_code == 0, made.output
    name = json.loads(made.stdout)["name"]
    assert json.loads(run_status("--json")[1])["last_backup"]["name"] == name
