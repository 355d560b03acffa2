"""The lock of a data directory, which one supervisor holds, and the URLs that it publishes.

The lock is a kernel lock (flock(2)) on a file, so the kernel releases it when its holder dies. The same file contains
the process id of the holder and, once the stores answer, their URLs. The package filelock would only replace the call
of flock: its locks own their file, while the holder publishes into this one, and readers test it with a shared lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from launch.stores.errors import StoresInUse

#: Readers hold the lock for microseconds; a supervisor retries for this long before it reports another supervisor.
_ACQUIRE_TIMEOUT_S = 0.3
_open_lock_fds: set[int] = set()


@dataclass(frozen=True)
class StoreUrls:
    """The URLs of the stores, for every process of the same user; empty for a store that is not embedded."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Holder:
    """The process that holds a data directory. `urls` is None while its stores start, and if it has none of its own."""

    pid: int | None
    urls: StoreUrls | None


def lock_path(data_dir: Path) -> Path:
    """The file that the supervisor of the stores of `data_dir` locks."""
    return data_dir / "stores.lock"


class DataDirLock:
    """The exclusive lock of one data directory, held until `release` or the end of this process."""

    def __init__(self, data_dir: Path) -> None:
        """Acquire the lock. Raises `StoresInUse` when another process holds it."""
        self._path = lock_path(data_dir)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _ACQUIRE_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    pid = _read(self._fd).get("pid")
                    os.close(self._fd)
                    raise StoresInUse(data_dir, pid if isinstance(pid, int) else None) from None
                time.sleep(0.02)
        if os.geteuid() == 0:
            # After a start with sudo, the owner of the data directory must be able to start without sudo.
            owner = data_dir.stat()
            os.fchown(self._fd, owner.st_uid, owner.st_gid)
        _open_lock_fds.add(self._fd)
        self._write({"pid": os.getpid()})

    def publish(self, urls: StoreUrls) -> None:
        """Publish `urls` for `running_urls`."""
        self._write({"pid": os.getpid(), **asdict(urls)})

    def release(self) -> None:
        """Release the lock. A repeat changes nothing."""
        if self._fd in _open_lock_fds:
            self._write({})
            _open_lock_fds.discard(self._fd)
            os.close(self._fd)

    def _write(self, facts: dict[str, object]) -> None:
        data = json.dumps(facts).encode()
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))


def running_urls(data_dir: Path) -> StoreUrls | None:
    """The URLs published by the supervisor of `data_dir`; None when none runs, or its stores are not ready."""
    holder = data_dir_holder(data_dir)
    return None if holder is None else holder.urls


def data_dir_holder(data_dir: Path) -> Holder | None:
    """The process that holds `data_dir`; None when none does."""
    try:
        fd = os.open(lock_path(data_dir.expanduser()), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        facts = _read(fd)
        pid, urls = facts.get("pid"), None
        match facts:
            case {"database_url": str(database_url), "redis_url": str(redis_url)}:
                urls = StoreUrls(database_url, redis_url)
        return Holder(pid if isinstance(pid, int) else None, urls)
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def _read(fd: int) -> dict[str, object]:
    """The fields in the lock file; empty while the holder is writing."""
    try:
        facts = json.loads(os.pread(fd, 65536, 0))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _close_locks_in_child() -> None:
    # A forked child shares the kernel lock, so a child that outlives its parent would keep the data directory locked.
    for fd in _open_lock_fds:
        os.close(fd)
    _open_lock_fds.clear()


os.register_at_fork(after_in_child=_close_locks_in_child)
