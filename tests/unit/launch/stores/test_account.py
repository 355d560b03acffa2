"""Who runs the servers, and how that user gets through closed directories."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from launch.stores.account import Account, grant_directory_access, may_search, server_account

OTHER_USER = Account(54_321, 54_321, "other-user", is_other=True)
needs_acl = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access control lists are set on Linux only")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def can_read_as_other_user(path: Path) -> bool:
    """Whether another user can read the file."""
    return subprocess.run(["cat", path], capture_output=True, **OTHER_USER.spawn_user()).returncode == 0


def can_list_as_other_user(path: Path) -> bool:
    return subprocess.run(["ls", path], capture_output=True, **OTHER_USER.spawn_user()).returncode == 0


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o700)
    return directory


@pytest.mark.parametrize(("mode", "expected"), [(0o700, False), (0o711, True), (0o755, True), (0o750, False)])
def test_mode_bits_decide_without_an_acl_entry(closed: Path, mode: int, expected: bool) -> None:
    closed.chmod(mode)
    assert may_search(OTHER_USER, closed) is expected


@needs_acl
def test_the_acl_entry_grants_search_permission_to_one_user(closed: Path) -> None:
    assert grant_directory_access(OTHER_USER, closed)[-1] == closed
    assert may_search(OTHER_USER, closed)
    assert not may_search(Account(54_322, 54_322, "another", is_other=True), closed)
    assert stat.S_IMODE(closed.stat().st_mode) & 0o007 == 0
    assert grant_directory_access(OTHER_USER, closed) == []


@needs_acl
def test_acl_entries_of_several_users_accumulate(closed: Path) -> None:
    another = Account(54_322, 54_322, "another", is_other=True)
    grant_directory_access(OTHER_USER, closed)
    grant_directory_access(another, closed)
    assert may_search(OTHER_USER, closed)
    assert may_search(another, closed)


@needs_acl
@needs_root
def test_the_user_can_enter_but_not_list_the_directory(closed: Path) -> None:
    (closed / "public").write_text("x")
    (closed / "private").touch(mode=0o600)
    assert not can_read_as_other_user(closed / "public")
    grant_directory_access(OTHER_USER, closed)
    assert can_read_as_other_user(closed / "public")
    assert not can_read_as_other_user(closed / "private")
    assert not can_list_as_other_user(closed)


@pytest.mark.skipif(os.geteuid() == 0, reason="for normal users")
def test_a_normal_user_runs_the_servers_under_its_own_account(tmp_path: Path) -> None:
    account = server_account(tmp_path)
    assert (account.uid, account.is_other, account.spawn_user()) == (os.geteuid(), False, {})


@needs_root
def test_root_runs_the_servers_as_the_owner_of_the_data(tmp_path: Path) -> None:
    owner_id = 65_534
    os.chown(tmp_path, owner_id, owner_id)
    account = server_account(tmp_path)
    assert (account.uid, account.is_other) == (owner_id, True)


@needs_root
def test_root_runs_the_servers_as_a_system_user_otherwise(tmp_path: Path) -> None:
    account = server_account(tmp_path)
    assert account.uid != 0
    assert account.is_other
    directory = tmp_path / "created"
    account.make_dir(directory)
    assert (directory.stat().st_uid, stat.S_IMODE(directory.stat().st_mode)) == (account.uid, 0o700)
