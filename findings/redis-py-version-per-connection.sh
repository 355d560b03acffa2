#!/usr/bin/env bash
# redis-py: each new connection reads the package's own version from its installed metadata again.
#
# Versions:    redis 8.1.0 (CPython 3.11, Linux).
# Expectation: what the client sends as CLIENT SETINFO LIB-VER is found out once, or with the pool.
# Behaviour:   a connection that is not given `driver_info` calls `importlib.metadata.version("redis")`, which searches the
#              directories of `sys.path` and parses the METADATA file, for every connection object. It is not cached.
# Consequence: where connections are opened in bursts (asyncio: one for each coroutine that waits), most of the time to make a
#              connection is this: the work stays on the event loop. One `DriverInfo()` given to the pool avoids it.
# Output seen:
#   100 connections of a pool: the version was read 100 times
#   100 connections of a pool with driver_info: the version was read 1 time
#   CPU time to make a connection: more than 5 times as much without driver_info
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0
cat > "$work/show.py" <<'PY'
import time
from importlib import metadata

from redis.asyncio import ConnectionPool
from redis.driver_info import DriverInfo

read_version, num_reads = metadata.version, 0


def counted(name: str) -> str:
    global num_reads
    num_reads += 1
    return read_version(name)


metadata.version = counted


def make(pool: ConnectionPool) -> float:
    """CPU seconds of 100 connection objects; none of them connects."""
    began = time.process_time()
    for _ in range(100):
        pool.make_connection()
    return time.process_time() - began


plain_s = make(ConnectionPool.from_url("redis://127.0.0.1"))
print(f"100 connections of a pool: the version was read {num_reads} times")
assert num_reads == 100
num_reads = 0
shared_s = make(ConnectionPool.from_url("redis://127.0.0.1", driver_info=DriverInfo()))
print(f"100 connections of a pool with driver_info: the version was read {num_reads} time")
assert num_reads == 1
assert plain_s > 5 * shared_s, (plain_s, shared_s)
print("CPU time to make a connection: more than 5 times as much without driver_info")
PY
"$work/venv/bin/python" "$work/show.py"
