"""The check of the disk on a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from launch.stores import EmbeddedStores
from models.database import check_disk, outage

SIZE_MB = 400


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of `SIZE_MB` in memory, which only root can mount."""
    path = Path(tempfile.mkdtemp(prefix="trailmind-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "trailmind-test", str(path)]
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
