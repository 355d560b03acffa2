"""Batches of events pass the HTTP server of a replica without what Ray Serve does for each request."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cluster.ray_internals import serve_directly
from serve.http.middleware import is_events_request

Replica: Any = importlib.import_module("ray.serve._private.replica").Replica
EVENTS = {"type": "http", "method": "POST", "path": "/v1/sessions/b7/events"}


class FakeReplica:
    """What `serve_directly` uses of a replica; `log` says what happened, in order."""

    def __init__(self, max_queued_requests: int = -1) -> None:
        self.max_queued_requests = max_queued_requests
        self.log: list[str] = []
        self._metrics_manager = SimpleNamespace(
            record_request_metrics=lambda *, route, latency_ms, is_error: self.log.append(f"recorded {is_error}")
        )

    @asynccontextmanager
    async def _start_request(self, metadata: Any) -> AsyncIterator[None]:
        assert metadata.is_direct_ingress
        assert metadata.is_http_request
        self.log.append("begun")
        try:
            yield
        finally:
            self.log.append("ended")


async def _unused(*_: Any) -> Any:
    raise AssertionError


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a replica handle a request; the app fails for `/v1/sessions/bad/events`."""

    async def by_serve(replica: FakeReplica, *_: Any) -> None:
        replica.log.append("Serve")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["replica"].log.append("app")
        if "bad" in scope["path"]:
            raise ValueError

    async def call(replica: FakeReplica, scope: dict[str, Any], *, has_metrics: bool = True) -> list[str]:
        monkeypatch.setattr(Replica, "_direct_ingress_asgi", by_serve)
        serve_directly(app, is_events_request, has_metrics=has_metrics)
        try:
            await Replica._direct_ingress_asgi(replica, {**scope, "replica": replica}, _unused, _unused)
        except ValueError:
            replica.log.append("raised")
        return replica.log

    return call


async def test_a_batch_is_counted_as_ongoing_and_reaches_the_app(handle: Any) -> None:
    assert await handle(FakeReplica(), EVENTS) == ["begun", "app", "ended", "recorded False"]
    assert await handle(FakeReplica(), EVENTS, has_metrics=False) == ["begun", "app", "ended"]


async def test_a_failure_of_the_app_ends_the_request_and_counts_as_error(handle: Any) -> None:
    failing = {**EVENTS, "path": "/v1/sessions/bad/events"}
    assert await handle(FakeReplica(), failing) == ["begun", "app", "ended", "recorded True", "raised"]


@pytest.mark.parametrize(
    "scope",
    [{**EVENTS, "method": "GET"}, {**EVENTS, "path": "/-/healthz"}, {**EVENTS, "type": "websocket"}],
    ids=["another method", "another path", "no HTTP"],
)
async def test_other_requests_are_served_by_serve(handle: Any, scope: dict[str, Any]) -> None:
    assert await handle(FakeReplica(), scope) == ["Serve"]


async def test_a_replica_that_may_refuse_requests_is_left_to_serve(handle: Any) -> None:
    assert await handle(FakeReplica(max_queued_requests=5), EVENTS) == ["Serve"]


@pytest.mark.parametrize("expects", [False, True], ids=["plain", "waits for 100 Continue"])
async def test_an_answer_of_uvicorn_is_written_at_once(monkeypatch: pytest.MonkeyPatch, expects: bool) -> None:
    """And uvicorn's interim answer, which lets the client send its body, is not kept back."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": message["body"][:2], "more_body": True})
        await send({"type": "http.response.body", "body": message["body"][2:]})

    monkeypatch.setattr(Replica, "_direct_ingress_asgi", None)
    serve_directly(app, is_events_request, has_metrics=False)
    replica = FakeReplica()

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await Replica._direct_ingress_asgi(replica, scope, receive, send)

    config = uvicorn.Config(served, http="httptools", lifespan="off", log_config=None)
    written: list[bytes] = []
    head = f"POST {EVENTS['path']} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n"
    config.load()
    protocol: Any = HttpToolsProtocol(config, ServerState(), {})
    transport: Any = SimpleNamespace(
        write=written.append, is_closing=lambda: False, close=lambda: None, get_extra_info=lambda *_: None
    )
    protocol.connection_made(transport)
    protocol.data_received(f"{head}{'Expect: 100-continue' if expects else 'Accept: */*'}\r\n\r\n".encode())
    if expects:
        await _until(lambda: written)
        assert written.pop().startswith(b"HTTP/1.1 100 Continue")
    protocol.data_received(b"abcd")
    await _until(lambda: b"".join(written).endswith(b"abcd"))
    assert len(written) == (3 if expects else 2)
    assert written[0].startswith(b"HTTP/1.1 200 OK")
    assert written[0].endswith(b"\r\n\r\n" if expects else b"\r\n\r\nab")


async def _until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0)
