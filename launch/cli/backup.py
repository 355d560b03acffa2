"""`trailmind backup`, `trailmind restore` and `trailmind backup-key`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.settings import Settings
from launch.cli.options import AsJson, DataDir, command_settings, print_line, reported_steps
from models.errors import ConfigurationError
from models.plurals import counted

if TYPE_CHECKING:
    from launch.backup import BackupReport

Recipient = Annotated[
    str | None, typer.Option(help="Public key (age1...) for encryption (TRAILMIND_BACKUP_RECIPIENT).")
]


@contextmanager
def _database(settings: Settings, *, for_restore: bool = False) -> Iterator[str]:
    """The connection string of the configured database, or of the embedded one, started when it is not running.

    Raises ConfigurationError for a restore into the database of a running server.
    """
    from launch.local_server import available_stores, with_running_stores
    from launch.stores import running_urls

    if settings.database.url is not None:
        yield settings.database.postgres_dsn
        return
    if running_urls(settings.data_dir) is not None:
        if for_restore:
            raise ConfigurationError("the server is running: stop it before a restore")
        yield with_running_stores(settings).database.postgres_dsn
        return
    with available_stores(settings, print_line) as available:
        yield available.database.postgres_dsn


def backup_command(
    destination: Annotated[str, typer.Argument(help="A directory, or an URL such as s3://bucket/prefix.")],
    recipient: Recipient = None,
    keep: Annotated[int | None, typer.Option(help="Keep this many newest backups, delete older ones.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write a backup of the database: a dump with rows and checksum of every table, encrypted for a recipient."""
    from launch.backup import make_backup
    from launch.local_server import with_signing_key

    settings = command_settings(data_dir)
    signing_key = with_signing_key(settings).auth.secret_key if settings.database.url is None else None
    with reported_steps("Opening the database …") as step, _database(settings) as dsn:
        done = make_backup(
            dsn,
            destination,
            recipient=recipient or settings.database.backup_recipient,
            keep=keep,
            signing_key=signing_key.get_secret_value() if signing_key else None,
            report=step,
        )
        _record(dsn, done)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(f"{done.name}: {counted(done.num_rows, 'row')}, {done.num_bytes / 1e6:,.1f} MB, {done.seconds:.1f} s")
    if done.deleted:
        typer.echo(f"Deleted {counted(len(done.deleted), 'older backup')}.")
    if not done.is_encrypted:
        print_line("The backup is not encrypted: `trailmind backup-key FILE` makes a key pair for --recipient.")
        if signing_key is not None:
            print_line(
                "It does not contain the signing key of this server: after a restore elsewhere, all sign in again."
            )


def _record(dsn: str, done: BackupReport) -> None:
    """Note the backup for `trailmind status`. It is complete without the note, so a failure is only reported."""
    import psycopg

    from models.system_status import record_backup

    try:
        with psycopg.connect(dsn) as connection:
            record_backup(connection, done.name, num_bytes=done.num_bytes, is_encrypted=done.is_encrypted)
    except psycopg.Error as error:
        print_line(f"The backup is complete, but `trailmind status` will not show it ({type(error).__name__}).")


def restore_command(
    source: Annotated[str, typer.Argument(help="A backup, or a directory or URL, whose newest backup is taken.")],
    identity: Annotated[Path | None, typer.Option(help="File with the secret key, for an encrypted backup.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete what the database contains now.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an empty database and compare every table; prints the age of the data and the duration."""
    from launch.backup import restore_backup

    settings = command_settings(data_dir)
    secret = _secret_key(identity) if identity else None

    def keep_signing_key(key: str) -> None:
        if settings.auth.secret_key is None:
            _write_signing_key(settings.data_dir, key)

    with reported_steps("Opening the database …") as step, _database(settings, for_restore=True) as dsn:
        done = restore_backup(
            dsn, source, identity=secret, replace=replace, keep_signing_key=keep_signing_key, report=step
        )
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(
        f"{done.name}: {counted(done.num_rows, 'row')} in {counted(done.num_tables, 'table')}, all equal to the backup."
    )
    typer.echo(f"Age of the data (RPO): {_duration(done.age_s)}. Duration of the restore (RTO): {done.seconds:.1f} s.")


def backup_key_command(
    file: Annotated[Path, typer.Argument(help="New file for the secret key.")],
) -> None:
    """Make a key pair for backups: the secret key goes into FILE, the public key (recipient) is printed."""
    from launch.backup import new_identity

    identity, recipient = new_identity()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{file} exists: a key that decrypts backups is never replaced") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(f"# public key: {recipient}\n{identity}\n")
    typer.echo(recipient)
    print_line(f"Keep {file} away from the backups: without it they cannot be decrypted.")


def _secret_key(file: Path) -> str:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} cannot be read") from None
    return next((line for line in lines if line and not line.startswith("#")), "")


def _write_signing_key(data_dir: Path, key: str) -> None:
    path = data_dir / "secrets" / "signing-key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(key, encoding="ascii")
    draft.replace(path)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
