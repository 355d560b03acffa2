"""What is said about a disk that is full, and that nothing is lost on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from launch.backup import BackupError, make_backup
from launch.stores import EmbeddedStores
from models.database import check_disk, outage
from models.migrations.run import migrate


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system in memory of the size `request.param`, which only root can mount."""
    path = Path(tempfile.mkdtemp(prefix="trailmind-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "trailmind-test", str(path)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        path.rmdir()
        pytest.skip("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)
        path.rmdir()


def fill(path: Path) -> None:
    """Write to `path` until the disk is full. Raises OSError."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.services
@pytest.mark.parametrize("small_disk", ["400m"], indirect=True)
async def test_a_full_disk_is_found_and_free_space_too(small_disk: Path) -> None:
    stores = EmbeddedStores(small_disk, valkey=False, durable=False)
    try:
        url = stores.start().database_url
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await check_disk(connection)
            filler = small_disk / "filler"
            with pytest.raises(OSError, match="No space left"):
                fill(filler)
            with pytest.raises(psycopg.errors.DiskFull) as error:
                await check_disk(connection)
            assert outage(error.value) == "the disk of the database is full"
            await connection.rollback()
            filler.unlink()
            await check_disk(connection)
    finally:
        stores.stop()


@pytest.mark.services
@pytest.mark.parametrize("small_disk", ["256k"], indirect=True)
@pytest.mark.parametrize("place", ["destination", "temporary files"])
def test_a_backup_that_does_not_fit_leaves_nothing_and_keeps_the_others(
    fresh_database: str, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    with psycopg.connect(fresh_database) as connection:
        # Random, so that the dump is not compressed to nothing.
        connection.execute(
            "INSERT INTO users (id, email, password_hash)"
            " SELECT gen_random_uuid(), 'user' || n || '@example.com', repeat(gen_random_uuid()::text, 8)"
            " FROM generate_series(1, 8000) n"
        )
    destination = small_disk if place == "destination" else tmp_path
    sentence = "cannot be used: .*No space left" if place == "destination" else "is full: .*TMPDIR names another place"
    if place != "destination":
        monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    earlier = destination / "trailmind-20260101T000000Z.tar"
    earlier.write_bytes(b"an earlier backup")
    with pytest.raises(BackupError, match=sentence):
        make_backup(fresh_database, str(destination), keep=1)
    assert list(destination.iterdir()) == [earlier], "no part of the new one, and the earlier one stays"
    assert [file for file in small_disk.iterdir() if file != earlier] == []
