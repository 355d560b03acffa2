"""A directory with a short path that only its owner may enter, for Ray and the sockets of HAProxy."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

#: Not $TMPDIR, which may be long, and not $XDG_RUNTIME_DIR, which is removed with the last login of its user.
_ROOT = Path("/tmp")  # noqa: S108 - the directory created in it is private and checked


def private_short_dir(data_dir: Path, root: Path = _ROOT) -> Path:
    """The private directory of the server with this data directory, owned by this user with mode 0700.

    The name depends on the data directory, so that a restart finds what a crash left. A directory of that name which
    belongs to another user, is open to others or is a symbolic link is not used: another user could have made it to
    read or replace what is written there. A new directory with a random name takes its place.
    """
    digest = hashlib.blake2b(os.fsencode(data_dir), digest_size=6).hexdigest()
    path = root / f"trailmind-{os.geteuid():x}-{digest}"
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_private(path):
            return Path(tempfile.mkdtemp(prefix="trailmind-", dir=root))
    return path


def _is_private(path: Path) -> bool:
    status = path.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return is_own and stat.S_IMODE(status.st_mode) & 0o077 == 0
