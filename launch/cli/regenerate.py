"""`trailmind regenerate`: remake many maps as a run that can be tried, limited, stopped, shown and rolled back."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from launch.cli.options import AsJson, DataDir, err, print_line, settings_with_database
from models.errors import BadRequest, ConfigurationError
from models.plurals import counted

if TYPE_CHECKING:
    from cluster.runs.driver import RunState
    from cluster.runs.planning import RunEstimate
    from cluster.settings import Settings
    from models.runs.parameters import RunParameters
    from models.runs.run_store import Run, RunProgress

#: The exit code of a run that a gate has stopped.
STOPPED_BY_GATE = 3
#: Without a terminal, progress is a line at this interval.
_LINE_INTERVAL_S = 30.0

#: What the columns of a budget hold. An upper bound refuses `nan` too.
_MOST_TOKENS, _MOST_DOLLARS = 2**53, 1e9

regenerate_app = typer.Typer(invoke_without_command=True, help="Remake many maps at low priority.")

RunName = Annotated[str, typer.Argument(metavar="RUN", help="The name of the run.")]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="Maps at a time. Default: one for each CPU of the cluster."),
]
TokenBudget = Annotated[
    int | None,
    typer.Option(min=1, max=_MOST_TOKENS, help="The most tokens that the run may take. It stops before it takes more."),
]
CostBudget = Annotated[
    float | None,
    typer.Option(min=0.000001, max=_MOST_DOLLARS, help="The most that the run may cost, in US dollars. A ceiling too."),
]


def _day(text: str) -> datetime:
    """A day or an instant as a command receives it; without a time zone it is in UTC."""
    try:
        day = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"“{text}” is not a day; write it as 2026-11-28") from None
    return day if day.tzinfo is not None else day.replace(tzinfo=UTC)


Since = Annotated[
    datetime | None, typer.Option(parser=_day, metavar="DAY", help="Only sessions started on this day (UTC) or later.")
]
Until = Annotated[
    datetime | None, typer.Option(parser=_day, metavar="DAY", help="Only sessions started before this day (UTC).")
]


@regenerate_app.callback()
def regenerate(
    context: typer.Context,
    run_id: Annotated[str | None, typer.Option(help="As in `start`.")] = None,
    email: Annotated[str | None, typer.Option(help="As in `start`.")] = None,
    since: Since = None,
    until: Until = None,
    session: Annotated[list[uuid.UUID] | None, typer.Option(help="As in `start`.")] = None,
    force: Annotated[bool, typer.Option("--force", help="As in `start`.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As in `start`.")] = False,
    wait: Annotated[bool, typer.Option(help="With --no-wait the run is only created; `resume` works on it.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Remake many maps. Without a command: `start --promote all`, without gates (deprecated)."""
    if context.invoked_subcommand is not None:
        return
    check_days(since, until)
    from models.runs.parameters import Gates, Selection

    selection = Selection(emails=(email,) if email else (), since=since, until=until, session_ids=tuple(session or ()))
    parameters = _parameters(
        selection=selection,
        force=force,
        gates=Gates(max_score_drop=None, max_failures=None, max_edits_lost=None),
        promotion="all",
    )
    settings = settings_with_database(data_dir)
    if dry_run:
        num_sessions, _ = _with_pool(settings, lambda tools: _checked_count(tools, parameters))
        typer.echo(counted(num_sessions, "session"))
        return
    name = run_id or _new_name()
    _with_pool(settings, lambda tools: _create(tools, name, parameters, None, None, is_estimated=False))
    print_line("`trailmind regenerate` without a command is deprecated: use `trailmind regenerate start --promote all`")
    if wait:
        _drive(settings, name, None, as_json=False)
    else:
        typer.echo(f"{name} is created: `trailmind regenerate resume {name}` works on it")


@regenerate_app.command("start")
def start_command(
    run_id: Annotated[
        str | None, typer.Option(help="The name of the run. A second start under the same name continues it.")
    ] = None,
    email: Annotated[list[str] | None, typer.Option(help="Only sessions of this user. Can be repeated.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only sessions of users on this plan.")] = None,
    since: Since = None,
    until: Until = None,
    session: Annotated[list[uuid.UUID] | None, typer.Option(help="Only this session. Can be repeated.")] = None,
    sessions: Annotated[
        Path | None, typer.Option(help="Only the sessions whose ids are in this file, one in each line.")
    ] = None,
    map_version: Annotated[
        int | None, typer.Option(help="Only maps that this version of the pipeline or an older one has made.")
    ] = None,
    made_by: Annotated[str | None, typer.Option(help="Only maps that this provider has made, such as local.")] = None,
    score: Annotated[
        str | None, typer.Option(help="Only maps with a score below a threshold, such as 'separation<0.6'.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=_MOST_TOKENS, help="At most so many sessions.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Use this provider instead of the configured ones; local for no model.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model of the provider.")] = None,
    prompt_version: Annotated[
        int | None, typer.Option(help="The version of the prompts that must be in this installation.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the algorithm. Can be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also maps whose input is unchanged.")] = False,
    token_budget: TokenBudget = None,
    cost_budget: CostBudget = None,
    concurrency: Concurrency = None,
    canary: Annotated[
        str, typer.Option(help="Remake this share first, such as 1%, and go on if it passes the gates.")
    ] = "0%",
    max_score_drop: Annotated[float, typer.Option(help="Gate: how far the mean of any score may fall.")] = 0.05,
    max_failures: Annotated[str, typer.Option(help="Gate: the share of maps that may fail.")] = "5%",
    max_cost_per_map: Annotated[
        float | None, typer.Option(min=0.0, max=_MOST_DOLLARS, help="Gate: the mean cost of a map, in US dollars.")
    ] = None,
    max_edits_lost: Annotated[
        str, typer.Option(help="Gate: the share of the users' edits that may not fit the new maps.")
    ] = "10%",
    promote: Annotated[
        str, typer.Option(help="What to show at the end: none, gate (the maps that pass the gates) or all.")
    ] = "none",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print sessions, tokens, cost and time; change nothing.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Start a run, or continue the one of this name. Its maps are not shown before they are promoted."""
    check_days(since, until)
    from models.runs.parameters import Gates, Selection, parse_score_below, parse_share

    if promote not in ("none", "gate", "all"):
        raise ConfigurationError(f"--promote: there is no “{promote}”: write none, gate or all")
    if not 0.0 <= max_score_drop <= 1.0:
        raise BadRequest(f"--max-score-drop: a score is between 0 and 1, so it cannot fall by {max_score_drop:g}")
    selection = Selection(
        emails=tuple(email or ()),
        plan=plan,
        since=since,
        until=until,
        session_ids=(*(session or ()), *(listed_sessions(sessions) if sessions else ())),
        pipeline_version=map_version,
        provider=made_by,
        score_below=parse_score_below(score) if score else None,
        limit=limit,
    )
    parameters = _parameters(
        selection=selection,
        provider=provider,
        model=model,
        prompt_version=prompt_version,
        options=_options(option or []),
        force=force,
        canary=parse_share(canary, "--canary"),
        gates=Gates(
            max_score_drop=max_score_drop,
            max_failures=parse_share(max_failures, "--max-failures"),
            max_cost_micros_per_map=_micros(max_cost_per_map),
            max_edits_lost=parse_share(max_edits_lost, "--max-edits-lost"),
        ),
        promotion=promote,
    )
    settings = settings_with_database(data_dir)
    if dry_run:
        estimate = _with_pool(settings, lambda tools: _estimate(tools, parameters))
        _print_estimate(estimate, concurrency, as_json=as_json)
        return
    name = run_id or _new_name()
    _with_pool(
        settings,
        lambda tools: _create(tools, name, parameters, token_budget, _micros(cost_budget), is_estimated=True),
    )
    _drive(settings, name, concurrency, as_json=as_json)


@regenerate_app.command("status")
def status_command(run: RunName, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Print the progress of a run."""
    from cluster.runs.driver import load_state

    async def read(tools: _Tools) -> RunState:
        async with tools.pool.connection() as connection:
            return await load_state(connection, run)

    _print_state(_with_pool(settings_with_database(data_dir), read), as_json=as_json)


@regenerate_app.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """List the runs, newest first."""
    from cluster.runs.driver import load_state
    from models.runs.run_store import list_run_ids

    async def read(tools: _Tools) -> list[RunState]:
        async with tools.pool.connection() as connection:
            return [await load_state(connection, run_id) for run_id in await list_run_ids(connection, limit)]

    states = _with_pool(settings_with_database(data_dir), read)
    if as_json:
        typer.echo(json.dumps([_state_json(state.run, state.progress) for state in states], default=str))
        return
    if not states:
        typer.echo("No runs.")
    for state in states:
        typer.echo(_state_line(state.run, state.progress))


@regenerate_app.command("pause")
def pause_command(run: RunName, data_dir: DataDir = None) -> None:
    """Let the running maps finish and begin no more. `resume` continues."""
    _move(run, "PAUSE", data_dir)


@regenerate_app.command("cancel")
def cancel_command(run: RunName, data_dir: DataDir = None) -> None:
    """End a run. What it has made can still be promoted."""
    _move(run, "CANCEL", data_dir)


@regenerate_app.command("resume")
def resume_command(
    run: RunName,
    token_budget: TokenBudget = None,
    cost_budget: CostBudget = None,
    concurrency: Concurrency = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Continue a run that was paused, stopped or interrupted, with a larger budget if one is given."""
    from cluster.runs.prices import require_prices
    from models.lifecycle.run_state import RunAction, move_run
    from models.runs.run_store import load_run, set_budget

    cost_budget_micros = _micros(cost_budget)
    settings = settings_with_database(data_dir)

    async def resume(tools: _Tools) -> None:
        async with tools.pool.connection() as connection, connection.transaction():
            await move_run(connection, run, RunAction.RESUME)
            if cost_budget_micros is not None:
                await require_prices(connection, settings, (await load_run(connection, run)).parameters)
            await set_budget(connection, run, token_budget, cost_budget_micros)

    _with_pool(settings, resume)
    _drive(settings, run, concurrency, as_json=as_json)


@regenerate_app.command("retry")
def retry_command(
    run: RunName, concurrency: Concurrency = None, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Process the failed maps of a run again."""
    from models.lifecycle.run_state import RunAction, move_run, retry_failed_items

    settings = settings_with_database(data_dir)

    async def retry(tools: _Tools) -> int:
        async with tools.pool.connection() as connection, connection.transaction():
            await move_run(connection, run, RunAction.RETRY)
            return await retry_failed_items(connection, run)

    print_line(f"{_with_pool(settings, retry)} failed maps are processed again")
    _drive(settings, run, concurrency, as_json=as_json)


@regenerate_app.command("promote")
def promote_command(
    run: RunName,
    every: Annotated[bool, typer.Option("--all", help="Also maps that do not pass the gates of the run.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the maps of a run that pass its gates. Maps that their user has changed meanwhile stay."""
    choice: Any = "all" if every else "gate"
    outcomes = _with_pool(settings_with_database(data_dir), lambda tools: tools.promoter.promote(run, choice))
    typer.echo(f"{run}: {_outcomes_line(outcomes)}")


@regenerate_app.command("rollback")
def rollback_command(run: RunName, data_dir: DataDir = None) -> None:
    """Show the maps again that were shown before a run was promoted. Maps that their user has changed since stay."""
    outcomes = _with_pool(settings_with_database(data_dir), lambda tools: tools.promoter.roll_back(run))
    typer.echo(f"{run}: {_outcomes_line(outcomes)}")


@regenerate_app.command("discard")
def discard_command(run: RunName, data_dir: DataDir = None) -> None:
    """Delete the maps of a run that were never shown. They cannot be promoted afterwards."""
    from cluster.runs.operation import discard_run

    num_deleted = _with_pool(settings_with_database(data_dir), lambda tools: discard_run(tools.pool, run))
    typer.echo(f"{run}: {counted(num_deleted, 'map')} deleted that were never shown")


@regenerate_app.command("report")
def report_command(
    run: RunName,
    out: Annotated[Path, typer.Option(help="The new directory of the report.")],
    language: Annotated[str, typer.Option(help="en or ko.")] = "en",
    pictures: Annotated[
        str, typer.Option(help="Whose maps are drawn: agreed (users who allow datasets), all, or none.")
    ] = "agreed",
    num_pictures: Annotated[int, typer.Option(min=0, max=50, help="So many maps are drawn before and after.")] = 6,
    dataset: Annotated[
        Path | None, typer.Option(help="Show the scores of this dataset too (`trailmind datasets export`).")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write what a run has changed: one HTML file that loads nothing, and Parquet."""
    if language not in ("en", "ko"):
        raise BadRequest(f"--language: there is no report in “{language}”: write en or ko")
    if pictures not in ("agreed", "all", "none"):
        raise BadRequest(f"--pictures: there is no “{pictures}”: write agreed, all or none")
    settings = settings_with_database(data_dir)
    from cluster.analysis.run_report import ReportOptions, ReportSummary, RunReporter
    from launch.joined_cluster import server_origin

    options = ReportOptions(language, pictures, num_pictures, dataset)  # type: ignore[arg-type]  # Checked above.

    async def report(tools: _Tools) -> ReportSummary:
        return await RunReporter(tools.pool, server_origin(settings)).write(run, options, out)

    summary: ReportSummary = _with_pool(settings, report)
    if as_json:
        typer.echo(json.dumps(asdict(summary), default=str))
        return
    typer.echo(
        f"{summary.directory / 'report.html'}: {counted(summary.num_maps, 'map')}, {summary.num_pictures} drawn,"
        f" {summary.html_bytes / 1e6:.1f} MB"
    )


# --- what the commands share -----------------------------------------------------------------------------------------


class _Tools:
    """The pool, the planner and the promoter of one command."""

    def __init__(self, settings: Settings, pool: Any, valkey: Any) -> None:
        from cluster.runs.promotion import Promoter

        self.settings, self.pool = settings, pool
        self.promoter = Promoter(pool, valkey)

    @property
    def planner(self) -> Any:
        """Imported on use: it imports the map pipeline."""
        from cluster.runs.planning import RunPlanner

        return RunPlanner(self.settings, self.pool)


def _with_pool(settings: Settings, use: Callable[[_Tools], Awaitable[Any]]) -> Any:
    """The result of `use`, given the tools of a command. Raises what it raises, and psycopg's errors."""
    import psycopg
    from psycopg_pool import AsyncConnectionPool
    from redis.asyncio import Redis

    async def run() -> Any:
        # A pool retries for half a minute; this connection reports at once that the database does not answer.
        await (await psycopg.AsyncConnection.connect(settings.database.postgres_dsn)).close()
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            settings.database.postgres_dsn, min_size=1, max_size=3, open=False, kwargs={"autocommit": True}
        )
        async with pool:
            valkey = Redis.from_url(settings.valkey.connection_url, socket_timeout=5.0)
            try:
                return await use(_Tools(settings, pool, valkey))
            finally:
                await valkey.aclose()

    return asyncio.run(run())


def _parameters(**values: Any) -> RunParameters:
    from cluster.maps.loader import PIPELINE_VERSION
    from cluster.providers.prompting.prompts import PROMPT_VERSION
    from models.runs.parameters import RunParameters

    if values.get("prompt_version") is None:
        values["prompt_version"] = PROMPT_VERSION
    return RunParameters(pipeline_version=PIPELINE_VERSION, **values)


async def _checked_count(tools: _Tools, parameters: RunParameters) -> tuple[int, int]:
    await tools.planner.check(parameters)
    count: tuple[int, int] = await tools.planner.count(parameters.selection)
    return count


async def _estimate(tools: _Tools, parameters: RunParameters) -> RunEstimate:
    await tools.planner.check(parameters)
    estimate: RunEstimate = await tools.planner.estimate(parameters)
    return estimate


async def _create(
    tools: _Tools,
    name: str,
    parameters: RunParameters,
    token_budget: int | None,
    cost_budget_micros: int | None,
    *,
    is_estimated: bool,
) -> None:
    """Check everything, and create the run."""
    from cluster.runs.planning import Budget, check_budget
    from models.runs.parameters import check_run_id

    check_run_id(name)
    budget = Budget(token_budget, cost_budget_micros)
    await tools.planner.check(parameters, budget)
    if is_estimated and budget != Budget():
        check_budget(budget, await tools.planner.estimate(parameters))
    is_new = await tools.planner.create(name, parameters, budget)
    if is_new and not (await tools.planner.count(parameters.selection))[0]:
        print_line("no session with a map meets these filters: there is nothing to do")


def _drive(settings: Settings, name: str, concurrency: int | None, *, as_json: bool) -> None:
    """Work on a run until it ends, and print its state."""
    import structlog

    # Standard output carries the result only.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    from launch.joined_cluster import joined_cluster
    from models.runs.run_tables import RunStatus

    # Ray prints messages of its nodes, such as about a worker that died, to standard output.
    with redirect_stdout(sys.stderr), _progress_display() as show, joined_cluster(settings):
        from cluster.runs.driver import RunDriver
        from cluster.runs.ray_workers import RayWorkers

        workers = RayWorkers(settings, concurrency)
        try:
            state = _with_pool(
                settings,
                lambda tools: RunDriver(tools.pool, workers, tools.promoter, on_progress=show).drive(name),
            )
        except KeyboardInterrupt:
            print_line(f"interrupted: `trailmind regenerate resume {name}` continues")
            raise
    _print_state(state, as_json=as_json)
    if state.run.status == RunStatus.STOPPED and not state.run.is_stopped_by_budget:
        raise typer.Exit(STOPPED_BY_GATE)


@contextmanager
def _progress_display() -> Iterator[Callable[[RunState], None]]:
    """Yields what shows the progress of a run: a bar on a terminal, else a line now and then."""
    if not err.is_terminal:
        last_at = 0.0

        def print_progress(state: RunState) -> None:
            nonlocal last_at
            if time.monotonic() - last_at >= _LINE_INTERVAL_S:
                last_at = time.monotonic()
                print_line(_state_line(state.run, state.progress))

        yield print_progress
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[cost]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        row = bar.add_task("Maps", total=None, rate="", cost="")

        def update(state: RunState) -> None:
            progress = state.progress
            bar.update(
                row,
                total=progress.total,
                completed=progress.processed,
                description=f"{state.run.id} ({state.run.status})",
                rate=f"{bar.tasks[0].speed:.1f} maps/s" if bar.tasks[0].speed else "",
                cost=f"${progress.cost_micros / 1e6:.2f}" if progress.cost_micros else "",
            )

        yield update


def _move(run: str, action: str, data_dir: Path | None) -> None:
    from cluster.runs.driver import load_state
    from models.lifecycle.run_state import RunAction, move_run

    async def move(tools: _Tools) -> RunState:
        async with tools.pool.connection() as connection, connection.transaction():
            await move_run(connection, run, RunAction[action])
            return await load_state(connection, run)

    _print_state(_with_pool(settings_with_database(data_dir), move), as_json=False)


def _new_name() -> str:
    return f"run-{uuid.uuid4().hex[:8]}"


def _micros(dollars: float | None) -> int | None:
    return round(dollars * 1e6) if dollars is not None else None


def check_days(since: datetime | None, until: datetime | None) -> None:
    """Raise ConfigurationError when no day is from `since` to `until`."""
    if since is not None and until is not None and until <= since:
        raise ConfigurationError("--until must be later than --since")


def _options(texts: list[str]) -> dict[str, float]:
    options: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            options[name.strip()] = float(value)
        except ValueError:
            raise BadRequest(f"--option: “{text}” has no number; write it as max_topics=12") from None
    return options


def listed_sessions(path: Path) -> list[uuid.UUID]:
    """The ids in a file. Raises ConfigurationError or BadRequest when it cannot be read."""
    try:
        lines = path.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--sessions: {path} cannot be read ({type(error).__name__})") from None
    found = []
    for line in lines:
        try:
            found.append(uuid.UUID(line))
        except ValueError:
            raise BadRequest(f"--sessions: {path} has “{line[:80]}”, which is not the id of a session") from None
    if not found:
        # An empty list would select every session.
        raise BadRequest(f"--sessions: {path} has no session")
    return found


def _print_estimate(estimate: RunEstimate, concurrency: int | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(estimate)))
        return
    minutes = estimate.seconds / 60 / (concurrency or 1)
    typer.echo(
        f"{counted(estimate.num_sessions, 'session')} of {counted(estimate.num_users, 'user')},"
        f" about {counted(estimate.num_pages, 'page')}\n"
        f"at most {counted(estimate.tokens, 'token')} in {counted(estimate.num_calls, 'call')},"
        f" at most ${estimate.cost_micros / 1e6:.2f}\n"
        f"about {minutes:.1f} minutes with {concurrency or 1} at a time, and the time of the models"
    )
    if estimate.unpriced_models:
        typer.echo(f"the cost is without {', '.join(estimate.unpriced_models)}: the price is not known")
    if estimate.num_sampled < estimate.num_sessions:
        typer.echo(f"projected from {estimate.num_sampled} of the sessions")


def _state_json(run: Run, progress: RunProgress) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "status": run.status,
        "reason": run.reason,
        "token_budget": run.token_budget,
        "cost_budget_micros": run.cost_budget_micros,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "progress": progress.model_dump(),
    }


def _state_line(run: Run, progress: RunProgress) -> str:
    counts = {name: count for name, count in progress.model_dump().items() if name in _COUNTED and count}
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items()]
    spent = f"; {counted(progress.tokens, 'token')}, ${progress.cost_micros / 1e6:.4f}" if progress.tokens else ""
    reason = f" ({run.reason})" if run.reason else ""
    return f"{run.id}: {run.status}{reason}: {counted(progress.total, 'map')}: {', '.join(parts) or 'none'}{spent}"


_COUNTED = ("waiting", "running", "done", "unchanged", "superseded", "failed", "promoted", "rolled_back", "edits_lost")


def _print_state(state: RunState, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_state_json(state.run, state.progress), default=str))
    else:
        typer.echo(_state_line(state.run, state.progress))


def _outcomes_line(outcomes: Counter[Any]) -> str:
    names = {
        "promoted": "shown",
        "rolled_back": "rolled back",
        "left": "left alone (their user has changed them)",
        "held_back": "held back by the gates",
    }
    return ", ".join(f"{count} {names[outcome]}" for outcome, count in outcomes.items()) or "nothing to do"
