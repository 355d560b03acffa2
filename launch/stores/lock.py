"""One supervisor per data directory, and where it tells others the URLs.

The claim is a kernel lock (`flock`) on a file, so a crash of the holder frees it: nothing to clean up, no pid to trust.
The same file carries the holder's pid and, once the stores answer, their URLs.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from launch.stores.errors import StoresInUse

#: Readers hold the lock for microseconds while they look; a starter does not take that for a second supervisor.
_ACQUIRE_TIMEOUT_S = 0.3
_open_lock_fds: set[int] = set()


@dataclass(frozen=True)
class StoreUrls:
    """Where the stores answer, for any process of the same user. Empty for a store that was not asked for."""

    database_url: str
    redis_url: str


def lock_path(data_dir: Path) -> Path:
    """The file that is locked while somebody supervises the stores of `data_dir`."""
    return data_dir / "stores.lock"


class DataDirLock:
    """The right to run the stores of one data directory, held until `release` or the death of this process."""

    def __init__(self, data_dir: Path) -> None:
        """Take the claim. Raises `StoresInUse` when a living process holds it."""
        self._path = lock_path(data_dir)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + _ACQUIRE_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    pid = _read(self._fd).get("pid")
                    os.close(self._fd)
                    raise StoresInUse(data_dir, pid if isinstance(pid, int) else None) from None
                time.sleep(0.02)
        if os.geteuid() == 0:
            # After a start with sudo in a user's data directory, that user must be able to start without it.
            owner = data_dir.stat()
            os.fchown(self._fd, owner.st_uid, owner.st_gid)
        _open_lock_fds.add(self._fd)
        self._write({"pid": os.getpid()})

    def publish(self, urls: StoreUrls) -> None:
        """Let `running_urls` answer with `urls` from now on."""
        self._write({"pid": os.getpid(), **asdict(urls)})

    def release(self) -> None:
        """Give the claim up. A repeat is harmless."""
        if self._fd in _open_lock_fds:
            self._write({})
            _open_lock_fds.discard(self._fd)
            os.close(self._fd)

    def _write(self, facts: dict[str, object]) -> None:
        data = json.dumps(facts).encode()
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))


def running_urls(data_dir: Path) -> StoreUrls | None:
    """The URLs published by the process that supervises the stores of `data_dir`; None when none runs or is ready."""
    try:
        fd = os.open(lock_path(data_dir.expanduser()), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        facts = _read(fd)
        match facts:
            case {"database_url": str(database_url), "redis_url": str(redis_url)}:
                return StoreUrls(database_url, redis_url)
        return None
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def _read(fd: int) -> dict[str, object]:
    """What the holder wrote; empty when it is writing just now."""
    try:
        facts = json.loads(os.pread(fd, 65536, 0))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _close_locks_in_child() -> None:
    # A forked child shares the lock; were it to outlive us, the data directory would stay claimed by nobody.
    for fd in _open_lock_fds:
        os.close(fd)
    _open_lock_fds.clear()


os.register_at_fork(after_in_child=_close_locks_in_child)
