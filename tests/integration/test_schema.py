"""The migrated schema equals the models."""

from __future__ import annotations

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from models.base import Base
from models.migrations import tables  # noqa: F401 - registers every table
from models.migrations.run import latest_revision, migrate


@pytest.fixture
def dsn(fresh_database: str) -> str:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    return fresh_database


def test_the_migrated_schema_equals_the_models(dsn: str) -> None:
    """Alembic finds no difference: every column, index and key of the models is in a migration."""
    engine = create_engine("postgresql+psycopg://" + dsn.partition("://")[2])
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda _o, name, kind, _r, _c: (
                    not (kind == "table" and (name or "").startswith("procrastinate_"))
                )
            },
        )
        assert context.get_current_revision() == latest_revision()
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_every_foreign_key_has_an_index(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        unindexed = db.execute(
            """
            SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
            WHERE c.contype = 'f' AND c.conrelid::regclass::text NOT LIKE 'procrastinate%'
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
                              AND (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey)
            """
        ).fetchall()
        not_cascading = db.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND confdeltype NOT IN"
            " ('c', 'n') AND conrelid::regclass::text NOT LIKE 'procrastinate%'"
        ).fetchall()
    assert unindexed == []
    assert not_cascading == []


def test_the_space_of_deleted_events_is_used_again_before_it_is_much(dsn: str) -> None:
    """A later migration must not lose the setting, as one that builds the table anew would."""
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT reloptions FROM pg_class WHERE oid = 'events'::regclass").fetchone()
    assert row == (["autovacuum_vacuum_scale_factor=0.02"],)
