"""Batch regeneration: each session once, resumable, at batch priority; the migrated schema equals the models."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from cluster.jobs import regenerate
from models.base import Base
from models.errors import NotFound
from models.jobs import BATCH, INTERACTIVE
from models.migrations import tables  # noqa: F401 - registers every table
from models.migrations.run import latest_revision, migrate
from models.mindmap.regeneration import Selection


@pytest.fixture
def dsn(fresh_database: str) -> str:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    return fresh_database


def add_sessions(dsn: str, count: int, *, email: str = "ann@t.local", days_ago: int = 0) -> list[uuid.UUID]:
    user, ids = uuid.uuid4(), [uuid.uuid4() for _ in range(count)]
    started_at = datetime.now(UTC) - timedelta(days=days_ago)
    with psycopg.connect(dsn) as db:
        db.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, email])
        for session in ids:
            db.execute(
                "INSERT INTO browsing_sessions (id, user_id, status, started_at) VALUES (%s, %s, 'completed', %s)",
                [session, user, started_at],
            )
    return ids


def queued_jobs(dsn: str) -> list[tuple[str, int]]:
    with psycopg.connect(dsn) as db:
        return db.execute("SELECT args ->> 'session_id', priority FROM procrastinate_jobs ORDER BY id").fetchall()


async def test_every_session_is_enqueued_once_at_batch_priority(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regenerate, "CHUNK_SIZE", 3)
    ids = add_sessions(dsn, 8)
    with psycopg.connect(dsn) as db:
        db.execute("UPDATE browsing_sessions SET status = 'recording' WHERE id = %s", [ids[0]])
        db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [ids[1]])
    assert await regenerate.count_sessions(dsn, Selection()) == 6
    assert await regenerate.enqueue_all(dsn, "night-1", Selection()) == 6
    assert sorted(queued_jobs(dsn)) == sorted((str(i), BATCH) for i in ids[2:])
    assert BATCH < INTERACTIVE


async def test_an_interrupted_run_continues_where_it_stopped(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regenerate, "CHUNK_SIZE", 2)
    ids = add_sessions(dsn, 7)

    class Interrupted(Exception):
        pass

    def interrupt(num_enqueued: int) -> None:
        if num_enqueued >= 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        await regenerate.enqueue_all(dsn, "night-2", Selection(), on_progress=interrupt)
    assert await regenerate.enqueue_all(dsn, "night-2", Selection()) == 7
    assert sorted(i for i, _ in queued_jobs(dsn)) == sorted(map(str, ids))
    assert await regenerate.enqueue_all(dsn, "night-2", Selection()) == 7, "a third start enqueues nothing"
    assert len(queued_jobs(dsn)) == 7


async def test_a_selection_meets_every_criterion(dsn: str) -> None:
    old, new = add_sessions(dsn, 2, days_ago=10), add_sessions(dsn, 3, email="Bob@t.local")
    week_ago = datetime.now(UTC) - timedelta(days=7)
    for selection, expected in (
        (Selection(email="BOB@t.local"), 3),
        (Selection(since=week_ago), 3),
        (Selection(until=week_ago), 2),
        (Selection(session_ids=(old[0], new[0])), 2),
        (Selection(email="nobody@t.local"), 0),
    ):
        assert await regenerate.count_sessions(dsn, selection) == expected


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


async def test_an_unknown_account_or_session_is_an_error(dsn: str) -> None:
    (known,), unknown = add_sessions(dsn, 1), uuid.uuid4()
    for selection, sentence in (
        (Selection(email="nobody@t.local"), "there is no account with the address nobody@t.local"),
        (Selection(session_ids=(unknown,)), f"there is no session {unknown}"),
    ):
        with pytest.raises(NotFound, match=sentence):
            await regenerate.check_selection(dsn, selection)
    await regenerate.check_selection(dsn, Selection(email="ANN@t.local", session_ids=(known,)))
