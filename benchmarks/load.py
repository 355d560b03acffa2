"""A load generator that costs little: raw HTTP/1.1 over keep-alive connections, requests made beforehand.

It shares the machine with what it measures, so every microsecond it spends is one the server does not have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial


@dataclass
class Load:
    """What a run found: seconds it took, milliseconds of each answer, and answers that were not 200.

    `late_ms` is how much later than planned requests were sent because this process had no CPU or its timer came late.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failures: dict[int, int] = field(default_factory=dict)
    late_ms: list[float] = field(default_factory=list)

    def percentile(self, q: float) -> float:
        """The latency that `q` (0 to 1) of the answers kept."""
        return percentile(self.latencies_ms, q)


def percentile(values: Sequence[float], q: float) -> float:
    """The value that `q` (0 to 1) of `values` do not exceed; 0 for none."""
    ordered = sorted(values)
    return round(ordered[min(int(len(ordered) * q), len(ordered) - 1)], 2) if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when an answer is complete and, with `period_s`, it is due.

    The latency of a request that was due before the last answer came counts from when it was due. That of a request
    that a timer sends counts from when it was sent: the event loop's timers are a millisecond late, and a client
    elsewhere does not share the CPUs of the server.
    """

    def __init__(
        self, requests: list[bytes], load: Load, done: asyncio.Future[None], period_s: float, first_at: float
    ) -> None:
        self._requests, self._load, self._done = requests, load, done
        self._period_s, self._due_at = period_s, first_at
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if not self._requests:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        if self._period_s:
            wait_s = self._due_at - time.perf_counter()
            if wait_s > 0:
                asyncio.get_running_loop().call_later(wait_s, self._send_by_timer, self._due_at)
            else:
                self._send(self._due_at)
            self._due_at += self._period_s
        else:
            self._send(time.perf_counter())

    def _send_by_timer(self, due_at: float) -> None:
        now = time.perf_counter()
        self._load.late_ms.append((now - due_at) * 1e3)
        self._send(now)

    def _send(self, since: float) -> None:
        self._sent_at = since
        if not self._transport.is_closing():
            self._transport.write(self._requests.pop())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        status = int(self._buffer[9:12])
        self._buffer = self._buffer[head_end + 4 + length :]
        self._load.latencies_ms.append((time.perf_counter() - self._sent_at) * 1e3)
        if status != 200:
            self._load.failures[status] = self._load.failures.get(status, 0) + 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server hung up"))


async def drive(
    host: str, port: int, per_connection: Sequence[list[bytes]], *, requests_per_s: float | None = None
) -> Load:
    """Send each connection's requests in turn, all connections at once.

    Without `requests_per_s`, a connection sends the next request as soon as it has an answer.
    """
    loop, load = asyncio.get_running_loop(), Load()
    dones = [loop.create_future() for _ in per_connection]
    began = time.perf_counter()
    period_s = len(per_connection) / requests_per_s if requests_per_s else 0.0
    for i, (requests, done) in enumerate(zip(per_connection, dones, strict=True)):
        first_at = began + 0.5 + period_s * i / len(per_connection)
        connection = partial(_Connection, requests, load, done, period_s, first_at)
        await loop.create_connection(connection, host, port)
    await asyncio.gather(*dones)
    load.seconds = time.perf_counter() - began
    return load


def post(path: str, token: str, body: bytes, host: str = "127.0.0.1") -> bytes:
    """The bytes of a POST request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str, host: str = "127.0.0.1") -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
