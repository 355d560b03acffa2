"""RequestMiddleware and error handlers: CORS, request ids, rate limits, health, the form of errors."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from cluster.settings import Settings, with_changes
from models.database import SMALL_WORK_MEM, WRITE_TEMPORARY_FILE
from serve.app import create_api, with_middleware
from serve.http.middleware import RequestMiddleware
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.conditions import PATIENCE_S
from tests.support.server import no_actor, running_api


async def _preflight(
    api: httpx2.AsyncClient, origin: str, method: str = "PATCH", path: str = "/v1/x"
) -> httpx2.Response:
    return await api.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,x-trailmind-client",
        },
    )


async def test_cors_allows_extensions(api: httpx2.AsyncClient) -> None:
    for path in ("/v1/sessions/start", "/v1/auth/login", "/v1/nothing/here"):
        answer = await _preflight(api, "chrome-extension://abc", path=path)
        assert answer.status_code == 204
        assert answer.content == b""
        assert answer.headers["access-control-allow-origin"] == "chrome-extension://abc"
        assert answer.headers["access-control-allow-credentials"] == "true"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            assert method in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()


async def test_cors_allows_only_our_extension_in_production(settings: Settings) -> None:
    ours = "abcdefghijklmnopabcdefghijklmnop"
    async with running_api(with_changes(settings, extension_ids=(ours,), cors_origins=("https://app.example",))) as (
        _,
        c,
    ):
        assert (await _preflight(c, f"chrome-extension://{ours}")).status_code == 204
        for origin in (
            f"chrome-extension://{'b' * 32}",
            "https://app.example.evil.test",
            "http://localhost:3000",
            "null",
        ):
            answer = await _preflight(c, origin)
            assert "access-control-allow-origin" not in answer.headers, origin


async def test_cors_allows_only_configured_origins(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    assert (await _preflight(api, "http://localhost:3000")).status_code == 204
    evil = await _preflight(api, "http://evil.test")
    assert (evil.status_code, evil.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert "access-control-allow-origin" not in evil.headers
    answer = await ann.call("GET", "/v1/auth/me", headers={"Origin": "http://evil.test"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/metrics", "/v1/auth/google/config"])
async def test_head_is_answered_where_get_is(api: httpx2.AsyncClient, path: str) -> None:
    get, head = await api.get(path), await api.head(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    # The numbers of the metrics grow from request to request.
    differ = {"x-request-id", *(["content-length"] if path == "/metrics" else [])}
    assert {k: v for k, v in head.headers.items() if k not in differ} == {
        k: v for k, v in get.headers.items() if k not in differ
    }


async def test_head_has_the_access_rules_of_get(api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    for path in (f"/v1/sessions/{session}", f"/v1/sessions/{session}/stream", f"/v1/sessions/{session}/timeline"):
        assert (await api.head(path)).status_code == 401
        assert (await bob.call("HEAD", path)).status_code == (await bob.call("GET", path)).status_code != 200
        # The stream of an open session does not end by itself.
        async with asyncio.timeout(PATIENCE_S):
            answer = await ann.call("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b""), path
    assert (await ann.call("HEAD", "/v1/sessions/start")).status_code in {404, 405}
    assert (await api.head("/v1/nothing")).status_code == 404


async def test_the_check_of_the_disk_writes_to_it(api: httpx2.AsyncClient, db: psycopg.AsyncConnection[Any]) -> None:
    assert (await api.get("/ready")).json()["checks"]["disk"] == "ok"
    async with db.transaction():
        await db.execute(SMALL_WORK_MEM)
        plan = [
            row[0] for row in await (await db.execute(f"EXPLAIN (ANALYZE, BUFFERS) {WRITE_TEMPORARY_FILE}")).fetchall()
        ]
    written = [int(n) for line in plan for n in re.findall(r"temp .*written=(\d+)", line)]
    assert max(written, default=0) * 8192 > 500_000, plan


async def test_a_full_disk_is_named(api: httpx2.AsyncClient, ann: ApiUser, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr("serve.routes.health.check_disk", full)
    answer = await api.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert answer.json()["checks"]["disk"].startswith("is full: nothing can be stored")
    assert {v for k, v in answer.json()["checks"].items() if k != "disk"} <= {"ok"} | {"1 of 1 do not answer"}
    monkeypatch.setattr("serve.routes.sessions.start_session", full)
    refused = await ann.call("POST", "/v1/sessions/start")
    assert refused.status_code == 503
    assert refused.json()["error"]["message"] == "the disk of the database is full; try again in a moment"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
async def test_a_rebound_host_name_is_refused(api: httpx2.AsyncClient, host: str) -> None:
    for path in ("/health", "/metrics", "/v1/sessions", "/docs", "/"):
        answer = await api.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "UNKNOWN_HOST"), path


async def test_our_own_host_names_are_answered(settings: Settings) -> None:
    public = with_changes(settings, public_url="https://trailmind.example", allowed_hosts="www.trailmind.example")
    async with running_api(public) as (_, client):
        public_names = ["trailmind.example", "TRAILMIND.example:443", "www.trailmind.example", "trailmind.example."]
        addresses = ["127.0.0.1:9000", "[::1]:9000", "192.0.2.7"]
        local_names = ["localhost:9000", "trailmind-serve-svc:8000", "laptop.local", "trailmind.localhost"]
        for host in (*public_names, *addresses, *local_names):
            assert (await client.get("/health", headers={"Host": host})).status_code == 200, host


async def test_request_ids(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/health", headers={"X-Request-ID": "abc"})).headers["x-request-id"] == "abc"
    made = (await api.get("/health")).headers["x-request-id"]
    assert uuid.UUID(made)
    for bad in ("x" * 129, "a b", "a\tb"):
        assert (await api.get("/health", headers={"X-Request-ID": bad})).headers["x-request-id"] != bad


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """The app with rate limits, called from an address of the test behind a trusted proxy."""
    limited = with_changes(settings, rate_limits=True, trusted_proxies=("127.0.0.1",))
    async with running_api(limited) as (app, client):
        client.headers["X-Forwarded-For"] = _address()
        yield app, client


def _address() -> str:
    number = uuid.uuid4().int
    return f"198.18.{number % 256}.{number // 256 % 254 + 1}"


async def test_the_eleventh_credential_call_in_a_minute_is_rejected(strict: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    _, client = strict
    bodies: list[tuple[str, dict[str, str]]] = [
        ("login", {"email": "nobody@test.local", "password": "wrong password"}),
        ("signup", {"email": "invalid", "password": "x"}),
        ("forgot-password", {"email": "nobody@test.local"}),
        ("google", {"credential": "x"}),
        ("google/code", {"code": "x", "redirect_uri": "https://x.example"}),
        ("reset-password", {"token": "x", "new_password": "long enough"}),
        ("extension/exchange", {"code": "x", "code_verifier": "v" * 43}),
    ]
    for i in range(10):
        name, body = bodies[i % len(bodies)]
        answer = await client.post(f"/v1/auth/{name}", json=body)
        assert answer.status_code != 429, f"try {i + 1}"
        assert answer.headers["ratelimit-policy"] == '"credentials";q=10;w=60'
        assert f"r={9 - i};" in answer.headers["ratelimit"]
    for name, body in bodies:
        answer = await client.post(f"/v1/auth/{name}", json=body)
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "r=0;" in answer.headers["ratelimit"]
    # Other addresses and existing logins are not affected.
    client.headers["X-Forwarded-For"] = _address()
    assert (await client.post("/v1/auth/login", json=bodies[0][1])).status_code == 401


async def test_no_rate_limits_in_the_test_environment(api: httpx2.AsyncClient) -> None:
    for _ in range(15):
        answer = await api.post("/v1/auth/forgot-password", json={"email": "nobody@test.local"})
        assert answer.status_code == 200


async def test_a_forged_forwarded_address_is_ignored(settings: Settings) -> None:
    async with running_api(with_changes(settings, rate_limits=True, credential_calls_per_minute=2)) as (app, client):
        app.state.parts.rate_limiter.credentials = type(app.state.parts.rate_limiter.credentials)(uuid.uuid4().hex, 2)
        codes = []
        for _ in range(3):
            headers = {"X-Forwarded-For": _address()}
            answer = await client.post("/v1/auth/forgot-password", json={"email": "n@test.local"}, headers=headers)
            codes.append(answer.status_code)
        assert codes == [200, 200, 429]


async def test_the_last_untrusted_address_is_used(strict: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    _, client = strict
    real = _address()
    codes = []
    for i in range(11):
        headers = {"X-Forwarded-For": f"10.0.0.{i}, {real}, 127.0.0.1"}
        answer = await client.post("/v1/auth/forgot-password", json={"email": "n@test.local"}, headers=headers)
        codes.append(answer.status_code)
    assert codes == [200] * 10 + [429]


async def test_each_user_has_a_separate_limit(settings: Settings) -> None:
    async with running_api(with_changes(settings, rate_limits=True, user_calls_per_minute=5)) as (_, client):
        ann = await sign_up(client)
        answers = [await ann.call("GET", "/v1/sessions") for _ in range(6)]
        assert [a.status_code for a in answers] == [200] * 5 + [429]
        bob = await sign_up(client)
        assert (await bob.call("GET", "/v1/sessions")).status_code == 200


async def test_the_events_route_leases_calls_from_valkey(settings: Settings) -> None:
    limited = with_changes(settings, rate_limits=True, events_calls_per_minute=100)
    async with running_api(limited) as (app, client):
        ann = await sign_up(client)
        session_id = await ann.start()
        num_leases = 0
        count = app.state.parts.rate_limiter.count

        async def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal num_leases
            num_leases += args[0].name == "events"
            return await count(*args, **kwargs)

        app.state.parts.rate_limiter.count = counting
        codes = []
        for i in range(105):
            answer = await ann.call(
                "POST", f"/v1/sessions/{session_id}/events", json={"events": [visit("https://example.com/", 1000 + i)]}
            )
            codes.append(answer.status_code)
        assert codes == [200] * 100 + [429] * 5
        assert num_leases <= 15


async def test_without_valkey_each_replica_limits_on_its_own(settings: Settings) -> None:
    changed = with_changes(settings, rate_limits=True, redis_url="redis://127.0.0.1:1/0", credential_calls_per_minute=2)
    async with running_api(changed) as (_, client):
        codes = [
            (await client.post("/v1/auth/forgot-password", json={"email": "n@test.local"})).status_code
            for _ in range(3)
        ]
    assert codes == [200, 200, 429]


# --- health, errors, bounds ---------------------------------------------------------------------------------------


async def test_health(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"a": "\xc3\x28"}'])
async def test_malformed_json(api: httpx2.AsyncClient, ann: ApiUser, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    session_id = await ann.start()
    for answer in (
        await api.post("/v1/auth/login", content=body, headers=headers),
        await ann.call("PUT", f"/v1/sessions/{session_id}", content=body, headers=headers),
        await ann.call("POST", f"/v1/sessions/{session_id}/events", content=body, headers=headers),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]


async def test_a_compressed_body_is_rejected_with_a_message(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    session = await ann.start()
    answer = await ann.call(
        "POST", f"/v1/sessions/{session}/events", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_every_error_is_json_with_a_message(api: httpx2.AsyncClient, ann: ApiUser) -> None:
    for answer in (
        await api.get("/v1/nowhere"),
        await api.put("/v1/auth/login"),
        await api.get("/v1/sessions"),
        await ann.call("GET", f"/v1/sessions/{uuid.uuid4()}"),
        await ann.call("GET", "/v1/sessions?limit=x"),
        await ann.call("GET", "/v1/sessions?limit=-1"),
        await api.post("/v1/auth/login", json={"email": "a" * 300_000, "password": "x"}),
        await api.get("/health?" + "x" * 20_000),
        await api.get("/health", headers={f"X-{i}": "y" for i in range(120)}),
        await api.get("/health", headers={"X-Long": "y" * 40_000}),
    ):
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json()["error"]["message"], str)
        assert isinstance(answer.json()["error"]["code"], str)
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("value", ["a\x00b", 5, ["x"], {"x": 1}, "x" * 201])
async def test_invalid_values_write_no_row(ann: ApiUser, db: psycopg.AsyncConnection[Any], value: Any) -> None:
    session_id = await ann.start(title="Before")
    for method, path, body in (
        ("PUT", f"/v1/sessions/{session_id}", {"title": value, "description": "half"}),
        ("POST", "/v1/sessions/start", {"title": value}),
        ("POST", "/v1/auth/api-keys", {"name": value, "scopes": ["nothing"]}),
        ("PATCH", "/v1/users/me/settings", {"language": value, "theme": "dark"}),
    ):
        answer = await ann.call(method, path, json=body)
        assert answer.status_code == 400, f"{method} {path}"
        assert answer.json()["error"]["message"]
    cursor = await db.execute("SELECT title, description FROM browsing_sessions WHERE user_id = %s", [ann.id])
    assert await cursor.fetchall() == [("Before", None)]
    for table in ("api_keys", "user_settings"):
        cursor = await db.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", [ann.id])
        assert await cursor.fetchone() == (0,)


async def test_a_request_past_the_deadline_is_answered_with_503(settings: Settings) -> None:
    api = create_api(settings, no_actor)
    begun, ended = asyncio.Event(), asyncio.Event()

    @api.get("/slow")
    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with api.router.lifespan_context(api):
        transport = httpx2.ASGITransport(
            app=RequestMiddleware(with_middleware(api, settings), loopback_only=False, timeout_s=0.05)
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answer = await client.get("/slow")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "DEADLINE_EXCEEDED"
    assert begun.is_set()
    assert ended.is_set()


@pytest.mark.parametrize("header", [(b"content-length", b"50"), (b"transfer-encoding", b"chunked")])
async def test_a_body_that_does_not_arrive_is_answered_with_408(
    settings: Settings, header: tuple[bytes, bytes]
) -> None:
    api, sent = create_api(settings, no_actor), list[Any]()
    parts = iter([{"type": "http.request", "body": b'{"email":', "more_body": True}])

    async def receive() -> Any:
        part = next(parts, None)
        return part if part is not None else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/auth/login", "raw_path": b"", "query_string": b""}
    scope |= {"headers": [(b"content-type", b"application/json"), header], "client": ("127.0.0.1", 1), "scheme": "http"}
    async with api.router.lifespan_context(api):
        app = RequestMiddleware(with_middleware(api, settings), loopback_only=False, timeout_s=0.05)
        await app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert dict(sent[0]["headers"])[b"connection"] == b"close"
    assert json.loads(sent[1]["body"])["error"]["code"] == "REQUEST_TIMEOUT"


async def test_long_work_of_a_database_that_answers_goes_on(settings: Settings) -> None:
    """The database is asked while a request waits, and again, and the request is not ended."""
    api = create_api(settings, no_actor)
    num_checks = 0
    is_checked_again = asyncio.Event()

    async def is_silent() -> bool:
        nonlocal num_checks
        num_checks += 1
        if num_checks > 1:
            is_checked_again.set()
        return False

    @api.get("/long")
    async def slow() -> str:
        await is_checked_again.wait()
        return "done"

    async with api.router.lifespan_context(api):
        app = RequestMiddleware(
            api, loopback_only=False, is_database_silent=is_silent, database_check_s=0.01, timeout_s=PATIENCE_S
        )
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver") as client:
            answer = await client.get("/long")
    assert answer.json() == "done"


async def test_a_request_that_ends_after_its_answer_sends_no_second_one(settings: Settings) -> None:
    """As psycopg, which needs seconds to cancel its statement and then raises an error of its own."""
    api, sent = create_api(settings, no_actor), list[Any]()
    is_answered = asyncio.Event()

    async def is_silent() -> bool:
        return True

    @api.get("/stuck")
    async def slow() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await is_answered.wait()
            raise psycopg.OperationalError("the connection is lost") from None
        return "never"

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_answered.set()

    async def receive() -> Any:
        return await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/stuck", "raw_path": b"", "query_string": b"", "headers": []}
    scope |= {"client": ("127.0.0.1", 1), "scheme": "http"}
    async with api.router.lifespan_context(api):
        app = RequestMiddleware(api, loopback_only=False, is_database_silent=is_silent, database_check_s=0.01)
        async with asyncio.timeout(PATIENCE_S):
            await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 503


async def test_a_stream_that_has_begun_is_not_ended_by_a_silent_database(settings: Settings) -> None:
    api = create_api(settings, no_actor)
    num_checks = 0

    async def is_silent() -> bool:
        nonlocal num_checks
        num_checks += 1
        return True

    async def parts() -> AsyncIterator[str]:
        yield "a"
        await asyncio.sleep(0.2)
        yield "b"

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    async with api.router.lifespan_context(api):
        app = RequestMiddleware(api, loopback_only=False, is_database_silent=is_silent, database_check_s=0.1)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver") as client:
            answer = await client.get("/stream")
    assert answer.text == "ab"
    assert num_checks == 0


async def test_logs_contain_no_password(
    api: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    person = await sign_up(api)
    await api.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    await api.post("/v1/auth/login", json={"email": person.email, "password": "a wrong password"})
    await person.call("GET", "/v1/search", params={"q": "a very private question"})
    said = caplog.text + "".join(capsys.readouterr())
    for secret in (PASSWORD, "a wrong password", person.email, person.reply["token"], "very private"):
        assert secret not in said


async def test_logs_contain_nothing_that_stands_in_the_place_of_an_id(
    ann: ApiUser, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    session = await ann.start()
    await ann.call("GET", "/v1/sessions/PRIVATE-MARKER-4711")
    await ann.call("GET", f"/v1/sessions/{session}/timeline")
    said = caplog.text + "".join(capsys.readouterr())
    assert "PRIVATE-MARKER" not in said
    assert session in said
