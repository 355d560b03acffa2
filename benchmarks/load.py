"""A load generator that costs little: raw HTTP/1.1 over keep-alive connections, requests made beforehand.

It shares the machine with what it measures, so every microsecond it spends is one the server does not have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What a run found: seconds it took, milliseconds of each answer, and answers that were not 200."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failures: dict[int, int] = field(default_factory=dict)

    def percentile(self, q: float) -> float:
        """The latency that `q` (0 to 1) of the answers kept."""
        ordered = sorted(self.latencies_ms)
        return round(ordered[min(int(len(ordered) * q), len(ordered) - 1)], 2) if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request as soon as an answer is complete."""

    def __init__(self, requests: list[bytes], load: Load, done: asyncio.Future[None]) -> None:
        self._requests, self._load, self._done = requests, load, done
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
        self._sent_at = time.perf_counter()
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


async def drive(host: str, port: int, per_connection: Sequence[list[bytes]]) -> Load:
    """Send each connection's requests in turn, all connections at once."""
    loop, load = asyncio.get_running_loop(), Load()
    dones = [loop.create_future() for _ in per_connection]
    began = time.perf_counter()
    for requests, done in zip(per_connection, dones, strict=True):
        await loop.create_connection(lambda r=requests, d=done: _Connection(r, load, d), host, port)  # type: ignore[misc]
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
