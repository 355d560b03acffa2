"""The command `trailmind`."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress

from cluster.settings import Settings, load_settings
from launch.cli.local_cluster import cluster_app
from launch.cli.maps import eval_command, map_command
from launch.readiness import wait_until_ready
from launch.signals import wait_for_signal
from models.errors import ConfigurationError, TrailmindError

# No pretty tracebacks: they print local variables, and some of those are secrets.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn browsing sessions into mind maps.",
)
app.command("map")(map_command)
app.command("eval")(eval_command)
app.add_typer(cluster_app, name="cluster")
err = Console(stderr=True)

DataDir = Annotated[Path | None, typer.Option(help="Where data is kept (TRAILMIND_DATA_DIR).")]
Port = Annotated[int | None, typer.Option(help="Where the server listens (TRAILMIND_PORT).")]


def _settings(data_dir: Path | None = None, port: int | None = None) -> Settings:
    given = {"data_dir": data_dir.expanduser().absolute() if data_dir else None, "port": port}
    return load_settings(**{k: v for k, v in given.items() if v is not None})


#: One that starts, or is busy, is waited for; one that listens at another port never answers here.
_READY_TIMEOUT_S = 30.0


def _is_ready(settings: Settings) -> bool:
    try:
        wait_until_ready(settings.server.origin, _READY_TIMEOUT_S)
    except ConfigurationError:
        return False
    return True


@contextmanager
def _running_server(settings: Settings) -> Iterator[bool]:
    """A running server: the one there is (yields False), or one of our own until the end (yields True)."""
    from launch.stores import running_urls

    if running_urls(settings.data_dir) is not None and _is_ready(settings):
        err.print(f"Using the Trailmind that runs at {settings.server.origin}", style="dim")
        yield False
        return
    from launch.local_server import LocalServer

    running = LocalServer(settings)
    with err.status("Starting …") as status:
        running.start(status.update)
    try:
        yield True
    finally:
        with err.status("Stopping …"):
            running.stop()


@app.command()
def up(data_dir: DataDir = None, port: Port = None) -> None:
    """Start everything and serve until Ctrl-C."""
    settings = _settings(data_dir, port)
    with _running_server(settings) as is_ours:
        if not is_ours:
            raise ConfigurationError(f"Trailmind runs at {settings.server.origin} already")
        origin = settings.server.origin
        err.print(f"[bold green]Ready[/] at {origin}   API docs at {origin}/docs   Ctrl-C stops")
        wait_for_signal()


@app.command()
def demo(
    session: Annotated[Path | None, typer.Option(help="A session file to play instead of the bundled one.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after printing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and exit.")] = False,
    data_dir: DataDir = None,
    port: Port = None,
) -> None:
    """Play a recorded session through the whole system and show its map."""
    from launch.cli import demo as player
    from launch.replay import read_session_file

    settings = _settings(data_dir, port)
    path = session or player.sample_path()
    read_session_file(path)  # a bad file is said before anything is started
    with _running_server(settings) as is_ours:
        result = player.run_demo(settings.server.origin, path, err)
        picture = settings.data_dir / "demo" / f"{result['session_id']}.svg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(httpx2.get(result["picture_url"], timeout=30.0, trust_env=False).raise_for_status().content)
        if as_json:
            sys.stdout.write(player.result_json({**result, "picture_file": str(picture)}) + "\n")
            return
        out = Console()
        player.print_result(result, out)
        if once or not is_ours:
            out.print(f"[bold]Picture[/]  {picture}", soft_wrap=True)
            return
        out.print(f"[bold]Picture[/]  {result['picture_url']}\n         {picture}", soft_wrap=True)
        out.print(f"\n[bold green]Serving[/] at {settings.server.origin} until Ctrl-C")
        wait_for_signal()


@app.command()
def doctor(data_dir: DataDir = None, port: Port = None) -> None:
    """Say what is configured, what answers, and what is missing."""
    from launch.cli.doctor import run_checks

    findings = run_checks(_settings(data_dir, port))
    marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "bad": "[red]✗[/]"}
    for finding in findings:
        Console().print(f"{marks[finding.state]} {finding.subject:<15}{finding.message}", soft_wrap=True)
    if any(f.state == "bad" for f in findings):
        raise typer.Exit(1)


def _settings_with_database(data_dir: Path | None) -> Settings:
    from launch.local_server import with_running_stores

    settings = with_running_stores(_settings(data_dir))
    if settings.database.url is None:
        raise ConfigurationError("there is no database: set DATABASE_URL, or start one with `trailmind up`")
    return settings


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the schema this version needs. Safe to run at any time, from many places."""
    from models.migrations.run import migrate as run

    typer.echo(run(_settings_with_database(data_dir).database.sqlalchemy_url))


@app.command()
def jobs(
    action: Annotated[str, typer.Argument(help="list, retry or discard")] = "list",
    job_id: Annotated[int | None, typer.Argument(help="Id of the job to retry or discard.")] = None,
    status: Annotated[str | None, typer.Option(help="List only jobs in this state: todo, doing or failed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List the durable jobs, retry a dead one, or discard a dead one."""
    import asyncio

    from cluster.jobs.admin import discard_job, list_jobs, retry_job

    dsn = _settings_with_database(data_dir).database.postgres_dsn
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


@app.command()
def openapi(output: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("docs/openapi.json")) -> None:
    """Write the API's contract. Needs no database and no cluster."""
    from serve.openapi.export import write_openapi

    write_openapi(output)


@app.command()
def regenerate(
    run_id: Annotated[
        str | None,
        typer.Option(help="Name of the run. An interrupted run continues under the same name."),
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
    import asyncio

    from cluster.jobs.regenerate import count_sessions, enqueue_all, wait_until_done
    from models.mindmap.regeneration import Selection

    dsn = _settings_with_database(data_dir).database.postgres_dsn
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


def main() -> None:
    """Entry point: our own errors are one sentence, not a traceback."""
    try:
        app()
    except TrailmindError as error:
        err.print(f"[red]trailmind:[/] {error}", soft_wrap=True, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if (sentence := _store_unreachable_message(error)) is None:
            raise
        err.print(f"[red]trailmind:[/] {sentence}", soft_wrap=True, highlight=False)
        raise SystemExit(1) from None


def _store_unreachable_message(error: Exception) -> str | None:
    """What to say when a store given by its URL does not answer; None for any other error."""
    import psycopg
    import redis
    from sqlalchemy.exc import OperationalError

    cause = error.orig if isinstance(error, OperationalError) else error
    if isinstance(cause, psycopg.OperationalError):
        return f"PostgreSQL does not answer (DATABASE_URL): {str(cause).splitlines()[0]}"
    if isinstance(cause, redis.RedisError):
        return f"Valkey does not answer (REDIS_URL): {str(cause).splitlines()[0]}"
    return None


if __name__ == "__main__":
    main()
