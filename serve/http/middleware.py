"""What happens to every request before a route sees it: who may connect, how much may be sent, ids and headers.

One plain ASGI layer instead of five: on the events route each layer is paid for thousands of times a second.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import (
    DeadlineExceeded,
    Forbidden,
    HeadersTooLarge,
    PayloadTooLarge,
    TrailmindError,
    UnsupportedMediaType,
)
from models.recording.ingest import MAX_BODY_BYTES
from serve.http.errors import error_response

log = structlog.get_logger("serve")
_REQUEST_ID = re.compile(r"^[\w.:-]{1,128}$")
#: Other bodies are a few fields of JSON.
MAX_SMALL_BODY_BYTES = 256 * 1024
_EVENTS_PATH = re.compile(r"^/v1/sessions/[^/]+/events$")
MAX_TARGET_BYTES = 16 * 1024
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32 * 1024

_HSTS = "max-age=31536000"
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


def is_loopback(host: str | None) -> bool:
    """Whether an address is this machine's own. A unix socket has none and counts as loopback."""
    if not host:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


class RequestMiddleware:
    """The outermost layer of the app.

    `loopback_only` refuses callers from other machines: Ray Serve's replicas listen on every interface whatever they
    are told, so on a laptop the app itself is the door.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback_only: bool,
        observe: Callable[[str, str, int, float], None] | None = None,
        timeout_s: float = 60.0,
        https_only: bool = False,
    ) -> None:
        # Whoever came over https once shall not be led to http by anybody in between.
        self._headers = _SECURITY_HEADERS | ({"strict-transport-security": _HSTS} if https_only else {})
        self._app, self._loopback_only, self._observe, self._timeout_s = app, loopback_only, observe, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status, started = time.perf_counter(), 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                # An answer that has begun may take its time: streams do.
                deadline.reschedule(None)
                out = MutableHeaders(scope=message)
                out["x-request-id"] = request_id
                if (rate_limit := scope["state"].get("rate_limit")) is not None:
                    for name, value in rate_limit.headers().items():
                        out[name] = value
                for name, value in self._headers.items():
                    out.setdefault(name, value)
            await send(message)

        refusal = self._rejection(scope, headers)
        deadline = asyncio.timeout(self._timeout_s)
        try:
            async with deadline:
                if refusal is not None:
                    await error_response(refusal)(scope, receive, send_with_headers)
                else:
                    limit = MAX_BODY_BYTES if _EVENTS_PATH.match(scope["path"]) else MAX_SMALL_BODY_BYTES
                    await self._app(scope, _bounded(receive, limit), send_with_headers)
        except TimeoutError:
            if not started and not deadline.expired():
                raise
            if not started:
                deadline = asyncio.timeout(5.0)
                async with deadline:
                    await error_response(DeadlineExceeded(self._timeout_s))(scope, receive, send_with_headers)
        except Exception:
            # Starlette answers 500 and raises again for the server to log; our handler has logged it already.
            if not started:
                raise
        took = time.perf_counter() - began
        route = scope.get("route")
        path = getattr(route, "path", "unmatched")
        if self._observe is not None:
            self._observe(scope["method"], path, status, took)
        # Thousands a second arrive on the events route; there only what is unusual is worth a line.
        is_usual = status < 400 and took < 2.0 and _EVENTS_PATH.match(scope["path"])
        say = log.warning if status >= 500 or took > 2.0 else log.debug if is_usual else log.info
        ids = {k: v for k, v in (scope.get("path_params") or {}).items() if k == "session_id"}
        say("http_request", method=scope["method"], path=path, status=status, latency_ms=round(took * 1e3, 1), **ids)

    def _rejection(self, scope: Scope, headers: dict[bytes, bytes]) -> TrailmindError | None:
        client: Any = scope.get("client")
        if self._loopback_only and not is_loopback(client[0] if client else None):
            return Forbidden("this Trailmind answers only programs on its own machine (TRAILMIND_EXPOSURE=loopback)")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return PayloadTooLarge("the address is too long")
        sent = scope["headers"]
        if len(sent) > MAX_HEADERS or sum(len(name) + len(value) for name, value in sent) > MAX_HEADER_BYTES:
            return HeadersTooLarge(f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES // 1024} KB together, please")
        length = headers.get(b"content-length", b"")
        limit = MAX_BODY_BYTES if _EVENTS_PATH.match(scope["path"]) else MAX_SMALL_BODY_BYTES
        if length.isdigit() and int(length) > limit:
            return payload_too_large(limit)
        if headers.get(b"content-encoding", b"identity").lower() not in {b"identity", b""}:
            return UnsupportedMediaType("bodies are read as they are; send this one without Content-Encoding")
        return None


def payload_too_large(limit: int) -> PayloadTooLarge:
    """The refusal for a body of more than `limit` bytes."""
    return PayloadTooLarge(f"the request body is larger than {limit // 1024} KB; send it in smaller parts")


def _bounded(receive: Receive, limit: int) -> Receive:
    """`receive` that counts: a body without a length is measured as it comes."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise payload_too_large(limit)
        return message

    return bounded
