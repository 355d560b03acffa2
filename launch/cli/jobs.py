"""`trailmind jobs`: durable jobs from the command line."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from launch.cli.options import AsJson, DataDir, settings_with_database
from models.errors import ConfigurationError

_JOBS_USAGE = "usage: trailmind jobs [list | retry ID | discard ID]"
_STATES = ("pending", "running", "retrying", "dead")
#: Earlier names of the option `--status`.
_EARLIER_STATES = {"todo": "pending", "doing": "running", "failed": "dead"}
_HEAD = ("ID", "STATE", "TASK", "ATTEMPTS", "ENQUEUED", "SCHEDULED", "SESSION OR REASON")
_NUMBERS = ("ID", "ATTEMPTS")
#: The columns up to the attempts, which stand in the first line on a narrow terminal.
_NUM_FIRST = 4
_INDENT = "    "


def jobs_command(
    action: Annotated[str, typer.Argument(help="list, retry or discard")] = "list",
    job_id: Annotated[int | None, typer.Argument(help="Id of the job to retry or discard.")] = None,
    status: Annotated[str | None, typer.Option(help=f"List only jobs in this state: {', '.join(_STATES)}.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the durable jobs, retry a dead one, or discard a dead one."""
    if action not in ("list", "retry", "discard"):
        raise ConfigurationError(f"there is no action “{action}”; {_JOBS_USAGE}")
    if (action == "list") != (job_id is None):
        what = "takes no job id" if action == "list" else "needs the id of a job"
        raise ConfigurationError(f"`jobs {action}` {what}; {_JOBS_USAGE}")
    state = _EARLIER_STATES.get(status, status) if status else None
    if state not in (None, *_STATES):
        raise ConfigurationError(f"there is no state “{status}”: write one of {', '.join(_STATES)}")
    from cluster.jobs.admin import discard_job, list_jobs, retry_job

    dsn = settings_with_database(data_dir).database.postgres_dsn
    if job_id is None:
        _print_jobs(asyncio.run(list_jobs(dsn, state=state)), as_json=as_json)
    elif action == "retry":
        typer.echo(asyncio.run(retry_job(dsn, job_id)))
    else:
        typer.echo(asyncio.run(discard_job(dsn, job_id)))


def _print_jobs(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    if not rows:
        typer.echo("No jobs.")
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in _table([_HEAD, *map(_cells, rows)], width):
        typer.echo(line)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    times = (_local_time(row["ordered_at"]), _local_time(row["scheduled_at"]))
    # A reason is what an exception says, which can be many lines.
    about = " ".join(f"{row['session_id'] or ''} {row['reason'] or ''}".split())
    return (str(row["id"]), row["state"], row["task"], str(row["attempts"]), *times, about)


def _table(rows: list[tuple[str, ...]], width: int | None) -> Iterator[str]:
    """The rows, head first, in columns as wide as their contents, each row in one line.

    Where a line is longer than `width`, times and reasons stand below the other columns.
    """
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [
        [
            f"{cell:>{size}}" if name in _NUMBERS else f"{cell:<{size}}"
            for name, cell, size in zip(_HEAD, row, sizes, strict=True)
        ]
        for row in rows
    ]
    lines = ["  ".join(cells).rstrip() for cells in padded]
    if width is None or all(len(line) <= width for line in lines):
        yield from lines
        return
    for cells in padded:
        yield "  ".join(cells[:_NUM_FIRST]).rstrip()
        below = "  ".join(cells[_NUM_FIRST:]).rstrip()
        yield from textwrap.wrap(below, width, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _local_time(at: datetime | None) -> str:
    """An instant in the time zone of this machine, without seconds; a dash for none."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at is not None else "-"
