"""Whom the servers run as.

PostgreSQL refuses to run as root. A root supervisor therefore hands the servers to the owner of the data directory or,
when that is root as well, to a system user made for the purpose. That user must be able to enter the directories above
the data, which may be a closed home: it gets the right to pass through, by an access control list entry that names it
and nobody else, instead of opening the home to everybody.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from launch.stores.errors import StoresError

SYSTEM_USER = "trailmind-db"
_ACL = "system.posix_acl_access"
_ACL_VERSION, _NO_ID = 2, 0xFFFFFFFF
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_SEARCH = 1


class SpawnUser(TypedDict, total=False):
    """The keyword arguments of `subprocess.Popen` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The user the servers run as; `is_other` when it is not the user of this process."""

    uid: int
    gid: int
    name: str
    is_other: bool

    def spawn_user(self) -> SpawnUser:
        """How to start a process as this user."""
        return SpawnUser(user=self.uid, group=self.gid, extra_groups=[]) if self.is_other else SpawnUser()

    def chown(self, path: Path) -> None:
        """Make `path` this user's. Links are not followed."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def make_dir(self, path: Path) -> None:
        """Have a private directory of this user at `path`; its parent exists."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.chown(path)


def supervisor_name() -> str:
    """The system's name for the user of this process, as PostgreSQL will see its clients."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise StoresError(
            f"the embedded stores cannot run: user id {uid} has no name on this system; "
            "add it to /etc/passwd or set DATABASE_URL and REDIS_URL"
        ) from None


def server_account(data_dir: Path) -> Account:
    """The user for the servers of `data_dir`, made if need be. Raises `StoresError` when there is none to be had."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), supervisor_name(), is_other=False)
    owner = data_dir.stat().st_uid
    if owner != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            pass
        else:
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, is_other=True)
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, is_other=True)


def _system_user() -> pwd.struct_passwd:
    """The system user for servers started by root: no password, no shell, no home."""
    no_login = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
    makers = (
        ["useradd", "--system", "--user-group", *no_login],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin"],
    )
    for maker in ([], *makers):
        if maker and shutil.which(maker[0]):
            subprocess.run([*maker, SYSTEM_USER], capture_output=True, check=False, timeout=30)
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            continue
    raise StoresError(
        f"the embedded stores cannot run as root, and the system user {SYSTEM_USER} cannot be made here; "
        f"run `useradd --system {SYSTEM_USER}`, start Trailmind as a normal user, or set DATABASE_URL and REDIS_URL"
    )


def grant_directory_access(account: Account, directory: Path) -> list[Path]:
    """Let `account` pass through `directory` and all above it; returns those that had to be changed.

    Nothing else is granted: neither listing nor reading. Safe to repeat.
    """
    changed = []
    for step in (*reversed(directory.parents), directory):
        if not may_search(account, step):
            _grant_search(account, step)
            changed.append(step)
    return changed


def may_search(account: Account, directory: Path) -> bool:
    """Whether `account` may pass through `directory` (not regarding what lies above it)."""
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    entries = _read_acl(directory, status.st_mode)
    mask = next((perm for tag, perm, _ in entries if tag == _MASK), 7)
    for tag, perm, who in entries:
        if tag == _USER and who == account.uid:
            return bool(perm & mask & _SEARCH)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _grant_search(account: Account, directory: Path) -> None:
    """Add the entry `user:<account>:--x` to the directory's access control list."""
    kept = _read_acl(directory, directory.stat().st_mode)
    entries = {(tag, who): perm for tag, perm, who in kept}
    # The mask bounds all entries but owner and others; it must let ours through and keep what the others had.
    mask = entries.get((_MASK, _NO_ID), entries[(_GROUP_OBJ, _NO_ID)])
    entries[(_MASK, _NO_ID)] = mask | _SEARCH
    entries[(_USER, account.uid)] = entries.get((_USER, account.uid), 0) | _SEARCH
    packed = struct.pack("<I", _ACL_VERSION)
    packed += b"".join(struct.pack("<HHI", tag, perm, who) for (tag, who), perm in sorted(entries.items()))
    try:
        os.setxattr(directory, _ACL, packed)
    except (OSError, AttributeError) as exc:
        if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
            raise
        raise StoresError(
            f"the embedded stores cannot run: their user {account.name} may not enter {directory}; choose a data "
            "directory outside of it, such as /var/lib/trailmind, or start Trailmind as a normal user"
        ) from exc


def _read_acl(directory: Path, mode: int) -> list[tuple[int, int, int]]:
    """The entries (tag, permissions, id) of the directory's list; its mode bits say the same when it has none."""
    try:
        packed = os.getxattr(directory, _ACL)
    except (OSError, AttributeError):
        return [(_USER_OBJ, mode >> 6 & 7, _NO_ID), (_GROUP_OBJ, mode >> 3 & 7, _NO_ID), (_OTHER, mode & 7, _NO_ID)]
    return [(tag, perm, who) for tag, perm, who in struct.iter_unpack("<HHI", packed[4:])]
