"""Unavailable stores and unexpected errors: the error format, no partial writes, no traceback in a response."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

import serve.routes.events as event_routes
from cluster.settings import Settings, with_changes
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import make_settings, running_api


async def test_an_unexpected_error_is_a_500_without_details(ann: ApiUser, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await ann.start()

    async def broken(*_: object) -> None:
        raise RuntimeError("the page text was: sesame")

    monkeypatch.setattr(event_routes, "load_timeline", broken)
    answer = await ann.call("GET", f"/v1/sessions/{session}/events")
    assert answer.status_code == 500
    assert answer.json() == {"error": {"message": "something went wrong on our side", "code": "INTERNAL_SERVER_ERROR"}}
    assert "sesame" not in answer.text
    assert answer.headers["x-request-id"]


async def test_without_a_database_requests_return_503_with_retry_after(settings: Settings, ann: ApiUser) -> None:
    session = await ann.start()
    nowhere = with_changes(
        settings, database_url=SecretStr("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1")
    )
    async with running_api(nowhere) as (_, client):
        for method, path, body in (
            ("GET", "/v1/sessions", None),
            ("GET", f"/v1/sessions/{session}", None),
            ("POST", f"/v1/sessions/{session}/events", {"events": [visit("https://example.com/a")]}),
            ("POST", f"/v1/sessions/{session}/stop", None),
        ):
            answer = await client.request(method, path, json=body, headers=ann.headers)
            assert answer.status_code == 503, (method, path, answer.text)
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["postgresql"] != "ok"
        assert ready.json()["checks"]["valkey"] == "ok"
        assert (await client.get("/health")).status_code == 200, "the process itself is well"


async def test_without_valkey_recording_continues(settings: Settings) -> None:
    without = with_changes(settings, redis_url=SecretStr("redis://127.0.0.1:1"))
    async with running_api(without) as (_, client):
        person = await sign_up(client)
        session = await person.start()
        assert (await person.send(session, [visit("https://example.com/a")]))["stored"] == 1
        await person.ok("PATCH", f"/v1/sessions/{session}/pause")
        stopped = await person.ok("POST", f"/v1/sessions/{session}/stop")
        assert stopped["session"]["session_status"] == "processing"
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert "does not answer" in ready.json()["checks"]["valkey"]


async def test_an_outdated_schema_is_not_ready(fresh_database: str, stores: Any, tmp_path: Path) -> None:
    settings = make_settings(fresh_database, stores.redis_url, data_dir=tmp_path)
    async with running_api(settings) as (_, client):
        ready = await client.get("/ready")
    assert ready.status_code == 503
    assert "trailmind migrate" in ready.json()["checks"]["schema"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/health", 405),
        ("GET", "/v1/auth/login", 405),
        ("GET", "/v1/sessions/" + "x" * 20_000, 413),
    ],
)
async def test_every_error_has_the_error_format(api: httpx2.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["code"]


async def test_request_ids_are_echoed_or_generated(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/health", headers={"X-Request-ID": "abc"})).headers["x-request-id"] == "abc"
    made = (await api.get("/health")).headers["x-request-id"]
    assert uuid.UUID(made)
    strange = (await api.get("/health", headers={"X-Request-ID": "a b\tc"})).headers["x-request-id"]
    assert uuid.UUID(strange), "what could forge a log line is not echoed"


@pytest.mark.parametrize("body", [{"title": 5}, {"title": "zero \x00"}, [], "x", {"title": "x" * 201}])
async def test_wrong_types_are_refused_without_changes(
    ann: ApiUser, db: psycopg.AsyncConnection[Any], body: Any
) -> None:
    session = await ann.start(title="before")
    answer = await ann.call("PATCH", f"/v1/sessions/{session}", json=body)
    assert answer.status_code == 400
    cursor = await db.execute("SELECT title FROM browsing_sessions WHERE id = %s", [session])
    assert await cursor.fetchone() == ("before",)


async def test_concurrent_stops_enqueue_one_map(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    import asyncio

    session = await ann.start()
    answers = await asyncio.gather(*(ann.call("POST", f"/v1/sessions/{session}/stop") for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400, 400]
    cursor = await db.execute("SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'session_id' = %s", [session])
    assert await cursor.fetchone() == (1,)


async def test_concurrent_events_and_stop_lose_no_acknowledged_event(
    ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    import asyncio

    session = await ann.start()
    path = f"/v1/sessions/{session}/events"
    sending = [
        asyncio.create_task(ann.call("POST", path, json={"events": [visit(f"https://example.com/{i}")]}))
        for i in range(30)
    ]
    await asyncio.sleep(0)
    await ann.call("POST", f"/v1/sessions/{session}/stop")
    answers = await asyncio.gather(*sending)
    num_acknowledged = sum(a.status_code == 200 for a in answers)
    assert {a.status_code for a in answers} <= {200, 400}
    for table in ("events", "visits"):
        cursor = await db.execute(f"SELECT count(*) FROM {table} WHERE session_id = %s", [session])
        assert await cursor.fetchone() == (num_acknowledged,), f"{table}: what was acknowledged is in the timeline"
