"""The directory of the servers' unix sockets: private, and with a path that is short enough for a socket."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from launch.stores.account import Account
from launch.stores.errors import StoresError

POSTGRES_PORT = 5432
POSTGRES_SOCKET = f".s.PGSQL.{POSTGRES_PORT}"
VALKEY_SOCKET = "valkey.sock"
#: The length of `sun_path` without its NUL: 107 on Linux, 103 on macOS (unix(7), unix(4)).
MAX_SOCKET_PATH_BYTES = 103
#: Not $XDG_RUNTIME_DIR, which may be unset, and is removed with the last login while the servers still run.
_SHORT_ROOT = Path("/tmp")  # noqa: S108 - the directory created in it is private and checked


def socket_dir(data_dir: Path, account: Account, short_root: Path = _SHORT_ROOT) -> Path:
    """The directory for both sockets, owned by `account` with mode 0700.

    It is `run` in the data directory. If that path is too long, or the file system has no sockets, it is a directory
    below `short_root` whose name depends on the data directory only, so that the URLs stay the same.

    Raises:
        StoresError: neither directory can contain a socket.
    """
    inside = data_dir / "run"
    account.make_dir(inside)
    inside.chmod(0o700)
    if _supports_sockets(inside):
        return inside
    digest = hashlib.blake2b(os.fsencode(data_dir), digest_size=6).hexdigest()
    outside = short_root / f"trailmind-{os.geteuid()}-{digest}"
    if not _try_create(outside, account):
        # The name belongs to another user.
        outside = Path(tempfile.mkdtemp(prefix="trailmind-", dir=short_root))
        account.chown(outside)
    if not _supports_sockets(outside):
        raise StoresError(
            f"the embedded stores cannot run: neither {data_dir} nor {outside.parent} can hold a socket; "
            "choose another data directory or set DATABASE_URL and REDIS_URL to servers of your own"
        )
    return outside


def remove_sockets(directory: Path, data_dir: Path) -> None:
    """Remove the sockets after a clean stop, and the directory if it is outside the data directory."""
    if directory.is_relative_to(data_dir):
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock", VALKEY_SOCKET):
            (directory / name).unlink(missing_ok=True)
    else:
        shutil.rmtree(directory, ignore_errors=True)


def _try_create(directory: Path, account: Account) -> bool:
    """Create or reuse `directory`; return False when it belongs to another user."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), account.uid}:
            return False
        directory.chmod(0o700)
    account.chown(directory)
    return True


def _supports_sockets(directory: Path) -> bool:
    """Whether a socket with the longest name can be bound in `directory`, and its path written in a URL."""
    probe = directory / "probe".ljust(len(POSTGRES_SOCKET), "-")
    # For libpq a comma separates two hosts and cannot be escaped.
    if len(os.fsencode(probe)) > MAX_SOCKET_PATH_BYTES or "," in str(probe):
        return False
    probe.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(os.fspath(probe))
        except OSError:
            return False
        finally:
            probe.unlink(missing_ok=True)
    return True
