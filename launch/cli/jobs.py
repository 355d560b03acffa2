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


def jobs_command(
    action: Annotated[str, typer.Argument(help="list, retry or discard")] = "list",
    job_id: Annotated[int | None, typer.Argument(help="Id of the job to retry or discard.")] = None,
    status: Annotated[str | None, typer.Option(help="List only jobs in this state: todo, doing or failed.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the durable jobs, retry a dead one, or discard a dead one."""
    from cluster.jobs.admin import discard_job, list_jobs, retry_job

    dsn = settings_with_database(data_dir).database.postgres_dsn
    if action == "list":
        _print_jobs(asyncio.run(list_jobs(dsn, status=status)), as_json=as_json)
    elif action == "retry" and job_id is not None:
        typer.echo(asyncio.run(retry_job(dsn, job_id)))
    elif action == "discard" and job_id is not None:
        typer.echo(asyncio.run(discard_job(dsn, job_id)))
    else:
        raise ConfigurationError("usage: trailmind jobs [list | retry ID | discard ID]")


def _print_jobs(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    if not rows:
        typer.echo("No jobs.")
    for row in rows:
        columns = f"{row['id']:>7}  {row['state']:<10} {row['task']:<34} attempts {row['attempts']}"
        typer.echo(f"{columns}  {row['session_id'] or ''}  {row['reason'] or ''}".rstrip())


def regenerate_command(
    run_id: Annotated[
        str | None, typer.Option(help="Name of the run. An interrupted run continues under the same name.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Only sessions of this user.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only sessions started on this day (UTC) or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only sessions started before this day (UTC).")] = None,
    session: Annotated[list[uuid.UUID] | None, typer.Option(help="Only this session. Can be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Generate a version even if the input is unchanged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how many sessions are selected.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the workers have finished.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Regenerate the maps of many sessions, at lower priority than interactive requests."""
    from cluster.jobs.regenerate import count_sessions, enqueue_all, wait_until_done
    from models.mindmap.regeneration import Selection

    dsn = settings_with_database(data_dir).database.postgres_dsn
    selection = Selection(email, _utc(since), _utc(until), tuple(session or ()))
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


def _utc(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day is not None and day.tzinfo is None else day
