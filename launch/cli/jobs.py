"""`trailmind jobs` and `trailmind regenerate`: durable jobs from the command line."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import Progress

from launch.cli.options import AsJson, DataDir, err, settings_with_database
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


def _day(text: str) -> datetime:
    """A day or an instant as a command receives it; without a time zone it is in UTC."""
    try:
        day = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"“{text}” is not a day; write it as 2026-11-28") from None
    return day if day.tzinfo is not None else day.replace(tzinfo=UTC)


def regenerate_command(
    run_id: Annotated[
        str | None, typer.Option(help="Name of the run. An interrupted run continues under the same name.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Only sessions of this user.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=_day, metavar="DAY", help="Only sessions started on this day (UTC) or later."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=_day, metavar="DAY", help="Only sessions started before this day (UTC).")
    ] = None,
    session: Annotated[list[uuid.UUID] | None, typer.Option(help="Only this session. Can be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Generate a version even if the input is unchanged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how many sessions are selected.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the workers have finished.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Regenerate the maps of many sessions, at lower priority than interactive requests."""
    if since is not None and until is not None and until <= since:
        raise ConfigurationError("--until must be later than --since")
    from cluster.jobs.regenerate import check_selection, count_sessions, enqueue_all, wait_until_done
    from models.mindmap.regeneration import Selection

    dsn = settings_with_database(data_dir).database.postgres_dsn
    selection = Selection(email, since, until, tuple(session or ()))
    asyncio.run(check_selection(dsn, selection))
    num_selected = asyncio.run(count_sessions(dsn, selection))
    if dry_run:
        typer.echo(f"{num_selected} sessions")
        return
    name = run_id or f"run-{uuid.uuid4().hex[:8]}"
    num_dead = 0
    with Progress(console=err, transient=True) as bar:
        row = bar.add_task("Enqueueing", total=num_selected)
        num_enqueued = asyncio.run(
            enqueue_all(dsn, name, selection, force=force, on_progress=lambda n: bar.update(row, completed=n))
        )
        if wait:
            bar.update(row, description="Generating maps")
            num_dead = asyncio.run(
                wait_until_done(dsn, on_progress=lambda left: bar.update(row, completed=max(num_selected - left, 0)))
            )
    typer.echo(
        f"{name}: {num_enqueued} maps enqueued" + (f", {num_dead} dead (see `trailmind jobs`)" if num_dead else "")
    )
    if num_dead:
        raise typer.Exit(1)
