"""`trailmind datasets`: consented, redacted sessions and maps as Parquet files."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launch.cli.options import AsJson, DataDir, err, print_line, settings_with_database
from launch.cli.regenerate import Since, Until, check_days, listed_sessions
from models.errors import BadRequest
from models.plurals import counted

if TYPE_CHECKING:
    from cluster.analysis.dataset_evaluation import DatasetEvaluation
    from cluster.analysis.dataset_export import DatasetOptions, Manifest

datasets_app = typer.Typer(no_args_is_help=True, help="Datasets of sessions whose users have agreed to them.")

_HOUR_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 24)


@datasets_app.command("export")
def export_command(
    out: Annotated[Path, typer.Option(help="The new directory of the dataset.")],
    since: Since = None,
    until: Until = None,
    session: Annotated[list[uuid.UUID] | None, typer.Option(help="Only this session. Can be repeated.")] = None,
    sessions: Annotated[
        Path | None, typer.Option(help="Only the sessions whose ids are in this file, one in each line.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many sessions.")] = None,
    min_group: Annotated[
        int,
        typer.Option(min=1, help="Leave out sessions whose sites, hour and language fewer people share (k-anonymity)."),
    ] = 1,
    hour_width: Annotated[
        int, typer.Option(help="So many hours of the day look the same: 1, 2, 3, 4, 6, 8, 12, or 24 for no hour.")
    ] = 1,
    texts: Annotated[bool, typer.Option(help="With --no-texts, without the texts and highlights of pages.")] = True,
    keep_days: Annotated[int, typer.Option(min=1, max=365, help="Delete the dataset after so many days.")] = 90,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write the sessions of users who have agreed, with secrets and ids removed. The audit log records it."""
    check_days(since, until)
    if hour_width not in _HOUR_WIDTHS:
        raise BadRequest(f"--hour-width: the day has no groups of {hour_width} hours; use one of {_HOUR_WIDTHS}")
    session_ids = (*(session or ()), *(listed_sessions(sessions) if sessions else ()))
    settings = settings_with_database(data_dir)
    from cluster.analysis.dataset_export import DatasetOptions

    options = DatasetOptions(
        since=since,
        until=until,
        session_ids=session_ids,
        limit=limit,
        min_group=min_group,
        hour_width=hour_width,
        has_texts=texts,
        keep_days=keep_days,
    )
    manifest = _export(settings.database.postgres_dsn, options, out)
    _print_manifest(manifest, as_json=as_json)


@datasets_app.command("show")
def show_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset.")], as_json: AsJson = False
) -> None:
    """Print what a dataset contains, and its k-anonymity."""
    from cluster.analysis.dataset_reading import load_manifest

    _print_manifest(load_manifest(directory), as_json=as_json)


def _export(dsn: str, options: DatasetOptions, out: Path) -> Manifest:
    import asyncio

    import psycopg
    from psycopg_pool import AsyncConnectionPool

    from cluster.analysis.dataset_export import DatasetExporter

    async def run() -> Manifest:
        # A pool retries for half a minute; this connection reports at once that the database does not answer.
        await (await psycopg.AsyncConnection.connect(dsn)).close()
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
        )
        async with pool:
            with err.status("Reading the sessions …") as status:
                exporter = DatasetExporter(
                    pool, lambda done, total: status.update(f"{done} of {counted(total, 'session')}")
                )
                return await exporter.export(options, out)

    return asyncio.run(run())


def _print_manifest(manifest: Manifest, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(manifest.to_json()))
        return
    typer.echo(
        f"sessions: {manifest.num_sessions}, people: {manifest.num_people}, pages: {manifest.num_pages},"
        f" secrets removed: {manifest.num_secrets}; delete it on {manifest.delete_on}"
    )
    for number, reason in (
        (manifest.num_suppressed, f"fewer than {manifest.min_group} people in a group"),
        (manifest.num_withdrawn, "withdrawn or changed by their users meanwhile"),
        (manifest.num_private, "pages of sites that are not recorded by default"),
    ):
        if number:
            typer.echo(f"left out: {number} ({reason})")
    for name, figure in manifest.anonymity.items():
        if figure.k is not None:
            typer.echo(
                f"k = {figure.k} by {name} (groups: {figure.num_groups}, sessions alone in theirs: {figure.num_alone})"
            )
    if not manifest.num_sessions:
        print_line("No session: its users have not agreed to datasets (in their account's settings), or none matches.")


def print_evaluation(directory: Path, *, as_json: bool) -> None:
    """Make the maps of a dataset again and print how they compare."""
    from cluster.analysis.dataset_evaluation import evaluate_dataset

    with err.status("Making the maps …") as status:
        evaluation = evaluate_dataset(directory, lambda done: status.update(counted(done, "map")))
    if as_json:
        typer.echo(json.dumps(evaluation.to_json(), ensure_ascii=False))
        return
    _print_table(evaluation)


def _print_table(evaluation: DatasetEvaluation) -> None:
    num_edited = sum(each.is_edited for each in evaluation.sessions)
    typer.echo(
        f"maps: {len(evaluation.sessions)}, edited by their users: {num_edited},"
        f" problems: {sum(each.num_problems for each in evaluation.sessions)}; k = {_number(evaluation.k)}"
    )
    typer.echo(
        f"agreement of the topics (adjusted Rand index): {_number(evaluation.mean_agreement())},"
        f" with edited maps {_number(evaluation.mean_agreement(edited_only=True))}"
    )
    for score, (old, new) in evaluation.mean_scores().items():
        typer.echo(f"{score:<12} in the dataset {_number(old)}, now {_number(new)}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
