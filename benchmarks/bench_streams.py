"""`make bench-streams`: what 1,000 open event streams cost, and what recording notices of them.

Batches of events arrive at a steady rate (`--rate`), measured alternately without and with open streams (server-sent
events of sessions that record). `p99_ratio` compares the 99th percentiles of the acknowledgements with and without, the
median of the rounds; `cpu_s_per_minute` is what all processes of the product spend on open streams in which nothing
happens. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

from benchmarks.bench_ingest import measure, sign_up_all
from benchmarks.machine import add_busy_option, cpu_seconds_by_name, process_costs, require_quiet_machine
from tests.support.product import Product

#: A user may have 50 open streams.
STREAMS_PER_USER = 40
NUM_RECORDING = 16
_ATTEMPTS = 20


class Streams:
    """Open streams whose bytes are read and dropped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.num_bytes = self.num_retries = 0

    async def open(self, users: list[tuple[str, str]], count: int) -> None:
        """Open `count` streams and wait for the first event of each. Raises RuntimeError for a refused one."""
        waiting = asyncio.Semaphore(20)

        async def one(token: str, session: str) -> None:
            async with waiting:
                for _ in range(_ATTEMPTS):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.write(
                        f"GET /v1/sessions/{session}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        f"Authorization: Bearer {token}\r\n\r\n".encode()
                    )
                    status = await reader.readline()
                    if b" 503 " not in status:
                        break
                    # A busy server asks its clients to come again.
                    writer.close()
                    self.num_retries += 1
                    await asyncio.sleep(1.0)
                if b" 200 " not in status:
                    raise RuntimeError(f"a stream was refused: {status!r}")
                await reader.readuntil(b"event:")
            self._writers.append(writer)
            self._tasks.append(asyncio.create_task(self._read(reader)))

        await asyncio.gather(*(one(*users[i % len(users)]) for i in range(count)))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self.num_bytes += len(data)

    @property
    def num_open(self) -> int:
        """Streams that the server has not ended."""
        return sum(not task.done() for task in self._tasks)

    async def close(self) -> None:
        """Close all."""
        for task, writer in zip(self._tasks, self._writers, strict=True):
            task.cancel()
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def bench(running: Product, num_streams: int, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """The whole run."""
    viewers = await sign_up_all(running.origin, max(8, -(-num_streams // STREAMS_PER_USER)))
    recording = await sign_up_all(running.origin, NUM_RECORDING)

    async def p99() -> float:
        load = await measure(running.port, recording, 10, int(rate * seconds), requests_per_s=rate)
        if load.failures:
            raise SystemExit(f"batches were refused: {load.failures}")
        return load.percentile(0.99)

    async def idle_cpu() -> float:
        before, began = process_costs(running.processes(), with_memory=False), time.perf_counter()
        await asyncio.sleep(seconds)
        spent = cpu_seconds_by_name(before, process_costs(running.processes(), with_memory=False))
        return sum(spent.values()) * 60 / (time.perf_counter() - began)

    await p99()
    without, beside, cpu_without, cpu_with, num_retries = [], [], [], [], 0
    for _ in range(rounds):
        without.append(await p99())
        cpu_without.append(await idle_cpu())
        streams = Streams(running.port)
        try:
            await streams.open(viewers, num_streams)
            num_retries += streams.num_retries
            beside.append(await p99())
            cpu_with.append(await idle_cpu())
            if streams.num_open < num_streams:
                raise SystemExit(f"{num_streams - streams.num_open} streams ended")
        finally:
            await streams.close()
    return {
        "streams": num_streams,
        "retries_after_503": num_retries,
        "requests_per_s": rate,
        "p99_ms_without": without,
        "p99_ms_beside": beside,
        "p99_ratio": round(statistics.median(beside) / statistics.median(without), 3),
        "cpu_s_per_minute": round(statistics.median(cpu_with) - statistics.median(cpu_without), 2),
    }


def main() -> None:
    """Start a Trailmind of our own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=300.0, help="batches of 10 events a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    add_busy_option(parser)
    arguments = parser.parse_args()
    require_quiet_machine(arguments)
    # All clients of this run have one address.
    with Product(TRAILMIND_CONNECTIONS_PER_ADDRESS=str(arguments.streams + 500)) as running:
        numbers = bench(running, arguments.streams, arguments.rate, arguments.seconds, arguments.rounds)
        print(json.dumps(asyncio.run(numbers)), flush=True)


if __name__ == "__main__":
    main()
