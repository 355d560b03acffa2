"""Where the sockets go."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.stores.account import Account, supervisor_name
from launch.stores.errors import StoresError
from launch.stores.sockets import MAX_SOCKET_PATH_BYTES, POSTGRES_SOCKET, remove_sockets, socket_dir

ME = Account(os.geteuid(), os.getegid(), supervisor_name(), is_other=False)


@pytest.fixture
def short_root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def long_data_dir(tmp_path: Path) -> Path:
    path = tmp_path / ("기록" * 20) / "data"
    path.mkdir(parents=True)
    return path


def test_short_paths_stay_inside_the_data_directory(short_root: Path) -> None:
    assert socket_dir(short_root, ME) == short_root / "run"
    assert stat.S_IMODE((short_root / "run").stat().st_mode) == 0o700


def test_long_paths_get_a_short_private_directory_every_time_the_same(long_data_dir: Path, short_root: Path) -> None:
    first = socket_dir(long_data_dir, ME, short_root)
    assert first.parent == short_root
    assert len(os.fsencode(first / POSTGRES_SOCKET)) <= MAX_SOCKET_PATH_BYTES
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    assert socket_dir(long_data_dir, ME, short_root) == first
    other = long_data_dir.with_name("other")
    other.mkdir()
    assert socket_dir(other, ME, short_root) != first
    remove_sockets(first, long_data_dir)
    assert not first.exists()


def test_a_short_directory_with_wrong_mode_is_made_private(long_data_dir: Path, short_root: Path) -> None:
    first = socket_dir(long_data_dir, ME, short_root)
    first.chmod(0o777)
    assert socket_dir(long_data_dir, ME, short_root) == first
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


@pytest.mark.parametrize("squatter", ["file", "link"])
def test_a_directory_of_another_user_is_not_used(
    long_data_dir: Path, short_root: Path, tmp_path: Path, squatter: str
) -> None:
    first = socket_dir(long_data_dir, ME, short_root)
    first.rmdir()
    if squatter == "file":
        first.touch()
    else:
        first.symlink_to(tmp_path)
    second = socket_dir(long_data_dir, ME, short_root)
    assert second != first
    assert second.parent == short_root
    assert stat.S_IMODE(second.stat().st_mode) == 0o700


def test_no_usable_socket_directory_raises_with_the_remedy(long_data_dir: Path, tmp_path: Path) -> None:
    far = tmp_path / ("x" * 100)
    far.mkdir()
    with pytest.raises(StoresError, match="can hold a socket; choose another data directory"):
        socket_dir(long_data_dir, ME, far)


def test_only_our_sockets_are_removed_inside_the_data_directory(short_root: Path) -> None:
    inside = socket_dir(short_root, ME)
    (inside / POSTGRES_SOCKET).touch()
    (inside / "note").touch()
    remove_sockets(inside, short_root)
    assert [path.name for path in inside.iterdir()] == ["note"]
