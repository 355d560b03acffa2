"""The operating system user that the embedded servers run as.

PostgreSQL refuses to run as root. A supervisor that runs as root therefore starts the servers as the owner of the data
directory or, when that is root as well, as a system user created for them. That user must be able to enter the
directories above the data, which may be a home directory with mode 0700. It gets search permission (`x`) by one POSIX
access control list entry per directory, which grants nothing to other users.

The entries are packed here because Python's standard library has no interface for them and pylibacl is a C extension
without wheels: every installation would need a compiler and the headers of libacl, for one permission bit.
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
    """The user that the servers run as; `is_other` when it is not the user of this process."""

    uid: int
    gid: int
    name: str
    is_other: bool

    def spawn_user(self) -> SpawnUser:
        """The arguments of `subprocess.Popen` that start a process as this user."""
        return SpawnUser(user=self.uid, group=self.gid, extra_groups=[]) if self.is_other else SpawnUser()

    def chown(self, path: Path) -> None:
        """Make this user the owner of `path`; symbolic links are not followed."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def make_dir(self, path: Path) -> None:
        """Create the directory `path` with mode 0700 and this user as its owner. Its parent must exist."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.chown(path)


def supervisor_name() -> str:
    """The name of the user of this process, as PostgreSQL sees its clients.

    Raises:
        StoresError: the user id has no name.
    """
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise StoresError(
            f"the embedded stores cannot run: user id {uid} has no name on this system; "
            "add it to /etc/passwd or set DATABASE_URL and REDIS_URL"
        ) from None


def server_account(data_dir: Path) -> Account:
    """The user for the servers of `data_dir`; a system user is created when root owns the directory.

    Raises:
        StoresError: the system user cannot be created; the message names the remedies.
    """
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
    """The system user for servers started by root, without password, shell and home directory."""
    no_login = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
    commands: tuple[list[str], ...] = (
        ["useradd", "--system", "--user-group", *no_login],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin"],
    )
    for command in ([], *commands):
        if command and shutil.which(command[0]):
            subprocess.run([*command, SYSTEM_USER], capture_output=True, check=False, timeout=30)
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            continue
    raise StoresError(
        f"the embedded stores cannot run as root, and the system user {SYSTEM_USER} cannot be created here; "
        f"run `useradd --system {SYSTEM_USER}`, start Trailmind as a normal user, or set DATABASE_URL and REDIS_URL"
    )


def grant_directory_access(account: Account, directory: Path) -> list[Path]:
    """Grant `account` search permission on `directory` and its parents; return the directories that were changed.

    Neither listing nor reading is granted. A repeat changes nothing.

    Raises:
        StoresError: the file system has no access control lists, or the permission to change one is missing.
    """
    changed = []
    for step in (*reversed(directory.parents), directory):
        if not may_search(account, step):
            _grant_search(account, step)
            changed.append(step)
    return changed


def may_search(account: Account, directory: Path) -> bool:
    """Whether `account` has search permission on `directory` itself; its parents are not examined."""
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    entries = _read_acl(directory, status.st_mode)
    mask = next((perm for tag, perm, _ in entries if tag == _MASK), 7)
    for tag, perm, owner_id in entries:
        if tag == _USER and owner_id == account.uid:
            return bool(perm & mask & _SEARCH)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _grant_search(account: Account, directory: Path) -> None:
    """Add the entry `user:<account>:--x` to the directory's access control list."""
    kept = _read_acl(directory, directory.stat().st_mode)
    entries = {(tag, owner_id): perm for tag, perm, owner_id in kept}
    # The mask bounds all entries but owner and others; it must let ours through and keep what the others had.
    mask = entries.get((_MASK, _NO_ID), entries[(_GROUP_OBJ, _NO_ID)])
    entries[(_MASK, _NO_ID)] = mask | _SEARCH
    entries[(_USER, account.uid)] = entries.get((_USER, account.uid), 0) | _SEARCH
    packed = struct.pack("<I", _ACL_VERSION)
    packed += b"".join(struct.pack("<HHI", tag, perm, owner_id) for (tag, owner_id), perm in sorted(entries.items()))
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
    """The entries (tag, permissions, id) of the access control list, or the mode bits as entries without one.

    The format is that of the extended attribute `system.posix_acl_access`, see acl(5) and linux/posix_acl_xattr.h.
    """
    try:
        packed = os.getxattr(directory, _ACL)
    except (OSError, AttributeError):
        return [(_USER_OBJ, mode >> 6 & 7, _NO_ID), (_GROUP_OBJ, mode >> 3 & 7, _NO_ID), (_OTHER, mode & 7, _NO_ID)]
    return [(tag, perm, owner_id) for tag, perm, owner_id in struct.iter_unpack("<HHI", packed[4:])]
