"""Every failure of a store is one sentence with a remedy."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from launch.stores import StoresError, StoresInUse
from launch.stores.errors import explain_log, explain_os_error, explain_os_errors
from models.errors import TrailmindError

HOME = Path("/home/ann/data/postgres")
LOG = Path("/home/ann/data/logs/postgres.log")


@pytest.mark.parametrize(
    ("log_text", "expected"),
    [
        (
            "postgres: error while loading shared libraries: libz.so.1: cannot open shared object file",
            "libz.so.1 is missing; install it",
        ),
        (
            'PANIC:  could not write to file "pg_wal/xlogtemp.12": No space left on device\nLOG:  startup exited',
            "disk that holds /home/ann/data/postgres is full",
        ),
        (
            'FATAL:  could not open file "global/pg_control": Permission denied',
            "may not be used by this user; give it back with chown",
        ),
        ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", "too little memory left; close"),
        ("FATAL:  database files are incompatible with server", "written by another PostgreSQL version; move it away"),
        ("PANIC:  could not locate a valid checkpoint record at 0/1E84688", "damaged; restore it from a backup"),
        ("initdb: error: could not create directory: Read-only file system", "choose another data directory"),
    ],
)
def test_known_causes_name_the_remedy(log_text: str, expected: str) -> None:
    sentence = str(explain_log("PostgreSQL", log_text, path=HOME, log_path=LOG))
    assert expected in sentence
    assert sentence.startswith("PostgreSQL cannot run: ")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("log_text", "expected"),
    [
        ("LOG:  starting\n2026-01-01 UTC [5] FATAL:  bogus setting.\nLOG:  shut down", "bogus setting; see"),
        (
            "9900:M 23 Nov 2026 04:58:55.348 # Failed listening on bogus, aborting (error)",
            ": Failed listening on bogus",
        ),
        ("something odd", "something odd; see"),
        ("", "it wrote nothing; see"),
    ],
)
def test_unknown_causes_quote_the_log_and_its_path(log_text: str, expected: str) -> None:
    sentence = str(explain_log("PostgreSQL", log_text, path=HOME, log_path=LOG))
    assert expected in sentence
    assert sentence.endswith(str(LOG))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "chown"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "exists already with other contents"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EAGAIN, "ulimit -u"),
        (errno.EIO, "choose another data directory"),
    ],
)
def test_file_errors_name_the_remedy(number: int, expected: str) -> None:
    assert expected in str(explain_os_error(OSError(number, "reason", str(HOME)), HOME))


def test_a_file_error_becomes_a_stores_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoresError, match="exists already with other contents"), explain_os_errors(tmp_path):
        (tmp_path / "file" / "data").mkdir(parents=True)


@pytest.mark.parametrize("error", [StoresError("no disk"), StoresInUse(HOME, 17), StoresInUse(HOME, None)])
def test_errors_survive_pickling(error: StoresError) -> None:
    assert isinstance(error, TrailmindError)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
