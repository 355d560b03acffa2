"""SQL is in `models/`, as named constants that fit the migrated schema."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

import models
from tests.architecture.sql_text import is_preparable, is_statement, positional, statements_in
from tests.conftest import Stores

ROOT = Path(__file__).parents[2]
#: Its statements are for DuckDB; `tests/unit/models/test_parquet.py` runs each.
FOR_DUCKDB = "models.analysis.parquet"
#: `launch/stores` administers PostgreSQL itself: databases, roles, readiness.
WITHOUT_SQL = ("actors", "cluster", "launch", "serve", "telemetry")
ADMINISTRATION = ROOT / "launch" / "stores"


def test_no_statement_outside_models() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {' '.join(text.split())[:60]}"
        for folder in WITHOUT_SQL
        for path in sorted((ROOT / folder).rglob("*.py"))
        if ADMINISTRATION not in path.parents
        for line, text in statements_in(path)
    ]
    assert found == [], "move these statements into models/, beside the tables they query"


def named_statements() -> Iterator[tuple[str, str]]:
    """(module.NAME, text) of every module-level constant of `models` that can be prepared."""
    for module_info in pkgutil.walk_packages(models.__path__, "models."):
        if module_info.name.startswith(("models.migrations.versions", "models.migrations.env", FOR_DUCKDB)):
            continue
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and is_preparable(value):
                yield f"{module_info.name}.{name}", value


def test_every_named_statement_fits_the_schema(stores: Stores) -> None:
    """PostgreSQL parses and plans each one: a renamed column or a missing table fails here, with the name."""
    statements = dict(named_statements())
    problems = []
    with psycopg.connect(stores.libpq, autocommit=True) as connection:
        for name, text in statements.items():
            try:
                connection.execute(f"PREPARE architecture_test AS {positional(text)}".encode())
                connection.execute("DEALLOCATE architecture_test")
            except (errors.IndeterminateDatatype, errors.AmbiguousFunction):
                # psycopg sends the types of such parameters with the values; the names have been resolved by then.
                continue
            except psycopg.Error as error:
                problems.append(f"{name}: {error}")
    assert problems == []
    assert len(statements) > 50, "the constants were not found"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "\n  UPDATE users SET email = %s",
        "WITH old AS (SELECT 1) SELECT 2",
        "-- why\nDELETE FROM users",
        "INSERT INTO users (id) VALUES (%s)",
        "LOCK TABLE users",
        "COPY events (id) FROM STDIN",
    ],
)
def test_statements_are_recognized(text: str) -> None:
    assert is_statement(text)


@pytest.mark.parametrize("text", ["Select a page", "UPDATE", "updated", "With this", "Set the limit", "Copy the link"])
def test_prose_is_no_statement(text: str) -> None:
    assert not is_statement(text)


def test_parameters_become_positional() -> None:
    assert positional("SELECT %s, %(a)s, %s, %(a)s, '50 %%'") == "SELECT $1, $2, $3, $2, '50 %'"
