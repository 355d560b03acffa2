"""The operators' API, and the audit log of its actions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest
from typer.testing import CliRunner

from cluster.settings import Settings, load_settings
from launch.cli.main import app
from models.errors import ConfigurationError
from tests.support.client import ApiUser, sign_up
from tests.support.completed_session import completed_session
from tests.support.sent_mails import mails_to, send_queued_mails, token_in
from tests.support.server import running_api


def _operators(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """The exit code and output of `trailmind operators`."""
    monkeypatch.setenv("DATABASE_URL", settings.database.postgres_dsn)
    result = CliRunner().invoke(app, ["operators", *arguments])
    return result.exit_code, result.output + str(result.exception or "")


@pytest.fixture
async def operator(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiUser]:
    """A user who has verified the address and got the role by the command line."""
    email = f"{uuid.uuid4().hex[:10]}@ops.local"
    async with running_api(settings) as (api, client):
        person = await sign_up(client, email)
        assert (await person.call("GET", "/v1/admin/users")).status_code == 403
        await send_queued_mails(api, person.id)
        token = token_in(mails_to(settings.data_dir, email)[-1])
        await person.ok("POST", "/v1/auth/verify-email", json={"token": token})
        added = await asyncio.to_thread(_operators, settings, monkeypatch, "add", email.upper())
        assert added == (0, f"{email} is an operator.\n")
        reply = await client.post("/v1/auth/login", json={"email": email, "password": "correct horse battery"})
        yield ApiUser(client, reply.json())


async def test_operators_are_made_by_the_command_line_only(
    operator: ApiUser, settings: Settings, ann: ApiUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role never comes from an address in the configuration: an attacker may have signed up with it first."""
    with monkeypatch.context() as environment:
        environment.setenv("TRAILMIND_ADMIN_EMAILS", ann.email)
        with pytest.raises(ConfigurationError, match="trailmind operators add"):
            load_settings()
    code, output = await asyncio.to_thread(_operators, settings, monkeypatch, "add", ann.email)
    assert code != 0
    assert "not confirmed" in output
    assert (await ann.call("GET", "/v1/admin/users")).status_code == 403
    patched = await operator.call("PATCH", f"/v1/admin/users/{ann.id}", json={"role": "admin"})
    assert (patched.status_code, patched.json()["error"]["code"]) == (409, "CONFLICT")
    assert operator.email in (await asyncio.to_thread(_operators, settings, monkeypatch))[1].splitlines()
    assert (await asyncio.to_thread(_operators, settings, monkeypatch, "add", "no-one@ops.local"))[0] != 0
    assert (await asyncio.to_thread(_operators, settings, monkeypatch, "add"))[0] != 0
    removed = await asyncio.to_thread(_operators, settings, monkeypatch, "remove", operator.email)
    assert removed == (0, f"{operator.email} is not an operator.\n")
    async with running_api(settings) as (_, other_replica):
        login = {"email": operator.email, "password": "correct horse battery"}
        demoted = ApiUser(other_replica, (await other_replica.post("/v1/auth/login", json=login)).json())
        assert (await demoted.call("GET", "/v1/admin/users")).status_code == 403


async def _acts(operator: ApiUser) -> list[tuple[str, str]]:
    entries = (await operator.ok("GET", "/v1/admin/audit"))["entries"]
    return [(e["action"], e["subject"]) for e in entries if e.get("actor_id") == operator.id]


async def test_accounts(operator: ApiUser, api: httpx2.AsyncClient, ann: ApiUser) -> None:
    found = await operator.ok("GET", "/v1/admin/users", params={"q": ann.email[:12].upper()})
    assert [u["id"] for u in found["users"]] == [ann.id]
    assert found["total"] == 1
    assert "password" not in str(found)
    path = f"/v1/admin/users/{ann.id}"
    closed = (await operator.ok("PATCH", path, json={"status": "inactive"}))["user"]
    assert closed["status"] == "inactive"
    login = {"email": ann.email, "password": "correct horse battery"}
    assert (await api.post("/v1/auth/login", json=login)).status_code == 401
    await operator.ok("PATCH", path, json={"status": "active"})
    assert (await api.post("/v1/auth/login", json=login)).status_code == 200
    assert (await operator.call("PATCH", f"/v1/admin/users/{operator.id}", json={"role": "user"})).status_code == 409
    assert (await operator.call("GET", f"/v1/admin/users/{uuid.uuid4()}")).status_code == 404
    assert await _acts(operator) == [("user.changed", ann.id)] * 2


async def test_a_demoted_operator_loses_access(
    operator: ApiUser, api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    path = f"/v1/admin/users/{ann.id}"
    await db.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [ann.id])
    await operator.ok("PATCH", path, json={"role": "admin"})
    login = {"email": ann.email, "password": "correct horse battery"}
    promoted = ApiUser(api, (await api.post("/v1/auth/login", json=login)).json())
    assert (await promoted.call("GET", "/v1/admin/audit")).status_code == 200
    await operator.ok("PATCH", path, json={"role": "user"})
    assert (await operator.client.get("/v1/admin/audit", headers=promoted.headers)).status_code == 401


async def test_the_status_of_the_deployment(operator: ApiUser, ann: ApiUser) -> None:
    """Operators see every part; users are refused, and no address or key of a part is shown."""
    assert (await ann.call("GET", "/v1/admin/status")).status_code == 403
    status = await operator.ok("GET", "/v1/admin/status")
    states = {part["name"]: part["state"] for part in status["parts"]}
    assert [states[name] for name in ("postgresql", "valkey")] == ["ok"] * 2
    assert states["shards"] == "attention", "without Ray no shard answers"
    # What is said of the API is what a load balancer is told.
    assert (await operator.client.get("/ready")).status_code == 503
    api_part = status["parts"][0]
    assert (api_part["state"], api_part["problem"]) == ("attention", "not_ready")
    assert api_part["message"] == "answers, but is not ready: Shards"
    assert {"workers", "jobs", "backup", "disk", "mail", "providers", "alerts"} <= states.keys()
    assert status["versions"]["schema"] == status["versions"]["schema_expected"]
    assert "://" not in str(status["parts"])


async def test_sessions_show_their_status_and_no_content(
    operator: ApiUser, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await completed_session(ann, db, title="Something private")
    found = await operator.ok("GET", "/v1/admin/sessions", params={"user_id": ann.id})
    assert [(s["id"], s["session_status"], s["map_status"]) for s in found["sessions"]] == [
        (session_id, "completed", "completed")
    ]
    assert found["by_status"] == {"completed": 1}
    assert "private" not in str(found)
    empty = await operator.ok("GET", "/v1/admin/sessions", params={"user_id": ann.id, "status": "failed"})
    assert (empty["sessions"], empty["total"]) == ([], 0)


async def test_failed_jobs_can_be_retried_and_discarded(
    operator: ApiUser, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await ann.start()
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    cursor = await db.execute(
        "UPDATE procrastinate_jobs SET status = 'failed', attempts = 5 WHERE args ->> 'session_id' = %s RETURNING id",
        [session_id],
    )
    row = await cursor.fetchone()
    assert row is not None
    dead = (await operator.ok("GET", "/v1/admin/jobs", params={"status": "dead"}))["jobs"]
    assert row[0] in [j["id"] for j in dead]
    await operator.ok("POST", f"/v1/admin/jobs/{row[0]}/retry")
    assert (await operator.call("POST", f"/v1/admin/jobs/{row[0]}/retry")).status_code == 400
    assert (await operator.call("DELETE", f"/v1/admin/jobs/{row[0]}")).status_code == 404
    await db.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [row[0]])
    assert (await operator.call("DELETE", f"/v1/admin/jobs/{row[0]}")).status_code == 204
    assert (await operator.call("POST", "/v1/admin/jobs/999999999999/retry")).status_code == 404
    assert await _acts(operator) == [("job.discarded", str(row[0])), ("job.retried", str(row[0]))]


async def test_ai_configuration(operator: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await db.execute("DELETE FROM ai_configs")
    chain = [{"provider": "openai", "model": "gpt-5-mini"}, {"provider": "local", "model": "local"}]
    path = "/v1/admin/ai/configs/outline"
    # Two operators configure the same task at the same time.
    both = await asyncio.gather(*(operator.call("PUT", path, json={"chain": chain}) for _ in range(2)))
    assert [answer.status_code for answer in both] == [200, 200]
    put = (await operator.ok("PUT", path, json={"chain": chain, "temperature": 0.2}))["config"]
    assert (put["task_type"], put["chain"], put["temperature"]) == ("outline", chain, 0.2)
    assert [c["task_type"] for c in (await operator.ok("GET", "/v1/admin/ai/configs"))["configs"]] == ["outline"]
    refused = await operator.call("DELETE", "/v1/admin/ai/configs/default")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "CANNOT_DELETE_DEFAULT")
    assert (await operator.call("DELETE", path)).status_code == 204
    assert (await operator.call("DELETE", path)).status_code == 404
    body: dict[str, Any]
    for body in ({"chain": []}, {"chain": [{"provider": "X", "model": "m"}]}, {"chain": chain, "temperature": 3}):
        assert (await operator.call("PUT", path, json=body)).status_code == 400
    assert (await operator.call("PUT", "/v1/admin/ai/configs/other", json={"chain": chain})).status_code == 400
    assert await _acts(operator) == [("ai_config.deleted", "outline"), *[("ai_config.set", "outline")] * 3]


async def test_a_legal_hold_keeps_the_data_of_an_account(operator: ApiUser, ann: ApiUser) -> None:
    path = f"/v1/admin/users/{ann.id}/hold"
    assert await operator.ok("GET", path) == {"is_held": False}
    end = {"is_held": False, "reason": "The case is closed"}
    assert (await operator.call("PUT", path, json=end)).status_code == 409
    assert (await operator.call("PUT", path, json={"is_held": True})).status_code == 400
    held = await operator.ok("PUT", path, json={"is_held": True, "reason": "Court order 12"})
    assert held == {"is_held": True, "reason": "Court order 12"} == await operator.ok("GET", path)
    session_id = await ann.start()
    refused = await ann.call("DELETE", f"/v1/sessions/{session_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ACCOUNT_HELD")
    assert await operator.ok("PUT", path, json=end) == {"is_held": False}
    assert (await ann.call("DELETE", f"/v1/sessions/{session_id}")).status_code == 204
    unknown = f"/v1/admin/users/{uuid.uuid4()}/hold"
    assert (await operator.call("PUT", unknown, json={"is_held": True, "reason": "which"})).status_code == 404
    entries = (await operator.ok("GET", "/v1/admin/audit"))["entries"]
    acts = [(e["action"], e["facts"]) for e in entries if e["subject"] == ann.id]
    assert acts == [
        ("hold.ended", {"reason": "The case is closed"}),
        ("hold.placed", {"reason": "Court order 12"}),
    ]
