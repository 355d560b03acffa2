"""Unavailable stores and unexpected errors: the error format, no partial writes, no traceback in a response."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import uvicorn
from pydantic import SecretStr

import serve.routes.events as event_routes
from cluster.settings import Settings, with_changes
from serve.app import create_api, with_middleware
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.conditions import LONG_PATIENCE_S
from tests.support.server import make_settings, no_actor, running_api
from tests.support.silent_database import way_to_database


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the app behind a real socket, where an answer arrives before the app has ended its work."""
    api = create_api(settings, no_actor)
    config = uvicorn.Config(with_middleware(api, settings), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    async with api.router.lifespan_context(api):
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LONG_PATIENCE_S) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


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


async def test_a_silent_database_is_answered_with_503_within_seconds(settings: Settings) -> None:
    """Whatever a request needs of it; the time limit of requests plays no part."""
    async with way_to_database(settings.database.postgres_dsn) as way:
        hidden = with_changes(settings, database_url=SecretStr(way.url), request_timeout_s=3600)
        async with served(hidden) as client:
            ann = await sign_up(client)
            session = await ann.start()
            way.stop_answering()
            async with asyncio.timeout(LONG_PATIENCE_S):
                answers = await asyncio.gather(
                    ann.call("GET", "/v1/sessions"),
                    ann.call("GET", f"/v1/sessions/{session}/timeline"),
                    ann.call("PUT", f"/v1/sessions/{session}", json={"title": "New"}),
                    ann.call("POST", f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com")]}),
                    client.post("/v1/auth/login", json={"email": ann.email, "password": PASSWORD}),
                )
            for answer in answers:
                assert answer.status_code == 503, answer.text
                assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
                assert answer.headers["retry-after"] == "2"
            way.answer()
            # The connections that waited in silence are not given to who comes next.
            assert (await ann.call("GET", "/v1/sessions")).status_code == 200


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
