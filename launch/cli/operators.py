"""`trailmind operators`: who may use the operators' API."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from launch.cli.options import DataDir, settings_with_database
from models.errors import ConfigurationError


def operators_command(
    action: Annotated[str, typer.Argument(help="list, add or remove")] = "list",
    email: Annotated[str | None, typer.Argument(help="Address of the account to add or remove.")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the operators, make an account with a confirmed address an operator, or take the role away."""
    if (action == "list") != (email is None) or action not in {"list", "add", "remove"}:
        raise ConfigurationError("usage: trailmind operators [list | add ADDRESS | remove ADDRESS]")
    dsn = settings_with_database(data_dir).database.postgres_dsn
    typer.echo(asyncio.run(_run(dsn, action, email or "")))


async def _run(dsn: str, action: str, email: str) -> str:
    import psycopg

    from models.accounts import operators

    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        if action == "add":
            return f"{await operators.grant_operator(connection, email)} is an operator."
        if action == "remove":
            return f"{await operators.withdraw_operator(connection, email)} is not an operator."
        return "\n".join(await operators.list_operators(connection)) or "No operators."
