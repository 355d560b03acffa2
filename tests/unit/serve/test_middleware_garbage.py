"""An answered request leaves nothing behind that only Python's search for cycles frees: a search stops the replica."""

from __future__ import annotations

import gc

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.middleware import RequestMiddleware

NUM_REQUESTS = 50


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"status": "ok"})(scope, receive, send)


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    """As an app whose client has gone."""


async def is_silent() -> bool:
    return False


async def request(app: ASGIApp, path: str) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-length", b"2")],
        "client": ("127.0.0.1", 40_000),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        pass

    await app(scope, receive, send)


@pytest.mark.parametrize("app", [answer, fail])
@pytest.mark.parametrize("path", ["/v1/sessions/1/events", "/v1/sessions"])
async def test_an_answered_request_leaves_no_cycles(app: ASGIApp, path: str) -> None:
    middleware = RequestMiddleware(app, loopback_only=False, is_database_silent=is_silent)
    await request(middleware, path)
    gc.collect()
    gc.disable()
    try:
        for _ in range(NUM_REQUESTS):
            await request(middleware, path)
        found = gc.collect()
    finally:
        gc.enable()
    # The loop and other tests' threads may leave a few.
    assert found < NUM_REQUESTS
