"""What every request passes before it reaches a route: connection and size checks, a time limit, ids and headers.

One plain ASGI layer instead of five: the events route is called thousands of times a second, and pays for each layer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection
from functools import lru_cache
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import (
    DeadlineExceeded,
    Forbidden,
    HeadersTooLarge,
    PayloadTooLarge,
    RequestTimeout,
    TrailmindError,
    Unavailable,
    UnknownHost,
    UnsupportedMediaType,
)
from models.recording.ingest import MAX_BODY_BYTES
from serve.http.errors import error_response
from serve.http.pending_requests import PendingRequests
from telemetry.traces import frequent_span, span

log = structlog.get_logger("serve")
_REQUEST_ID = re.compile(r"^[\w.:-]{1,128}$")
#: Limit of every body but event batches: a few fields of JSON.
MAX_SMALL_BODY_BYTES = 256 * 1024
MAX_WEBHOOK_BODY_BYTES = 1024 * 1024
_WEBHOOK_PATH = "/v1/webhooks/stripe"
EVENTS_PATH = re.compile(r"^/v1/sessions/(?P<session_id>[^/]+)/events$")
MAX_TARGET_BYTES = 16 * 1024
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32 * 1024
#: Slower requests are logged as warnings.
_SLOW_S = 2.0
#: How long the answer after a time-out may take.
_TIMEOUT_REPLY_S = 5.0
#: A request that has no response after this time, and again after each such time, asks whether the database answers.
_DATABASE_CHECK_S = 2.0

_HSTS = "max-age=31536000"
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


def is_events_request(scope: Scope) -> bool:
    """Whether a request sends a batch of events."""
    return scope["type"] == "http" and scope["method"] == "POST" and EVENTS_PATH.match(scope["path"]) is not None


@lru_cache(maxsize=1024)
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


@lru_cache(maxsize=1024)
def _is_safe_host(host: str, hosts: frozenset[str]) -> bool:
    """Whether a `Host` header cannot be that of a page which rebound its own name to the address of this server.

    Such an attack needs a name in the public DNS: an address, a name without a dot and names that only this machine or
    its network resolves are safe. Programs without the header are no browsers.
    """
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.rpartition(":")[0] or name
    name = name.removesuffix(".")
    if not name or name in hosts or "." not in name or name.endswith((".localhost", ".local")):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class RequestMiddleware:
    """The outermost layer of the app.

    `loopback_only` refuses clients on other machines: Ray Serve's replicas listen on every interface whatever their
    configuration says, so on a laptop the app itself has to refuse them. `timeout_s` limits the time until a response
    begins; streams may then take longer, and when `is_database_silent` meanwhile, the request is answered at once with
    503. `hosts` are the names that the server answers for. `observe` receives method, route, status and seconds of each
    request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback_only: bool,
        hosts: Collection[str] = (),
        observe: Callable[[str, str, int, float], None] | None = None,
        timeout_s: float = 60.0,
        https_only: bool = False,
        is_database_silent: Callable[[], Awaitable[bool]] | None = None,
        database_check_s: float = _DATABASE_CHECK_S,
    ) -> None:
        # HSTS (RFC 6797) prevents a downgrade to http.
        headers = _SECURITY_HEADERS | ({"strict-transport-security": _HSTS} if https_only else {})
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._hosts = frozenset(host.lower() for host in hosts)
        self._app, self._loopback_only, self._observe, self._timeout_s = app, loopback_only, observe, timeout_s
        self._pending = PendingRequests(timeout_s, database_check_s, is_database_silent)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        response = _Response(send, _bind_request_id(scope, headers), scope, self._headers)
        started_at = time.perf_counter()
        # These routes are called hundreds of times a second, so only some of them are traced, and only their failures
        # and slow calls are logged. A webhook that was accepted has a row.
        is_frequent = scope["path"] == _WEBHOOK_PATH or EVENTS_PATH.match(scope["path"]) is not None
        make_span = frequent_span if is_frequent else span
        with make_span("http_request", "request", method=scope["method"]) as request_span:
            try:
                await self._respond(scope, headers, receive, response)
            except Exception:
                # Starlette sends the 500 and raises again for the server to log; our handler has logged it already.
                if not response.is_started:
                    raise
            finally:
                request_span.set(route=getattr(scope.get("route"), "path", "unmatched"), status=response.status)
                took_s = time.perf_counter() - started_at
                is_routine = is_frequent and response.status < 400 and took_s < _SLOW_S
                if not is_routine:
                    request_span.keep()
        self._record(scope, response.status, took_s, is_routine=is_routine)

    async def _respond(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, response: _Response) -> None:
        """Let the app answer, or answer in its place if the request is refused or takes too long."""
        max_body_bytes = MAX_BODY_BYTES if EVENTS_PATH.match(scope["path"]) else MAX_SMALL_BODY_BYTES
        if scope["path"] == _WEBHOOK_PATH:
            max_body_bytes = MAX_WEBHOOK_BODY_BYTES
        rejection = self._rejection(scope, headers, max_body_bytes)
        if rejection is not None:
            await error_response(rejection)(scope, receive, response.send)
            return
        body = _Body(
            receive, max_body_bytes, is_awaited=b"content-length" in headers or b"transfer-encoding" in headers
        )
        # `pending` ends it: a time of its own would be a timer for each request.
        deadline = asyncio.timeout(None)
        pending = _Pending(scope, body, response, deadline, self._pending)
        try:
            async with deadline:
                await self._app(scope, body.receive, response.send)
        except TimeoutError:
            if response.is_started:
                return
            if not deadline.expired():
                raise
            async with asyncio.timeout(_TIMEOUT_REPLY_S):
                response.on_start = None
                error = RequestTimeout(self._timeout_s) if body.is_awaited else DeadlineExceeded(self._timeout_s)
                await _closing(error_response(error), body)(scope, receive, response.send)
        finally:
            await pending.end()

    def _record(self, scope: Scope, status: int, took_s: float, *, is_routine: bool) -> None:
        """Count and log the request."""
        path = getattr(scope.get("route"), "path", "unmatched")
        if self._observe is not None:
            self._observe(scope["method"], path, status, took_s)
        if is_routine and not log.is_enabled_for(logging.DEBUG):
            return
        write = log.warning if status >= 500 or took_s > _SLOW_S else log.debug if is_routine else log.info
        ids = _logged_ids(scope)
        write(
            "http_request", method=scope["method"], path=path, status=status, latency_ms=round(took_s * 1e3, 1), **ids
        )

    def _rejection(self, scope: Scope, headers: dict[bytes, bytes], max_body_bytes: int) -> TrailmindError | None:
        """The error of a request that must not reach the app, or None."""
        client: Any = scope.get("client")
        if self._loopback_only and not is_loopback(client[0] if client else None):
            return Forbidden("this Trailmind answers only programs on its own machine (TRAILMIND_EXPOSURE=loopback)")
        host = headers.get(b"host", b"").decode("latin-1")
        if not _is_safe_host(host, self._hosts):
            return UnknownHost("this server does not answer for that host name (TRAILMIND_ALLOWED_HOSTS)")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return PayloadTooLarge("the address is too long")
        fields = scope["headers"]
        if len(fields) > MAX_HEADERS or sum(len(name) + len(value) for name, value in fields) > MAX_HEADER_BYTES:
            return HeadersTooLarge(f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES // 1024} KB together, please")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > max_body_bytes:
            return payload_too_large(max_body_bytes)
        if headers.get(b"content-encoding", b"identity").lower() not in {b"identity", b""}:
            return UnsupportedMediaType("bodies are read as they are; send this one without Content-Encoding")
        return None


def _closing(answer: Response, body: _Body) -> Response:
    """`answer`, after which the connection ends if the client has not sent all of `body`."""
    if body.is_awaited:
        # The rest of the body would be read as the next request.
        answer.headers["connection"] = "close"
    return answer


def _database_silence(body: _Body) -> Response:
    return _closing(error_response(Unavailable("the database does not answer; try again in a moment", 2.0)), body)


def _logged_ids(scope: Scope) -> dict[str, str]:
    """The id of the browsing session in the path. Anything else in its place is the client's text, which no log has."""
    try:
        return {"session_id": str(uuid.UUID((scope.get("path_params") or {})["session_id"]))}
    except (KeyError, ValueError):
        return {}


class _Response:
    """The response of one request: `send` adds our headers to it and remembers its status."""

    def __init__(self, send: Send, request_id: str, scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._request_id, self._scope, self._headers = send, request_id, scope, headers
        self.status, self.is_started = 500, False
        self.on_start: Callable[[], None] | None = None
        self._is_answered_instead = False

    async def answer_instead(self, answer: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Send `answer`; what the app sends from now on is dropped. Only before a response has begun."""
        self._is_answered_instead = True
        self.on_start = None
        await answer(scope, receive, self._send_message)

    async def send(self, message: Message) -> None:
        """ASGI `send` of the app."""
        if not self._is_answered_instead:
            await self._send_message(message)

    async def _send_message(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.is_started = message["status"], True
            if self.on_start is not None:
                self.on_start()
            if (rate_limit := self._scope["state"].get("rate_limit")) is not None:
                headers = MutableHeaders(scope=message)
                for name, value in rate_limit.headers().items():
                    headers[name] = value
            sent = [header for header in message.get("headers", ()) if header[0] != b"x-request-id"]
            names = {name for name, _ in sent}
            message["headers"] = [
                *sent,
                (b"x-request-id", self._request_id.encode("latin-1")),
                *(header for header in self._headers if header[0] not in names),
            ]
        await self._send(message)


class _Pending:
    """A request that the app is answering. `all_pending` watches it until its response begins."""

    def __init__(
        self, scope: Scope, body: _Body, response: _Response, deadline: asyncio.Timeout, all_pending: PendingRequests
    ) -> None:
        self._scope, self._body, self._response, self._all_pending = scope, body, response, all_pending
        self._deadline = deadline
        self._answering: asyncio.Task[None] | None = None
        self._has_ended = False
        response.on_start = self._on_start
        all_pending.add(self)

    def _on_start(self) -> None:
        # A response that has begun is not interrupted: streams stay open.
        self._all_pending.remove(self)
        if self._deadline.when() is not None and not self._deadline.expired():
            self._deadline.reschedule(None)

    def expire(self) -> None:
        """End the work of the app."""
        self._deadline.reschedule(asyncio.get_running_loop().time())

    def end_without_database(self) -> None:
        """Begin to answer that the database does not answer."""
        self._answering = asyncio.create_task(self._answer_instead())

    async def _answer_instead(self) -> None:
        if self._response.is_started or self._has_ended:
            return
        # The answer does not wait for the end of the app's work: psycopg takes ten seconds or more to cancel a
        # statement at a database that answers nothing.
        await self._response.answer_instead(_database_silence(self._body), self._scope, self._body.receive)
        if not (self._has_ended or self._deadline.expired()):
            self.expire()

    async def end(self) -> None:
        """The app has answered or failed: wait for the answer in its place, if there is one."""
        self._has_ended = True
        # Else this object and the response would keep each other until Python looks for cycles, and that stops all.
        self._response.on_start = None
        self._all_pending.remove(self)
        if self._answering is not None:
            await self._answering


def _bind_request_id(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The client's `X-Request-ID` if it is well-formed, else a new one; also in `request.state` and every log line."""
    sent = headers.get(b"x-request-id", b"").decode("latin-1")
    # Not uuid4: it asks the kernel for random bytes, and gives up the interpreter lock meanwhile. The id is no secret.
    request_id = sent if _REQUEST_ID.match(sent) else str(uuid.UUID(int=random.getrandbits(128), version=4))
    scope.setdefault("state", {})["request_id"] = request_id
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def payload_too_large(max_bytes: int) -> PayloadTooLarge:
    """The error for a body of more than `max_bytes`."""
    return PayloadTooLarge(f"the request body is larger than {max_bytes // 1024} KB; send it in smaller parts")


class _Body:
    """The body of one request, of at most `max_bytes`: it may come without a Content-Length.

    Starlette's RequestBodyLimitMiddleware answers in plain text, and its limit does not depend on the path.
    """

    def __init__(self, receive: Receive, max_bytes: int, *, is_awaited: bool) -> None:
        self._receive, self._max_bytes, self._received_bytes = receive, max_bytes, 0
        #: Whether the client has not sent all of it yet.
        self.is_awaited = is_awaited

    async def receive(self) -> Message:
        """ASGI `receive`. Raises PayloadTooLarge past the limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.is_awaited = self.is_awaited and message.get("more_body", False)
            self._received_bytes += len(message.get("body", b""))
            if self._received_bytes > self._max_bytes:
                raise payload_too_large(self._max_bytes)
        return message
