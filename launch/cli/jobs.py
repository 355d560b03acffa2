"""`trailmind jobs`: durable jobs from the command line."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any

import typer

from launch.cli.options import AsJson, DataDir, settings_with_database
from models.errors import ConfigurationError

_JOBS_USAGE = "usage: trailmind jobs [list | retry ID | discard ID]"
_STATUSES = ("todo", "doing", "failed")
_TIMES_HEAD = f"{'ENQUEUED':<16}  {'SCHEDULED':<16}"


def jobs_command(
    action: Annotated[str, typer.Argument(help="list, retry or discard")] = "list",
    job_id: Annotated[int | None, typer.Argument(help="Id of the job to retry or discard.")] = None,
    status: Annotated[str | None, typer.Option(help="List only jobs in this state: todo, doing or failed.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the durable jobs, retry a dead one, or discard a dead one."""
    if action not in ("list", "retry", "discard"):
        raise ConfigurationError(f"there is no action “{action}”; {_JOBS_USAGE}")
    if (action == "list") != (job_id is None):
        what = "takes no job id" if action == "list" else "needs the id of a job"
        raise ConfigurationError(f"`jobs {action}` {what}; {_JOBS_USAGE}")
    if status not in (None, *_STATUSES):
        raise ConfigurationError(f"there is no state “{status}”: write one of {', '.join(_STATUSES)}")
    from cluster.jobs.admin import discard_job, list_jobs, retry_job

    dsn = settings_with_database(data_dir).database.postgres_dsn
    if job_id is None:
        _print_jobs(asyncio.run(list_jobs(dsn, status=status)), as_json=as_json)
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
    typer.echo(f"{'ID':>7}  {'STATE':<10} {'TASK':<34} {'ATTEMPTS':>8}  {_TIMES_HEAD}  SESSION OR REASON")
    for row in rows:
        columns = f"{row['id']:>7}  {row['state']:<10} {row['task']:<34} {row['attempts']:>8}"
        times = f"{_local_time(row['ordered_at'])}  {_local_time(row['scheduled_at'])}"
        typer.echo(f"{columns}  {times}  {row['session_id'] or ''}  {row['reason'] or ''}".rstrip())


def _local_time(at: datetime | None) -> str:
    """An instant in the time zone of this machine, without seconds; a dash for none."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at is not None else f"{'-':<16}"
