"""The command `trailmind`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.settings import Settings
from launch.cli.backup import backup_command, backup_key_command, restore_command
from launch.cli.datasets import datasets_app
from launch.cli.jobs import jobs_command
from launch.cli.local_cluster import cluster_app
from launch.cli.mail import mail_app
from launch.cli.maps import eval_command, map_command
from launch.cli.openapi import openapi_command
from launch.cli.operators import operators_command
from launch.cli.options import DataDir, Port, command_settings, err, print_line, reported_steps, settings_with_database
from launch.cli.regenerate import regenerate_app
from launch.cli.settings import settings_command
from launch.cli.status import status_command
from launch.signals import wait_for_signal
from models.errors import TrailmindError

# No pretty tracebacks: they print local variables, which can be secrets.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn browsing sessions into mind maps.",
)
app.command("map")(map_command)
app.command("eval")(eval_command)
app.command("status")(status_command)
app.command("jobs")(jobs_command)
app.command("operators")(operators_command)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("backup-key")(backup_key_command)
app.command("openapi")(openapi_command)
app.command("settings")(settings_command)
app.add_typer(cluster_app, name="cluster")
app.add_typer(mail_app, name="mail")
app.add_typer(datasets_app, name="datasets")
app.add_typer(regenerate_app, name="regenerate")

#: How long a demonstration waits for a server that is starting or busy.
_READY_TIMEOUT_S = 180.0


@contextmanager
def _server(settings: Settings, *, may_join: bool) -> Iterator[str | None]:
    """Start a server, yield None and stop it at the end. With `may_join`, yield the origin of one that runs instead.

    Raises StoresInUse when a server runs on the data directory that may not be joined.
    """
    with reported_steps("Starting …") as report:
        # Ray and the stores are imported after the first line is printed, and not at all when another process has them.
        from launch.joined_cluster import require_free_data_dir

        origin = _running_origin(settings, report) if may_join else None
        server = None
        if origin is None:
            require_free_data_dir(settings.data_dir)
            from launch.local_server import LocalServer

            server = LocalServer(settings)
            server.start(report)
    if server is None:
        print_line(f"Using the Trailmind that runs at {origin}")
        yield origin
        return
    try:
        yield None
    finally:
        with reported_steps("Stopping …"):
            server.stop()


def _running_origin(settings: Settings, report: Callable[[str], None]) -> str | None:
    """The origin of the server that runs on the data directory, when it answers; None when none runs."""
    from launch.joined_cluster import running_origin
    from launch.readiness import wait_until_ready
    from launch.stores import data_dir_holder

    if (holder := data_dir_holder(settings.data_dir)) is None:
        return None
    origin = running_origin(settings.data_dir) or settings.server.origin
    report(f"Waiting for the Trailmind of process {holder.pid} at {origin} …")

    def problem() -> str | None:
        return None if data_dir_holder(settings.data_dir) else f"process {holder.pid}, which ran Trailmind, ended"

    wait_until_ready(origin, _READY_TIMEOUT_S, problem=problem)
    return origin


@app.command()
def up(data_dir: DataDir = None, port: Port = None) -> None:
    """Start everything and serve until Ctrl-C."""
    settings = command_settings(data_dir, port)
    with _server(settings, may_join=False):
        origin = settings.server.origin
        err.print(f"[bold green]Ready[/] at {origin}   API docs at {origin}/docs   Ctrl-C stops", soft_wrap=True)
        err.print(f"[bold]Plan[/]  {settings.default_plan_note}", soft_wrap=True, highlight=False)
        wait_for_signal()


@app.command()
def demo(
    session: Annotated[Path | None, typer.Option(help="The session file to replay; default: a bundled one.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after printing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and exit.")] = False,
    data_dir: DataDir = None,
    port: Port = None,
) -> None:
    """Replay a recorded session through the whole system and show its map."""
    import httpx2

    from launch.cli.demo import print_result, result_json, run_demo, sample_path
    from launch.replay import read_session_file

    settings = command_settings(data_dir, port)
    path = session or sample_path()
    read_session_file(path)  # report an invalid file before anything starts
    with _server(settings, may_join=True) as joined:
        result = run_demo(joined or settings.server.origin, path, err)
        image = settings.data_dir / "demo" / f"{result['session_id']}.svg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(httpx2.get(result["picture_url"], timeout=30.0, trust_env=False).raise_for_status().content)
        if as_json:
            sys.stdout.write(result_json({**result, "picture_file": str(image)}) + "\n")
            return
        out = Console()
        print_result(result, out)
        if once or joined is not None:
            out.print(f"[bold]Image[/]    {escape(str(image))}", soft_wrap=True)
            return
        out.print(f"[bold]Image[/]    {result['picture_url']}\n         {escape(str(image))}", soft_wrap=True)
        out.print(f"\n[bold green]Serving[/] at {settings.server.origin} until Ctrl-C")
        wait_for_signal()


@app.command()
def doctor(data_dir: DataDir = None, port: Port = None) -> None:
    """Check the configuration, the stores and the server, and print what is missing."""
    from launch.cli.doctor import run_checks

    results = run_checks(command_settings(data_dir, port))
    marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "bad": "[red]✗[/]"}
    for result in results:
        Console().print(f"{marks[result.state]} {result.subject:<15}{escape(result.message)}", soft_wrap=True)
    if any(result.state == "bad" for result in results):
        raise typer.Exit(1)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Migrate the database to the schema of this version. Safe to repeat, also from several processes at once."""
    from models.migrations.run import migrate as migrate_database

    typer.echo(migrate_database(settings_with_database(data_dir).database.sqlalchemy_url))


def main() -> None:
    """Run the command; our own errors are printed as one sentence without a traceback."""
    try:
        app()
    except TrailmindError as error:
        _print_error(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if (message := _store_unreachable_message(error)) is None:
            raise
        _print_error(message)
        raise SystemExit(1) from None


def _print_error(message: str) -> None:
    # Escaped: rich would remove the brackets of "usage: … [list | retry ID]" as markup.
    err.print(f"[red]trailmind:[/] {escape(message)}", soft_wrap=True, highlight=False)


def _store_unreachable_message(error: Exception) -> str | None:
    """The message for a configured store that is unavailable; None for any other error."""
    import psycopg
    import redis
    from sqlalchemy.exc import OperationalError

    from launch.refused_certificates import certificate_problem

    cause = error.orig if isinstance(error, OperationalError) else error
    problem = certificate_problem(error) or (str(cause).splitlines() or [""])[0]
    if isinstance(cause, psycopg.OperationalError):
        return f"PostgreSQL does not answer (DATABASE_URL): {problem}"
    if isinstance(cause, redis.RedisError):
        return f"Valkey does not answer (REDIS_URL): {problem}"
    return None


if __name__ == "__main__":
    main()
