"""`trailmind status`: one screen about a deployment, for operators and for private servers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from launch.cli.options import AsJson, DataDir, Port, command_settings
from models.errors import BadRequest

if TYPE_CHECKING:
    from models.schemas.status import PartStatus, StatusReply

#: Exit codes. 2 is that of a command line which cannot be parsed.
EXIT_CODES = {"ok": 0, "down": 1, "attention": 3}
_TIMEOUT_S = 5.0
_MARKS = {
    "ok": ("✓", typer.colors.GREEN),
    "off": ("·", typer.colors.BRIGHT_BLACK),
    "attention": ("!", typer.colors.YELLOW),
    "down": ("✗", typer.colors.RED),
}
_VERDICTS = {"ok": "everything works", "attention": "works, and needs attention", "down": "a part is down"}


def status_command(
    url: Annotated[
        str | None,
        typer.Option(help="Where the API is asked; default: the server that runs here, else TRAILMIND_PUBLIC_URL."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    port: Port = None,
) -> None:
    """Show which parts work, what waits, the last backup, disk and alerts, and what to do.

    Exit status 0: everything works. 1: a part is down, or the settings are invalid. 3: something needs attention.
    """
    from cluster.jobs.system_status import collect_status
    from launch.joined_cluster import running_origin
    from launch.local_server import with_running_stores

    if url is not None and not url.startswith(("http://", "https://")):
        raise BadRequest(f"--url: “{url}” is no address; write it as http://trailmind-serve-svc:8000")
    settings = command_settings(data_dir, port)
    published = running_origin(settings.data_dir) if port is None else None
    origin = (url or published or settings.server.origin).rstrip("/")
    status = asyncio.run(collect_status(with_running_stores(settings), api_parts(origin)))
    if as_json:
        typer.echo(status.model_dump_json(exclude_none=True))
    else:
        _print_status(status)
    raise typer.Exit(EXIT_CODES[status.state])


def api_parts(origin: str) -> list[PartStatus]:
    """The parts that only a running server can report: the API itself, and its shards."""
    import httpx2

    from cluster.jobs.status_details import detail, part_status
    from cluster.jobs.system_status import parts_of_readiness

    try:
        response = httpx2.get(f"{origin}/ready", timeout=_TIMEOUT_S, trust_env=False)
        checks: dict[str, str] = dict(response.json()["checks"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        return [
            part_status(
                "api",
                "down",
                detail("api_unreachable", origin=origin, reason=type(error).__name__),
                problem="unreachable",
                remedy="start it with `trailmind up`; on Kubernetes: `kubectl -n trailmind get rayservice,pods`",
            )
        ]
    return parts_of_readiness(checks, detail("api_ready_at", origin=origin))


def _print_status(status: StatusReply) -> None:
    from cluster.jobs.status_details import PART_TITLES

    versions = status.versions
    typer.secho(f"Trailmind {versions['trailmind']}: {_VERDICTS[status.state]}", bold=True)
    for part in status.parts:
        mark, color = _MARKS[part.state]
        typer.echo(f"{typer.style(mark, fg=color)} {PART_TITLES[part.name]:<13} {part.message}")
        if part.remedy and part.state in {"attention", "down"}:
            typer.echo(f"  {'':<13} → {part.remedy}")
    if status.queues:
        typer.echo(f"\n{'QUEUE':<13} {'WAITING':>8} {'RUNNING':>8} {'FAILED':>8}   OLDEST WAITING")
        for queue in status.queues:
            oldest = f"{queue.oldest_pending_s:.0f} s" if queue.pending else "-"
            typer.echo(f"{queue.queue:<13} {queue.pending:>8} {queue.running:>8} {queue.dead:>8}   {oldest}")
    for alert in status.alerts or ():
        age = _age(status.at, alert.since)
        typer.echo(f"\n{alert.severity.upper():<9} {alert.name} for {age}: {alert.summary}")
    typer.echo(f"\nPython {versions['python']}, Ray {versions['ray']}")


def _age(now: datetime, since: datetime) -> str:
    from cluster.jobs.status_details import format_duration

    return format_duration(max(0.0, (now - since.astimezone(UTC)).total_seconds()))
