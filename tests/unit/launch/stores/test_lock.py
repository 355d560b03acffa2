"""The claim on a data directory: exclusive, freed by death, and readable by others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.stores import StoresInUse, StoreUrls, running_urls
from launch.stores.lock import DataDirLock, lock_path

URLS = StoreUrls("postgresql://trailmind@/trailmind?host=/run/x", "unix:///run/x/valkey.sock?db=0")
HOLD = """
import sys
from pathlib import Path
from launch.stores.lock import DataDirLock, StoreUrls
claim = DataDirLock(Path(sys.argv[1]))
claim.publish(StoreUrls("postgresql://", "unix://"))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_lock_raises_and_names_the_holder(tmp_path: Path) -> None:
    claim = DataDirLock(tmp_path)
    with pytest.raises(StoresInUse) as caught:
        DataDirLock(tmp_path)
    assert caught.value.pid == os.getpid()
    assert str(tmp_path) in str(caught.value)
    assert str(os.getpid()) in str(caught.value)
    claim.release()
    DataDirLock(tmp_path).release()


def test_urls_are_visible_from_publish_to_release(tmp_path: Path) -> None:
    assert running_urls(tmp_path) is None
    claim = DataDirLock(tmp_path)
    assert running_urls(tmp_path) is None
    claim.publish(URLS)
    assert running_urls(tmp_path) == URLS
    claim.release()
    claim.release()
    assert running_urls(tmp_path) is None


def test_reading_the_urls_does_not_affect_the_lock(tmp_path: Path) -> None:
    claim = DataDirLock(tmp_path)
    claim.publish(URLS)
    for _ in range(3):
        running_urls(tmp_path)
    with pytest.raises(StoresInUse):
        DataDirLock(tmp_path)
    claim.release()


def test_the_end_of_the_holder_releases_the_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert running_urls(tmp_path) == StoreUrls("postgresql://", "unix://")
        with pytest.raises(StoresInUse) as caught:
            DataDirLock(tmp_path)
        assert caught.value.pid == holder.pid
        holder.kill()
    assert running_urls(tmp_path) is None  # though the file still says so
    DataDirLock(tmp_path).release()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from launch.stores.lock import DataDirLock
DataDirLock(Path(sys.argv[1]))
if os.fork() == 0:
    sys.stdin.read()  # outlives the parent
else:
    os.kill(os.getpid(), 9)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as holder:
        holder.wait()
        DataDirLock(tmp_path).release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 5, "database_url": 1}', "\x00\xff"])
def test_an_invalid_lock_file_is_ignored(tmp_path: Path, text: str) -> None:
    lock_path(tmp_path).write_text(text)
    assert running_urls(tmp_path) is None
    claim = DataDirLock(tmp_path)
    lock_path(tmp_path).write_text(text)
    assert running_urls(tmp_path) is None
    with pytest.raises(StoresInUse) as caught:
        DataDirLock(tmp_path)
    assert caught.value.pid in {None, 5}
    claim.release()
