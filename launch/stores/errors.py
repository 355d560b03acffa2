"""The errors of the embedded stores; each message names the remedy."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import TrailmindError

_OR_EXTERNAL_STORES = "or set DATABASE_URL and REDIS_URL to servers of your own"


class StoresError(TrailmindError):
    """An embedded store cannot start or run. `str()` is one sentence that names the remedy."""

    code, status = "STORES_UNAVAILABLE", 503

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class StoresInUse(StoresError):
    """Another process holds this data directory; `pid` and `origin` (of its API) are None when they are unknown."""

    code, status = "STORES_IN_USE", 409

    def __init__(self, data_dir: Path, pid: int | None, origin: str | None = None) -> None:
        super(StoresError, self).__init__(data_dir, pid, origin)
        self.data_dir, self.pid, self.origin = data_dir, pid, origin

    def __str__(self) -> str:
        holder = "another process" if self.pid is None else f"process {self.pid}"
        where = "" if self.origin is None else f", at {self.origin}"
        return (
            f"{holder} already runs Trailmind on {self.data_dir}{where}; stop it, or choose another data directory "
            "with --data-dir or TRAILMIND_DATA_DIR"
        )


# Pattern in the log of a server -> message. The first match wins, so causes precede their consequences.
_LOG_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"error while loading shared libraries: (?P<what>[^:\s]+)|Library not loaded: (?P<what_mac>\S+)",
        "the system library {what} is missing; install it with the system's package manager " + _OR_EXTERNAL_STORES,
    ),
    (r"[Nn]o space left on device|[Dd]isk quota exceeded", "the disk that holds {path} is full; free some space there"),
    (r"[Rr]ead-only file system", "{path} is on a read-only file system; choose another data directory"),
    (
        r"database files are incompatible with server",
        "the data in {path} was written by another PostgreSQL version; move it away or choose another data directory",
    ),
    (
        r"(shared memory|anonymous memory|allocate memory)[^\n]*(Cannot allocate|No space|Invalid argument)"
        r"|Cannot allocate memory|Can't save in background",
        "there is too little memory left; close other programs " + _OR_EXTERNAL_STORES,
    ),
    (
        r"could not locate a valid checkpoint record|invalid (magic number|page)|PANIC: .*corrupt",
        "the data in {path} is damaged; restore it from a backup or move it away to begin with an empty store",
    ),
    (r"[Pp]ermission denied", "{path} may not be used by this user; give it back with chown or choose another one"),
    (
        r"Bad system call|SIGSYS",
        "the system forbids a call the server needs; run outside the sandbox " + _OR_EXTERNAL_STORES,
    ),
)


def explain_log(server: str, log_text: str, *, path: Path, log_path: Path) -> StoresError:
    """The error for a `server` that did not start, from its log since the start."""
    for pattern, sentence in _LOG_PATTERNS:
        if match := re.search(pattern, log_text):
            what = next((value for value in match.groupdict().values() if value), "")
            return StoresError(f"{server} cannot run: " + sentence.format(what=what, path=path))
    error_lines = [line for line in log_text.splitlines() if re.search(r"FATAL|PANIC|rror", line)]
    last = (error_lines or log_text.splitlines() or ["it wrote nothing"])[-1].strip()
    last = re.sub(r"^.*?(FATAL|PANIC|ERROR): +|^\d+:[A-Z] .*? [*#.-] ", "", last)[:300].rstrip(".")
    return StoresError(f"{server} cannot run: {last}; see {log_path}")


def explain_os_error(exc: OSError, path: Path) -> StoresError:
    """The error for a failed file operation below the data directory."""
    where = exc.filename if isinstance(exc.filename, str) and exc.filename else path
    match exc.errno:
        case errno.ENOSPC | errno.EDQUOT:
            remedy = f"the disk that holds {path} is full; free some space there"
        case errno.EACCES | errno.EPERM:
            remedy = f"{where} may not be used by this user; give it back with chown or choose another data directory"
        case errno.EROFS:
            remedy = f"{where} is on a read-only file system; choose another data directory"
        case errno.ENOTDIR | errno.EEXIST | errno.ENOTEMPTY:
            remedy = f"{where} exists already with other contents; move it or choose another data directory"
        case errno.EMFILE | errno.ENFILE:
            remedy = "too many files are open; raise the limit with `ulimit -n`"
        case errno.ENOMEM | errno.EAGAIN:
            remedy = "the system refuses another process; close other programs or raise `ulimit -u`"
        case _:
            remedy = f"{exc.strerror or exc} ({where}); choose another data directory " + _OR_EXTERNAL_STORES
    return StoresError(f"the embedded stores cannot run: {remedy}")


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Convert an `OSError` of the block into a `StoresError` about `path`."""
    try:
        yield
    except OSError as exc:
        raise explain_os_error(exc, path) from exc
