"""Supervises both embedded stores."""

from __future__ import annotations

import atexit
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import structlog

from launch.stores.account import grant_directory_access, server_account
from launch.stores.errors import StoresError, explain_os_errors
from launch.stores.lock import DataDirLock, StoreUrls
from launch.stores.postgres import PostgresServer
from launch.stores.programs import postgres_programs, valkey_program
from launch.stores.server import Server
from launch.stores.sockets import remove_sockets, socket_dir
from launch.stores.valkey import ValkeyServer

log = structlog.get_logger(__name__)

_CHECK_INTERVAL_S = 0.25
_LOG_CAP_INTERVAL_S = 60.0
_MAX_BACKOFF_S = 10.0


class EmbeddedStores:
    """A PostgreSQL and a Valkey with their data in `data_dir`, kept running until `stop`.

    There is one supervisor per data directory: a second one raises `StoresInUse` and can connect with `running_urls`
    instead. A server that dies is restarted at the same URL. A supervisor that dies leaves its servers running; the
    next one restarts them, because a server that it did not start may have other settings or be unresponsive.
    """

    def __init__(self, data_dir: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True) -> None:
        """`durable=False` is for tests: faster, and safe from killed processes, but not from a power failure."""
        self._data_dir = data_dir.expanduser().resolve()
        self._wants_postgres, self._wants_valkey, self._durable = postgres, valkey, durable
        self._lock: DataDirLock | None = None
        self._servers: list[Server] = []
        self._socket_dir: Path | None = None
        self._urls: StoreUrls | None = None
        self._watcher: threading.Thread | None = None
        self._closing = threading.Event()
        self._supervisor_pid = os.getpid()
        #: Sentences for the user about changes that `start` made to this system.
        self.messages: list[str] = []

    def start(self) -> StoreUrls:
        """Start both servers and return their URLs when they answer. A repeat returns the same URLs.

        Raises:
            StoresInUse: another process supervises this data directory.
            StoresError: a server cannot run; the sentence names the remedy.
        """
        if self._urls is not None:
            return self._urls
        with explain_os_errors(self._data_dir):
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = DataDirLock(self._data_dir)
            self._closing.clear()
            self._supervisor_pid = os.getpid()
            atexit.register(self.stop)
            try:
                self._urls = self._start_servers()
                self._lock.publish(self._urls)
            except BaseException:
                self.stop()
                raise
        self._watcher = threading.Thread(target=self._watch, name="stores-watcher", daemon=True)
        self._watcher.start()
        return self._urls

    def stop(self) -> None:
        """Stop both servers and release the data directory. A repeat changes nothing."""
        if os.getpid() != self._supervisor_pid:
            return  # a forked child inherits the exit handlers, but the servers belong to its parent
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        for server in self._servers:
            server.request_stop()
        for server in self._servers:
            server.stop()
        self._servers, self._urls = [], None
        if self._socket_dir is not None:
            remove_sockets(self._socket_dir, self._data_dir)
            self._socket_dir = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        atexit.unregister(self.stop)

    def pids(self) -> dict[str, int]:
        """The process id of each running server by its name ("PostgreSQL", "Valkey")."""
        return {server.name: server.pid for server in self._servers if server.pid is not None}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_servers(self) -> StoreUrls:
        account = server_account(self._data_dir)
        if account.is_other:
            self._add_message(f"Running as root: PostgreSQL and Valkey run as the system user {account.name}.")
            if opened := grant_directory_access(account, self._data_dir):
                where = ", ".join(map(str, opened))
                self._add_message(f"The user {account.name} can now pass through {where}.")
        logs = self._data_dir / "logs"
        account.make_dir(logs)
        self._socket_dir = sockets = socket_dir(self._data_dir, account)
        database_url = redis_url = ""
        if self._wants_valkey:
            program = valkey_program(account, self._data_dir)
            valkey = ValkeyServer(self._data_dir / "valkey", logs / "valkey.log", account, program, sockets)
            self._servers.append(valkey)
            redis_url = valkey.url
        if self._wants_postgres:
            programs = postgres_programs(account, self._data_dir)
            postgres = PostgresServer(
                self._data_dir / "postgres",
                logs / "postgres.log",
                account,
                programs,
                sockets,
                durable=self._durable,
            )
            self._servers.append(postgres)
            database_url = postgres.url
        for server in self._servers:
            server.start(self._closing)
        return StoreUrls(database_url, redis_url)

    def _add_message(self, sentence: str) -> None:
        self.messages.append(sentence)

    def _watch(self) -> None:
        """Restart dead servers until `stop`. A failed restart is retried with exponential backoff."""
        backoff_s: dict[str, float] = {}
        retry_at: dict[str, float] = {}
        logs_capped_at = time.monotonic()
        while not self._closing.wait(_CHECK_INTERVAL_S):
            now = time.monotonic()
            for server in self._servers:
                if server.is_alive() or now < retry_at.get(server.name, 0.0):
                    continue
                try:
                    server.start(self._closing)
                except (StoresError, OSError, psycopg.Error) as exc:
                    if self._closing.is_set():
                        return
                    delay_s = backoff_s[server.name] = min(2 * backoff_s.get(server.name, 0.25), _MAX_BACKOFF_S)
                    retry_at[server.name] = time.monotonic() + delay_s
                    log.error("store_restart_failed", store=server.name, reason=str(exc), retry_in_s=delay_s)
                else:
                    backoff_s.pop(server.name, None)
                    log.warning("store_restarted", store=server.name, took_s=round(time.monotonic() - now, 3))
            if now - logs_capped_at > _LOG_CAP_INTERVAL_S:
                logs_capped_at = now
                for server in self._servers:
                    server.cap_log()
